"""Kommo's hooks and OAuth window as HTTP: what is refused before anything is done, and what people read."""

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from app.domain.acceptance import StoreUnavailable
from app.domain.kommo_hooks import HookOutcome, InstallHook, RevokedHook
from app.domain.return_url import Origin
from app.web import oauth
from app.web.oauth_state import SECONDS, States
from app.web.oauth_texts import TEXTS, Ending
from config.settings import CALLBACK_PATH
from tests.webhooks import ABSENT, ACCOUNT_ID, CLIENT_ID, CLIENT_SECRET, OTHER_CLIENT_ID, OTHER_CLIENT_SECRET, Door

REVOKED_PATH = "/kommo/oauth/revoked"
START_PATH = "/kommo/oauth/start"
CODE = "def502" + "a1" * 400


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with capture_logs() as found:
        yield found


def install(door: Door, language: str | None = None, **query: Any) -> TestResponse:
    given = {"code": CODE, "referer": "acme.kommo.com", "client_id": CLIENT_ID, "from_widget": "1", **query}
    headers = {"Accept-Language": language} if language else {}
    present = {name: value for name, value in given.items() if value is not ABSENT}
    return door.client().get(CALLBACK_PATH, query_string=present, headers=headers)


def said(response: TestResponse) -> str:
    """Which ending its page tells, and in which language."""
    for locale, texts in TEXTS.items():
        for ending, words in texts.items():
            if words.what_next in response.text and words.what_happened in response.text:
                return f"{ending} {locale}"
    raise AssertionError(response.text)


def a_signature(client_id: str = CLIENT_ID, account_id: object = ACCOUNT_ID, secret: str = CLIENT_SECRET) -> str:
    return hmac.new(secret.encode(), f"{client_id}|{account_id}".encode(), hashlib.sha256).hexdigest()


def revoke(door: Door, **query: Any) -> TestResponse:
    given = {"client_uuid": CLIENT_ID, "account_id": str(ACCOUNT_ID), "signature": a_signature(), **query}
    present = {name: value for name, value in given.items() if value is not ABSENT}
    return door.client().get(REVOKED_PATH, query_string=present)


def a_state(door: Door, client_id: str = CLIENT_ID) -> str:
    response = door.client().get(START_PATH, query_string={"client_id": client_id})
    return dict(parse_qsl(urlsplit(response.headers["Location"]).query))["state"]


# --- the install hook -----------------------------------------------------------------------------------------------


def test_an_installation_is_handed_on_with_its_code_address_and_integration(door: Door) -> None:
    response = install(door, referer="acme.kommo.com:443", platform="1")
    assert (response.status_code, said(response)) == (200, "installed pt")
    (hook,) = door.hooks
    assert isinstance(hook, InstallHook)
    assert (hook.code, hook.origin, hook.client_id) == (CODE, Origin.parse("https://acme.kommo.com"), CLIENT_ID)


@pytest.mark.parametrize(
    ("query", "client_id"),
    [
        ({"referer": ABSENT, "referrer": "acme.kommo.com"}, CLIENT_ID),
        ({"client_id": ABSENT}, CLIENT_ID),
        ({"client_id": OTHER_CLIENT_ID}, OTHER_CLIENT_ID),
        ({"referrer": "acme.kommo.com"}, CLIENT_ID),
    ],
    ids=["the other spelling", "the public integration", "a private one", "both spellings"],
)
def test_every_form_of_the_hook_is_understood(door: Door, query: dict[str, Any], client_id: str) -> None:
    assert install(door, **query).status_code == 200
    assert [hook.client_id for hook in door.hooks] == [client_id]


