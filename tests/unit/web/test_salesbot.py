"""The door: each answer of contract 4, with its causes, and in which order they are looked for."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from app.domain.acceptance import StoreUnavailable
from app.domain.accounts import Account, AccountUnknown
from app.domain.return_url import ContinueUrl, Origin
from app.domain.webhook import TokenClaims, Webhook, WebhookData
from tests.webhooks import (
    ABSENT,
    ACCOUNT_ID,
    CLIENT_ID,
    CLIENT_SECRET,
    ISSUER,
    MESSAGE,
    OTHER_CLIENT_ID,
    OTHER_CLIENT_SECRET,
    RETURN_URL,
    Door,
    a_token,
    some_claims,
    some_form,
    some_json,
)

PATH = "/api/v4/salesbot/321/continue/123"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def door() -> Door:
    return Door()


def signed(**claims: Any) -> str:
    return a_token(some_claims(**claims))


def errors_of(answer: TestResponse) -> Any:
    assert answer.content_type == "application/json"
    return answer.get_json()["error"]


# 200


def test_a_form_is_accepted(door: Door) -> None:
    answer = door.send()
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert answer.get_json() == {"status": "accepted", "request_id": "request-1"}


def test_json_is_accepted(door: Door) -> None:
    assert door.send_json().get_json() == {"status": "accepted", "request_id": "request-1"}


def test_the_flow_is_handed_the_account_and_the_webhook_as_values(door: Door) -> None:
    door.send(some_form(data__contact_name="Ana", data__handler="ai_reply"))
    ((account, webhook),) = door.accepted
    assert account == Account(ACCOUNT_ID, "acme")
    origin = Origin("https", "acme.kommo.com", 443)
    assert webhook == Webhook(
        TokenClaims(ACCOUNT_ID, CLIENT_ID, origin, "acme", "2", "777", "salesbot"),
        WebhookData(MESSAGE, contact_id="5551", contact_name="Ana", handler="ai_reply"),
        ContinueUrl(origin, "salesbot", "321", "123"),
    )


def test_the_same_webhook_again_gets_the_first_ones_id(door: Door) -> None:
    door.send()
    assert door.send().get_json() == {"status": "duplicate", "request_id": "request-1"}
    assert len(door.accepted) == 1


@pytest.mark.parametrize(
    "return_url",
    [f"{RETURN_URL}/", RETURN_URL.replace(".com/", ".com:443/"), RETURN_URL.replace("acme", "ACME")],
    ids=["a trailing slash", "the default port", "capitals in the host"],
)
def test_one_place_to_continue_written_differently_is_the_same(door: Door, return_url: str) -> None:
    door.send()
    assert door.send(some_form(return_url=return_url)).get_json()["status"] == "duplicate"


@pytest.mark.parametrize("message", ["", "   ", "{{message_text}}"])
def test_a_webhook_without_text_is_accepted_so_that_its_bot_goes_on(door: Door, message: str) -> None:
    assert door.send(some_form(data__message=message)).status_code == 200
    assert door.webhook.data.message == message


def test_a_body_of_exactly_64_kib_is_accepted(door: Door) -> None:
    start = urlencode(some_form(data__message=ABSENT)) + "&data[message]="
    answer = door.send(data=start + "a" * (64 * 1024 - len(start)))
    assert answer.status_code == 200


def test_an_account_with_a_private_integration_is_served_by_it(door: Door) -> None:
    door.accounts[ACCOUNT_ID] = Account(ACCOUNT_ID, "acme", client_id=OTHER_CLIENT_ID)
    token = a_token(some_claims(client_uuid=OTHER_CLIENT_ID), secret=OTHER_CLIENT_SECRET)
    assert door.send(some_form(token=token)).status_code == 200


@pytest.mark.parametrize(
    ("template", "subdomain", "issuer"),
    [
        ("http://127.0.0.1:8100", "acme", "http://127.0.0.1:8100"),
        ("http://127.0.0.1:{subdomain}", "9301", "http://127.0.0.1:9301"),
        ("http://{subdomain}.localhost:8100", "31000001", "http://31000001.localhost:8100"),
    ],
)
def test_an_account_lives_where_the_template_says(template: str, subdomain: str, issuer: str) -> None:
    door = Door(kommo_base_url=template, accounts={ACCOUNT_ID: Account(ACCOUNT_ID, subdomain)})
    form = some_form(token=signed(iss=issuer), return_url=issuer + PATH)
    assert door.send(form).status_code == 200
    assert str(door.webhook.return_url) == issuer + PATH
    assert door.send().status_code == 403


# 400


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        pytest.param({"return_url": ABSENT}, ["return_url"], id="no return_url"),
        pytest.param({"return_url": ""}, ["return_url"], id="an empty return_url"),
        pytest.param({"data__message": ABSENT}, ["data.message"], id="no message"),
        pytest.param({"data__message": ABSENT, "return_url": ABSENT}, ["data.message", "return_url"], id="neither"),
    ],
)
def test_missing_fields_are_named(door: Door, fields: dict[str, Any], named: list[str]) -> None:
    answer = door.send(some_form(**fields))
    assert answer.status_code == 400
    error = errors_of(answer)
    assert error["code"] == "invalid_request"
    assert sorted(error["fields"]) == named
    assert all(isinstance(text, str) for texts in error["fields"].values() for text in texts)


@pytest.mark.parametrize(
    ("body", "content_type", "named"),
    [
        pytest.param('{"token": ', "application/json", "body", id="JSON cut short"),
        pytest.param("[]", "application/json", "body", id="a JSON list"),
        pytest.param("[" * 60000, "application/json; charset=utf-8", "body", id="JSON of 60000 levels"),
        pytest.param('{"data": "text"}', "application/json", "data", id="data that is no object"),
        pytest.param("token=a&token=b", FORM, "token", id="two tokens"),
        pytest.param("&" * 100, FORM, "body", id="too many fields"),
        pytest.param("--x--", "multipart/form-data; boundary=x", "body", id="multipart"),
    ],
)
def test_what_cannot_be_parsed_is_refused_before_its_token_is_looked_at(
    door: Door, body: str, content_type: str, named: str
) -> None:
    answer = door.send(data=body, content_type=content_type)
    assert answer.status_code == 400
    assert list(errors_of(answer)["fields"]) == [named]


@pytest.mark.parametrize("message", [None, 5, ["Oi"], {"text": "Oi"}], ids=repr)
def test_a_message_that_is_no_text_is_refused(door: Door, message: object) -> None:
    answer = door.send_json(some_json({"message": message}))
    assert (answer.status_code, list(errors_of(answer)["fields"])) == (400, ["data.message"])


# 401


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(lambda: ABSENT, id="missing"),
        pytest.param(lambda: "", id="empty"),
        pytest.param(lambda: "token", id="no token"),
        pytest.param(lambda: a_token(algorithm="HS256", digest="sha256"), id="wrong algorithm"),
        pytest.param(lambda: a_token(algorithm="none"), id="no algorithm"),
        pytest.param(lambda: a_token(secret="w" * 64), id="bad signature"),
        pytest.param(lambda: signed(client_uuid="unknown"), id="unknown integration"),
        pytest.param(lambda: signed(exp=ABSENT), id="no exp"),
        pytest.param(lambda: signed(exp=1), id="expired"),
        pytest.param(lambda: signed(nbf=9_000_000_000), id="not yet valid"),
        pytest.param(lambda: signed(aud="https://else.example"), id="wrong audience"),
        pytest.param(lambda: signed(account_id=ABSENT), id="no account"),
        pytest.param(lambda: signed(client_uid=OTHER_CLIENT_ID), id="two integrations"),
    ],
)
def test_a_token_that_is_not_genuine_is_refused_and_nobody_is_told_why(door: Door, token: Any) -> None:
    answer = door.send(some_form(token=token()))
    assert answer.status_code == 401
    assert answer.get_json() == {"error": {"code": "unauthorized"}}
    assert door.accepted == []


@pytest.mark.parametrize("token", [None, 5, ["a"], {"a": "b"}], ids=repr)
def test_a_token_that_is_no_text_is_refused(door: Door, token: object) -> None:
    assert door.send_json(some_json(token=token)).status_code == 401


def test_another_webhook_of_kommo_that_comes_here_by_mistake_is_refused(door: Door) -> None:
    assert door.send({"message[add][0][text]": "Oi", "account[id]": "31000001"}).status_code == 401


# 403


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(lambda: {"token": signed(iss="https://other.kommo.com")}, id="iss of another account"),
        pytest.param(lambda: {"token": signed(iss=ABSENT)}, id="no iss"),
        pytest.param(lambda: {"token": signed(iss=5)}, id="iss a number"),
        pytest.param(lambda: {"token": signed(iss="http://acme.kommo.com")}, id="iss with another scheme"),
        pytest.param(lambda: {"token": signed(iss="https://acme.kommo.com:8443")}, id="iss with another port"),
        pytest.param(
            lambda: {"token": signed(iss="https://acme.kommo.com.evil.example")}, id="iss that only begins so"
        ),
        pytest.param(lambda: {"token": signed(iss="acme.kommo.com")}, id="iss that is no address"),
        pytest.param(lambda: {"token": signed(iss="")}, id="iss empty"),
        pytest.param(lambda: {"return_url": f"https://other.kommo.com{PATH}"}, id="return_url of another account"),
        pytest.param(lambda: {"return_url": f"http://acme.kommo.com{PATH}"}, id="return_url without TLS"),
        pytest.param(
            lambda: {"return_url": f"https://acme.kommo.com@evil.example{PATH}"}, id="return_url with user info"
        ),
        pytest.param(lambda: {"return_url": f"{ISSUER}/api/v4/leads"}, id="no continue path"),
        pytest.param(lambda: {"return_url": f"{RETURN_URL}?next=1"}, id="a query"),
        pytest.param(lambda: {"return_url": f"{RETURN_URL}\n"}, id="a line break"),
        pytest.param(lambda: {"return_url": "nonsense"}, id="nonsense"),
        pytest.param(lambda: {"return_url": "x" * 5000}, id="endless"),
        pytest.param(lambda: {"token": signed(bot_type="marketingbot")}, id="another kind of bot"),
        pytest.param(
            lambda: {"token": a_token(some_claims(client_uuid=OTHER_CLIENT_ID), secret=OTHER_CLIENT_SECRET)},
            id="an account of another integration",
        ),
    ],
)
def test_what_is_not_the_accounts_own_is_forbidden(door: Door, fields: Any) -> None:
    answer = door.send(some_form(**fields()))
    assert answer.status_code == 403
    assert answer.get_json() == {"error": {"code": "forbidden"}}
    assert door.accepted == []


def test_an_account_with_a_private_integration_is_closed_to_the_public_one(door: Door) -> None:
    door.accounts[ACCOUNT_ID] = Account(ACCOUNT_ID, "acme", client_id=OTHER_CLIENT_ID)
    assert door.send().status_code == 403


def test_without_a_public_integration_an_account_without_one_is_closed() -> None:
    door = Door(public_client_id=None)
    assert door.send().status_code == 403


def test_an_account_whose_subdomain_makes_no_address_is_closed(door: Door) -> None:
    door.accounts[ACCOUNT_ID] = Account(ACCOUNT_ID, "acme/../evil")
    assert door.send().status_code == 403


# 404


def test_an_account_that_is_not_installed_is_not_found(door: Door) -> None:
    answer = door.send(some_form(token=signed(account_id=31000002)))
    assert answer.status_code == 404
    assert answer.get_json() == {"error": {"code": "account_not_installed"}}


def test_an_account_that_was_removed_is_not_found(door: Door) -> None:
    del door.accounts[ACCOUNT_ID]
    assert door.send().status_code == 404


def test_an_account_that_is_removed_in_this_moment_is_not_found(door: Door) -> None:
    door.trouble["accept"] = AccountUnknown(ACCOUNT_ID)
    answer = door.send()
    assert answer.status_code == 404
    assert answer.get_json() == {"error": {"code": "account_not_installed"}}


@pytest.mark.parametrize("path", ["/", "/kommo/salesbot/", "/kommo/salesbot/x"])
def test_another_route_is_not_found(door: Door, path: str) -> None:
    answer = door.client().post(path)
    assert (answer.status_code, errors_of(answer)) == (404, {"code": "not_found"})


@pytest.mark.parametrize(
    "written", [{"REQUEST_METHOD": "post"}, {"PATH_INFO": "//kommo/salesbot"}], ids=["small letters", "two slashes"]
)
def test_the_door_is_found_however_flask_would_find_a_route(door: Door, written: dict[str, str]) -> None:
    assert door.send(environ_overrides=written).status_code == 200
    assert door.send(some_form(token="x"), environ_overrides=written).status_code == 401


# 405, 413, 500, 503


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_the_door_takes_post_alone(door: Door, method: str) -> None:
    answer = door.client().open("/kommo/salesbot", method=method)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"
    if method != "HEAD":
        assert errors_of(answer) == {"code": "method_not_allowed"}


@pytest.mark.parametrize("content_type", [FORM, "application/json", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize("length", [64 * 1024 + 1, 1024 * 1024, 20 * 1024 * 1024])
def test_a_body_over_64_kib_is_too_large_whatever_it_is(door: Door, content_type: str, length: int) -> None:
    answer = door.send(data="a" * length, content_type=content_type)
    assert (answer.status_code, errors_of(answer)) == (413, {"code": "too_large"})


@pytest.mark.parametrize("port", ["integration_secrets", "account", "accept"])
def test_without_redis_the_sender_is_asked_to_come_again(door: Door, port: str) -> None:
    door.trouble[port] = StoreUnavailable("ConnectionError")
    answer = door.send()
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert errors_of(answer) == {"code": "unavailable"}


def test_a_fault_of_ours_tells_no_details(door: Door) -> None:
    door.trouble["account"] = RuntimeError("secret detail")
    answer = door.send()
    assert (answer.status_code, answer.get_json()) == (500, {"error": {"code": "internal_error"}})


# The order of the checks: of two faults the earlier one is told.

TOO_LONG = "a" * 70000


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        pytest.param({"token": "x", "data__message": TOO_LONG}, 413, id="too large before the token"),
        pytest.param({"token": "x", "return_url": ABSENT}, 401, id="the token before the fields"),
        pytest.param({"account_id": 2, "return_url": ABSENT}, 400, id="the fields before the account"),
        pytest.param({"account_id": 2, "iss": "https://evil.example"}, 404, id="the account before its address"),
        pytest.param({"account_id": 2, "return_url": "https://evil.example/"}, 404, id="the account before return_url"),
    ],
)
def test_of_two_faults_the_earlier_one_is_told(door: Door, fields: dict[str, Any], status: int) -> None:
    claims = {name: fields.pop(name) for name in ("account_id", "iss") if name in fields}
    assert door.send(some_form(**{"token": signed(**claims), **fields})).status_code == status


# The log


def logged(door: Door, fields: dict[str, str] | None = None, **request: Any) -> dict[str, Any]:
    with capture_logs() as lines:
        door.send(fields, **request)
    (line,) = lines
    return dict(line)


def test_an_accepted_webhook_writes_one_line_of_ids(door: Door) -> None:
    line = logged(door)
    assert isinstance(line.pop("ms"), float)
    assert line == {
        "event": "webhook",
        "log_level": "info",
        "turn_id": "request-1",
        "account_id": ACCOUNT_ID,
        "outcome": "accepted",
        "reason": None,
    }


def test_a_refused_algorithm_stands_in_the_log(door: Door) -> None:
    line = logged(door, some_form(token=a_token(algorithm="HS256", digest="sha256")))
    assert (line["outcome"], line["reason"], line["algorithm"]) == ("unauthorized", "algorithm", "HS256")
    assert line["account_id"] is None


@pytest.mark.parametrize(
    ("fields", "outcome", "reason"),
    [
        pytest.param({"token": "x"}, "unauthorized", "malformed", id="401"),
        pytest.param({"return_url": ABSENT}, "invalid_request", "fields", id="400"),
        pytest.param({"return_url": "https://evil.example/x"}, "forbidden", "return_url_foreign_origin", id="403"),
        pytest.param({"data__message": TOO_LONG}, "too_large", None, id="413"),
    ],
)
def test_a_refused_webhook_writes_why(door: Door, fields: dict[str, Any], outcome: str, reason: str | None) -> None:
    line = logged(door, some_form(**fields))
    assert (line["outcome"], line["reason"], line["log_level"]) == (outcome, reason, "info")


def test_an_account_that_is_not_installed_is_named_in_the_log(door: Door) -> None:
    line = logged(door, some_form(token=signed(account_id=31000002)))
    assert (line["account_id"], line["reason"]) == (31000002, "account_unknown")


@pytest.mark.parametrize(
    ("trouble", "outcome"), [(StoreUnavailable("TimeoutError"), "unavailable"), (RuntimeError("x"), "internal_error")]
)
def test_what_is_our_fault_is_logged_as_an_error(door: Door, trouble: Exception, outcome: str) -> None:
    door.trouble["accept"] = trouble
    line = logged(door)
    assert (line["outcome"], line["log_level"], line["turn_id"]) == (outcome, "error", None)


def test_neither_log_nor_answer_repeats_what_a_client_wrote_or_a_token(door: Door) -> None:
    secret = "segredo-do-cliente"
    token = signed(subdomain=secret)
    cases: list[dict[str, str]] = [
        some_form(token=token, data__message=secret, data__contact_id=secret, data__contact_name=secret),
        some_form(token=token + "x", data__message=secret),
        some_form(token=token, data__message=secret, return_url=f"https://{secret}.example/"),
        some_form(token=secret),
    ]
    with capture_logs() as lines:
        answers = [door.send(case).get_data(as_text=True) for case in cases]
        answers.append(door.send_json({"token": [secret], "data": secret}).get_data(as_text=True))
    assert len(lines) == len(answers)
    told = json.dumps(lines) + "".join(answers)
    assert secret not in told
    assert token.split(".")[1] not in told


class Outdated:
    """A directory that remembers what was true before."""

    def __init__(self, account: Account | None, secrets: list[str]) -> None:
        self._account = account
        self._secrets = secrets

    def account(self, account_id: int) -> Account | None:
        return self._account

    def secrets_of(self, client_id: str) -> list[str]:
        return self._secrets


@pytest.mark.parametrize(
    "outdated",
    [
        pytest.param(Outdated(None, [CLIENT_SECRET]), id="account-added-since"),
        pytest.param(Outdated(Account(ACCOUNT_ID, "acme"), ["old" * 30]), id="secret-changed-since"),
        pytest.param(Outdated(Account(ACCOUNT_ID, "acme"), []), id="integration-added-since"),
        pytest.param(Outdated(Account(ACCOUNT_ID, "renamed"), [CLIENT_SECRET]), id="renamed-since"),
        pytest.param(Outdated(Account(ACCOUNT_ID, "acme", client_id="x"), [CLIENT_SECRET]), id="integration-changed"),
    ],
)
def test_who_is_refused_by_memory_is_looked_at_afresh(outdated: Outdated) -> None:
    door = Door()
    door.remembered = [outdated]
    assert door.send().status_code == 200
    assert door.accepted[0][0] == door.accounts[ACCOUNT_ID]


def test_an_account_that_changes_once_while_it_is_accepted_is_looked_at_again() -> None:
    door = Door()
    door.changes = 1
    assert door.send().status_code == 200


def test_an_account_that_never_stops_changing_is_answered_503() -> None:
    door = Door()
    door.changes = 1000
    answer = door.send()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert door.accepted == []
