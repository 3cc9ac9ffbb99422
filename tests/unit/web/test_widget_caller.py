"""The widget's API: who is let in, and what a refusal leaves as it was."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from app.domain.acceptance import StoreUnavailable
from app.domain.widget_texts import message
from app.web.widget import MOST_AT_ONCE
from tests.builders import an_account
from tests.unit.services.ports_in_memory import answers
from tests.webhooks import (
    ABSENT,
    ACCOUNT_ID,
    ISSUER,
    OTHER_CLIENT_ID,
    OTHER_CLIENT_SECRET,
    a_token,
    some_claims,
)
from tests.widget_calls import (
    CHANGE,
    CHANGING,
    SETTINGS,
    USAGE,
    USER_ID,
    Page,
    a_widget_token,
    any_call,
    changing_call,
    code_of,
    error_of,
    some_widget_claims,
)


@pytest.fixture
def page() -> Page:
    return Page()


def test_who_is_no_administrator_may_look_and_not_change(page: Page) -> None:
    before = page.account
    shown = page.call("GET", SETTINGS, is_admin=ABSENT)
    assert (shown.status_code, shown.get_json()["status"]["can_change"]) == (200, False)
    assert code_of(page.call("PUT", SETTINGS, CHANGE, is_admin=False)) == (403, "admin_required")
    assert page.is_as_before(before)


FORGED = [
    pytest.param({"token": ""}, "missing", id="no token"),
    pytest.param({"token": "a.b.c"}, "malformed", id="no JWT"),
    pytest.param({"token": a_token(some_claims())}, "algorithm", id="the token of a webhook"),
    pytest.param({"token": a_widget_token(algorithm="HS512", digest="sha512")}, "algorithm", id="HS512"),
    pytest.param({"token": a_widget_token(algorithm="none")}, "algorithm", id="none"),
    pytest.param({"token": a_widget_token(secret="x" * 64)}, "signature", id="another secret"),
    pytest.param({"exp": 1}, "expired", id="expired"),
    pytest.param({"nbf": 2**40}, "not_yet_valid", id="not yet valid"),
    pytest.param({"aud": "https://else.example"}, "audience", id="another audience"),
    pytest.param({"client_uuid": "unknown"}, "integration_unknown", id="an unknown integration"),
]


@any_call
@pytest.mark.parametrize(("given", "reason"), FORGED)
def test_a_forged_token_changes_nothing_and_is_logged_once(
    page: Page, given: dict[str, Any], reason: str, method: str, path: str, body: Any
) -> None:
    before = page.account
    with capture_logs() as logs:
        answer = page.call(method, path, body, **given)
    assert code_of(answer) == (401, "unauthorized")
    assert error_of(answer) == {"code": "unauthorized", "message": message("unauthorized", "pt")}
    assert page.is_as_before(before)
    (line,) = logs
    assert (line["event"], line["outcome"], line["reason"]) == ("widget", "unauthorized", reason)
    assert not given.get("token") or given["token"] not in str(logs)


FOREIGN = [
    pytest.param({"iss": "https://beta.kommo.com"}, {}, "issuer", id="another account's page"),
    pytest.param({"iss": ABSENT}, {}, "issuer", id="no issuer"),
    pytest.param({"iss": f"{ISSUER}.evil.example"}, {}, "issuer", id="a page elsewhere"),
    pytest.param({}, {"origin": "https://beta.kommo.com"}, "origin", id="sent from another account's page"),
    pytest.param({}, {"origin": "https://evil.example"}, "origin", id="sent from elsewhere"),
    pytest.param({}, {"origin": "null"}, "origin", id="sent from nowhere"),
    pytest.param({}, {"origin": f"{ISSUER}:8443"}, "origin", id="sent from another port"),
    pytest.param({}, {"origin": ISSUER.replace("https", "http")}, "origin", id="sent without TLS"),
    pytest.param({}, {"origin": f"{ISSUER}, {ISSUER}"}, "origin", id="two origins"),
]


@any_call
@pytest.mark.parametrize(("claims", "sent", "reason"), FOREIGN)
def test_a_page_that_is_not_the_account_s_own_gets_nothing(
    page: Page, claims: dict[str, Any], sent: dict[str, Any], reason: str, method: str, path: str, body: Any
) -> None:
    before = page.account
    with capture_logs() as logs:
        answer = page.call(method, path, body, **sent, **claims)
    assert code_of(answer) == (403, "forbidden")
    assert page.is_as_before(before)
    (line,) = logs
    assert (line["outcome"], line["reason"], line["account_id"]) == ("forbidden", reason, ACCOUNT_ID)


def test_a_renamed_account_is_found_by_the_address_of_its_page(page: Page) -> None:
    page.door.renames[ACCOUNT_ID] = "gamma"
    there = "https://gamma.kommo.com"
    assert page.call("GET", SETTINGS, iss=there, origin=there).status_code == 200
    assert page.account.subdomain == "gamma"
    assert code_of(page.call("GET", SETTINGS)) == (403, "forbidden")


@any_call
def test_an_integration_speaks_for_its_own_accounts_only(page: Page, method: str, path: str, body: Any) -> None:
    before = page.account
    token = a_widget_token(some_widget_claims(client_uuid=OTHER_CLIENT_ID), secret=OTHER_CLIENT_SECRET)
    assert code_of(page.call(method, path, body, token=token)) == (403, "forbidden")
    assert page.is_as_before(before)
    assert page.door.asked_for_renames == []


def test_a_private_integration_speaks_for_its_account() -> None:
    page = Page(an_account(client_id=OTHER_CLIENT_ID))
    token = a_widget_token(some_widget_claims(client_uuid=OTHER_CLIENT_ID), secret=OTHER_CLIENT_SECRET)
    assert page.call("GET", SETTINGS, token=token).status_code == 200
    assert page.call("GET", SETTINGS).status_code == 403


@any_call
def test_an_account_that_is_not_there_is_not_installed(page: Page, method: str, path: str, body: Any) -> None:
    assert code_of(page.call(method, path, body, account_id=31000002)) == (404, "account_not_installed")
    gone = Page(an_account(access="revoked"))
    assert code_of(gone.call(method, path, body)) == (404, "account_not_installed")


def test_an_account_that_goes_in_the_middle_is_not_installed(page: Page) -> None:
    page.office.accounts.rivals = [lambda _found: None]
    assert code_of(page.call("PUT", SETTINGS, CHANGE)) == (404, "account_not_installed")


@changing_call
def test_a_token_does_one_thing_only(page: Page, method: str, path: str, body: Any) -> None:
    page.office.engine.script = list(answers("Olá!", "Olá!"))
    token = a_widget_token()
    assert page.call(method, path, body, token=token).status_code == 200
    before, asked = page.account, page.office.engine.opened
    with capture_logs() as logs:
        replays = [page.call(*call, token=token) for call in CHANGING]
    assert [code_of(answer) for answer in replays] == [(401, "token_used")] * 2
    assert (page.account, page.office.engine.opened) == (before, asked)
    assert [(line["outcome"], line["reason"]) for line in logs] == [("unauthorized", "token_used")] * 2
    # Another one of the same user and second is another one.
    assert page.call(method, path, body).status_code == 200


def test_looking_uses_no_token_up(page: Page) -> None:
    token = a_widget_token()
    assert [page.call("GET", path, token=token).status_code for path in (SETTINGS, SETTINGS, USAGE)] == [200] * 3
    assert page.call("PUT", SETTINGS, CHANGE, token=token).status_code == 200
    assert page.call("GET", SETTINGS, token=token).status_code == 200


def test_what_could_not_be_done_uses_no_token_up(page: Page) -> None:
    token = a_widget_token()
    assert page.call("PUT", SETTINGS, {"unknown": 1}, token=token).status_code == 400
    assert page.call("PUT", SETTINGS, CHANGE, token=token).status_code == 200


@any_call
def test_without_redis_nothing_is_done_and_it_is_said_when_to_come_back(
    page: Page, method: str, path: str, body: Any
) -> None:
    before = page.account
    page.door.trouble["account"] = StoreUnavailable("x")
    answer = page.call(method, path, body)
    assert code_of(answer) == (503, "unavailable")
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Access-Control-Allow-Origin"] == ISSUER
    del page.door.trouble["account"]
    assert page.is_as_before(before)


@any_call
def test_a_language_that_there_is_not_is_named(page: Page, method: str, path: str, body: Any) -> None:
    answer = page.call(method, f"{path}?lang=fr", body)
    assert code_of(answer) == (400, "invalid_request")
    assert list(error_of(answer)["fields"]) == ["lang"]


@any_call
def test_each_request_is_logged_once_with_nothing_of_what_was_sent(
    page: Page, method: str, path: str, body: Any
) -> None:
    token = a_widget_token()
    with capture_logs() as logs:
        page.call(method, path, body, token=token)
    (line,) = logs
    assert (line["event"], line["log_level"], line["outcome"]) == ("widget", "info", "done")
    assert (line["route"], line["account_id"], line["user_id"]) == (f"{method} {path}", ACCOUNT_ID, str(USER_ID))
    assert not [text for text in (token, "Um momento", "sk-", "Olá") if text in str(logs)]


def test_a_fault_of_ours_is_told_as_one_and_says_nothing_of_it(page: Page) -> None:
    def fault() -> None:
        raise ValueError("segredo")

    page.office.setup.meanwhile = fault
    with capture_logs() as logs:
        answer = page.call("PUT", SETTINGS, CHANGE)
    assert code_of(answer) == (500, "internal_error")
    assert error_of(answer)["message"] == message("internal_error", "pt")
    assert answer.headers["Access-Control-Allow-Origin"] == ISSUER
    assert [(line["outcome"], line["log_level"]) for line in logs] == [("internal_error", "error")]
    # Its place is free again.
    page.office.setup.meanwhile = lambda: None
    assert [page.call("PUT", SETTINGS, CHANGE).status_code for _ in range(MOST_AT_ONCE + 1)] == [200] * 3