@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [
        ({"code": ABSENT}, 400, "code"),
        ({"code": ""}, 400, "code"),
        ({"code": "a b"}, 400, "code"),
        ({"code": "a\nb"}, 400, "code"),
        ({"code": ["a", "b"]}, 400, "code_twice"),
        ({"referer": ABSENT}, 400, "referer"),
        ({"referrer": "other.kommo.com"}, 400, "referer_twice"),
        ({"client_id": "a/b"}, 400, "client_id"),
        ({"client_id": [CLIENT_ID, OTHER_CLIENT_ID]}, 400, "client_id_twice"),
        ({"client_id": "unknown"}, 403, "integration_unknown"),
        ({"state": ["a", "b"]}, 400, "state_twice"),
        ({"referer": "evil.example"}, 403, "foreign_host"),
        ({"referer": "kommo.com.evil.example"}, 403, "foreign_host"),
        ({"referer": "acme.kommo.com@evil.example"}, 403, "foreign_host"),
        ({"referer": "evil@acme.kommo.com"}, 403, "foreign_host"),
        ({"referer": "acme.kommo.com:8443"}, 403, "foreign_host"),
        ({"referer": "https://acme.kommo.com"}, 403, "foreign_host"),
        ({"referer": "acme.kommo.com\r\nHost: evil.example"}, 403, "foreign_host"),
    ],
)
def test_what_is_no_installation_is_refused_and_told_once(
    door: Door, lines: list[Any], query: dict[str, Any], status: int, reason: str
) -> None:
    response = install(door, **query)
    assert (response.status_code, said(response)) == (status, "not_ours pt")
    assert door.hooks == []
    assert [(line["event"], line["outcome"], line["reason"]) for line in lines] == [("kommo_hook", "refused", reason)]


def test_a_service_without_a_public_integration_needs_the_name_of_one() -> None:
    door = Door(public_client_id=None)
    assert install(door, client_id=ABSENT).status_code == 400
    assert install(door, client_id=OTHER_CLIENT_ID).status_code == 200


@pytest.mark.parametrize(
    ("outcome", "status", "ending"),
    [
        (HookOutcome.INSTALLED, 200, "installed"),
        (HookOutcome.POSTPONED, 202, "going_on"),
        (HookOutcome.CODE_REFUSED, 403, "code_refused"),
        (HookOutcome.NOT_AN_ACCOUNT, 403, "code_refused"),
        (HookOutcome.NOT_ADMINISTRATOR, 403, "not_administrator"),
        (HookOutcome.GIVEN_UP, 503, "unavailable"),
        (StoreUnavailable(), 503, "unavailable"),
    ],
)
def test_the_page_tells_what_became_of_it(
    door: Door, outcome: HookOutcome | Exception, status: int, ending: str
) -> None:
    door.outcomes = [outcome]
    response = install(door)
    assert (response.status_code, said(response)) == (status, f"{ending} pt")


def test_a_user_who_declines_reads_what_that_means(door: Door) -> None:
    response = door.client().get(CALLBACK_PATH, query_string={"error": "access_denied", "client_id": CLIENT_ID})
    assert (response.status_code, said(response)) == (403, "declined pt")
    assert door.hooks == []


def test_without_redis_nothing_is_begun(door: Door) -> None:
    door.trouble["integration_secrets"] = StoreUnavailable()
    response = install(door)
    assert (response.status_code, said(response)) == (503, "unavailable pt")
    assert door.hooks == []


@pytest.mark.parametrize(
    ("language", "locale"),
    [(None, "pt"), ("es-AR,es;q=0.9", "es"), ("en-GB", "en"), ("pt-PT", "pt"), ("de", "pt"), ("*", "pt")],
)
def test_the_page_is_in_the_readers_language(door: Door, language: str | None, locale: str) -> None:
    response = install(door, language)
    assert said(response) == f"installed {locale}"
    assert f'<html lang="{ {"pt": "pt-BR"}.get(locale, locale) }">' in response.text


def test_the_page_is_kept_by_nobody_leads_nobody_and_runs_nothing(door: Door) -> None:
    headers = install(door).headers
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self';")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("query", [{"code": "<script>x</script>"}, {"referer": "<b>acme"}, {"state": "<b>"}])
def test_nothing_that_was_sent_stands_on_the_page(door: Door, query: dict[str, str]) -> None:
    (sent,) = query.values()
    assert sent not in install(door, **query).text


@pytest.mark.parametrize("path", [CALLBACK_PATH, REVOKED_PATH, START_PATH])
@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS", "PUT", "DELETE"])
def test_only_a_get_does_anything(door: Door, path: str, method: str) -> None:
    query = {"code": CODE, "referer": "acme.kommo.com", "client_id": CLIENT_ID}
    assert door.client().open(path, method=method, query_string=query).status_code == 405
    assert door.hooks == []


# --- the window and its state ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("query", "client_id"), [({}, CLIENT_ID), ({"client_id": OTHER_CLIENT_ID}, OTHER_CLIENT_ID)])
def test_the_window_is_opened_for_an_integration(door: Door, query: dict[str, str], client_id: str) -> None:
    response = door.client().get(START_PATH, query_string=query)
    target = urlsplit(response.headers["Location"])
    asked = dict(parse_qsl(target.query))
    assert (response.status_code, f"{target.scheme}://{target.netloc}{target.path}") == (
        302,
        "https://www.kommo.com/oauth",
    )
    assert (asked["client_id"], asked["mode"], set(asked)) == (client_id, "popup", {"client_id", "mode", "state"})
    assert response.headers["Cache-Control"] == "no-store"


def test_a_state_brings_its_administrator_back_once(door: Door, lines: list[Any]) -> None:
    state = a_state(door)
    assert install(door, state=state, from_widget=ABSENT).status_code == 200
    response = install(door, state=state)
    assert (response.status_code, said(response)) == (403, "state_refused pt")
    assert len(door.hooks) == 1
    assert [line["reason"] for line in lines] == ["state_used"]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (lambda door: "x", "state_forged"),
        (lambda door: a_state(door)[:-2] + "xx", "state_forged"),
        (lambda door: States("another key", lambda *_: True).new(CLIENT_ID), "state_forged"),
        (lambda door: a_state(door, OTHER_CLIENT_ID), "state_of_another_integration"),
        (lambda door: States("signs states", lambda *_: True, lambda: 1_000_000.0).new(CLIENT_ID), "state_expired"),
    ],
    ids=["nonsense", "changed", "another key", "another integration", "expired"],
)
def test_a_bad_state_is_refused_and_uses_nothing_up(door: Door, lines: list[Any], state: Any, reason: str) -> None:
    response = install(door, state=state(door))
    assert (response.status_code, said(response)) == (403, "state_refused pt")
    assert (door.hooks, door.states_used) == ([], set())
    assert [line["reason"] for line in lines] == [reason]


@pytest.mark.parametrize(
    ("door", "query", "status", "ending"),
    [
        (Door(), {"client_id": "unknown"}, 403, "not_ours"),
        (Door(), {"client_id": "a b"}, 400, "not_ours"),
        (Door(public_client_id=None), {}, 400, "not_ours"),
        (Door(kommo_base_url="http://127.0.0.1:{subdomain}"), {}, 404, "no_window"),
        (Door(trouble={"integration_secrets": StoreUnavailable()}), {}, 503, "unavailable"),
    ],
    ids=["unknown", "malformed", "none", "no such host", "no redis"],
)
def test_where_there_is_no_window_the_page_says_so(door: Door, query: dict[str, str], status: int, ending: str) -> None:
    response = door.client().get(START_PATH, query_string=query)
    assert (response.status_code, said(response)) == (status, f"{ending} pt")


# --- the access-revoked hook ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "status", "body"),
    [
        (HookOutcome.REVOKED, 200, {"status": "done"}),
        (HookOutcome.REVOKED_BEFORE, 200, {"status": "done"}),
        (HookOutcome.ACCESS_STILL_GRANTED, 200, {"status": "done"}),
        (HookOutcome.ACCOUNT_UNKNOWN, 200, {"status": "done"}),
        (HookOutcome.POSTPONED, 202, {"status": "going_on"}),
    ],
)
def test_a_signed_revocation_is_handed_on(door: Door, outcome: HookOutcome, status: int, body: Any) -> None:
    door.outcomes = [outcome]
    response = revoke(door)
    assert (response.status_code, response.get_json()) == (status, body)
    (hook,) = door.hooks
    assert isinstance(hook, RevokedHook)
    assert (hook.account_id, hook.client_id) == (ACCOUNT_ID, CLIENT_ID)


@pytest.mark.parametrize(
    "query",
    [
        {"client_uuid": ABSENT, "client_id": CLIENT_ID},
        {"signature": a_signature().upper()},
        {
            "client_uuid": OTHER_CLIENT_ID,
            "signature": a_signature(OTHER_CLIENT_ID, secret=OTHER_CLIENT_SECRET),
        },
    ],
    ids=["client_id", "capitals", "private integration"],
)
def test_every_genuine_form_of_it_is_understood(door: Door, query: dict[str, Any]) -> None:
    assert revoke(door, **query).status_code == 200
    assert len(door.hooks) == 1


def test_a_revocation_may_be_signed_with_the_secret_before_this_one(door: Door) -> None:
    door.secrets[CLIENT_ID] = ["newer", CLIENT_SECRET]
    assert revoke(door).status_code == 200


@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [
        ({"signature": a_signature(secret="wrong")}, 403, "signature"),
        ({"signature": a_signature(account_id=31000002)}, 403, "signature"),
        ({"signature": a_signature(OTHER_CLIENT_ID)}, 403, "signature"),
        ({"signature": a_signature(OTHER_CLIENT_ID, secret=OTHER_CLIENT_SECRET)}, 403, "signature"),
        ({"account_id": "31000002"}, 403, "signature"),
        ({"client_uuid": OTHER_CLIENT_ID}, 403, "signature"),
        ({"client_uuid": "unknown"}, 403, "integration_unknown"),
        ({"signature": ABSENT}, 400, "signature"),
        ({"signature": a_signature()[:-1]}, 400, "signature"),
        ({"signature": "g" * 64}, 400, "signature"),
        ({"signature": [a_signature(), "0" * 64]}, 400, "signature_twice"),
        ({"account_id": ABSENT}, 400, "account_id"),
        ({"account_id": "0"}, 400, "account_id"),
        ({"account_id": "31000001x"}, 400, "account_id"),
        ({"account_id": f"0{ACCOUNT_ID}"}, 400, "account_id"),
        ({"account_id": "\u0663\u0661"}, 400, "account_id"),
        ({"client_uuid": ABSENT}, 400, "client_id"),
        ({"client_id": OTHER_CLIENT_ID}, 400, "client_uuid_twice"),
    ],
)
def test_a_forged_revocation_is_refused_and_told_once(
    door: Door, lines: list[Any], query: dict[str, Any], status: int, reason: str
) -> None:
    response = revoke(door, **query)
    assert response.status_code == status
    assert set(response.get_json()) == {"error"}
    assert door.hooks == []
    assert [(line["event"], line["outcome"], line["reason"]) for line in lines] == [("kommo_hook", "refused", reason)]


def test_without_redis_a_revocation_is_refused(door: Door, lines: list[Any]) -> None:
    door.trouble["integration_secrets"] = StoreUnavailable()
    assert revoke(door).status_code == 503
    assert [line["reason"] for line in lines] == ["store_unavailable"]


# --- both -----------------------------------------------------------------------------------------------------------


def test_the_redirect_uri_that_settings_build_is_the_callback() -> None:
    assert CALLBACK_PATH in {rule.rule for rule in Door().app().url_map.iter_rules()}


def test_kommo_hears_an_answer_within_its_three_seconds() -> None:
    assert oauth.ANSWER_SECONDS <= 2.5


def test_a_state_lives_for_minutes() -> None:
    assert SECONDS <= 20 * 60


def test_every_ending_has_words_in_every_language() -> None:
    assert [set(texts) for texts in TEXTS.values()] == [set(Ending)] * 3
    words = [part for texts in TEXTS.values() for one in texts.values() for part in (one.title, one.what_next)]
    assert all(words)
