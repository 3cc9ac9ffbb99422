"""What `bytegpt doctor` says of one account."""

from collections.abc import Iterable
from typing import Any

import pytest

from app.domain import account_checkup
from app.domain.accounts import Account, Secrets
from app.domain.assistants import Profile
from app.domain.checkup import Finding, State
from app.domain.failures import OPENAI_FAILURES, TEXTS, Failure
from app.domain.quota import Counters
from tests.builders import an_account
from tests.unit.services.kommo_in_memory import a_jwt

OK, WARNING, FAILED = State.OK, State.WARNING, State.FAILED
TEMPLATE = "https://{subdomain}.kommo.com"
NOW = 1_763_775_600.0
DAY = 24 * 3600
KEY = "sk-acme-0123456789abcdef"
OAUTH = Secrets(KEY, a_jwt(exp=NOW + 3600), "refresh-1")


def told(findings: Iterable[Finding]) -> dict[str, tuple[State, str]]:
    found = list(findings)
    for one in found:
        assert (one.state is OK) == (one.remedy == ""), one
        assert one.state is OK or one.found.endswith("."), one
    return {one.what: (one.state, f"{one.found} {one.remedy}") for one in found}


def with_token(**claims: Any) -> Account:
    return an_account(secrets=Secrets(KEY, a_jwt(**claims)))


@pytest.mark.parametrize(
    ("account", "state", "says"),
    [
        (an_account(), OK, "31000001 (acme)"),
        (an_account(paused=True), WARNING, "`bytegpt account resume 31000001`"),
        (an_account(access="revoked"), FAILED, "taken its access back"),
        (an_account(access="lost"), OK, "31000001"),
    ],
)
def test_the_record(account: Account, state: State, says: str) -> None:
    found_state, text = told([account_checkup.of_record(account)])["account"]
    assert (found_state, says in text) == (state, True)


@pytest.mark.parametrize(
    ("account", "refused", "what", "state", "says"),
    [
        (an_account(), None, "kommo address", OK, "https://acme.kommo.com"),
        (an_account(), None, "kommo token", OK, "accepted"),
        (an_account(), 401, "kommo address", OK, "https://acme.kommo.com"),
        (an_account(), 401, "kommo token", FAILED, "takes none of its tokens"),
        (an_account(), 404, "kommo address", FAILED, "no account any more (status 404)"),
        (with_token(exp=NOW + 31 * DAY), None, "kommo token", OK, "another 31 days"),
        (with_token(exp=NOW + 29 * DAY), None, "kommo token", WARNING, "ends in 29 days"),
        (with_token(exp="never"), None, "kommo token", OK, "accepted"),
        (an_account(secrets=OAUTH, tokens_given_at=int(NOW - DAY)), None, "kommo token", OK, "renewed by itself"),
        (an_account(secrets=OAUTH), None, "kommo token", OK, "renewed by itself"),
        (an_account(secrets=OAUTH, tokens_given_at=int(NOW - 61 * DAY)), None, "kommo token", WARNING, "61 days old"),
    ],
)
def test_kommo(account: Account, refused: int | None, what: str, state: State, says: str) -> None:
    found_state, text = told(account_checkup.of_kommo(account, TEMPLATE, refused, NOW))[what]
    assert (found_state, says in text) == (state, True), text


def test_an_account_without_a_token() -> None:
    assert told([account_checkup.no_token()])["kommo token"][0] is FAILED


@pytest.mark.parametrize(
    ("detail", "what", "state", "says"),
    [
        ("402", "kommo token", FAILED, "not paid"),
        ("403", "kommo token", FAILED, "blocks this machine"),
        ("429", "kommo token", WARNING, "fewer calls"),
        ("502", "kommo token", WARNING, "status 502"),
        ("no_room_in_the_rate", "kommo token", WARNING, "no room"),
        ("refused", "kommo address", FAILED, "cannot be reached (refused)"),
        ("name_unknown", "kommo address", FAILED, "https://acme.kommo.com cannot be reached"),
    ],
)
def test_a_kommo_that_says_neither_yes_nor_no(detail: str, what: str, state: State, says: str) -> None:
    found_state, text = told(account_checkup.of_silent_kommo(an_account(), TEMPLATE, detail))[what]
    assert (found_state, says in text) == (state, True), text


def test_a_subdomain_that_makes_no_address() -> None:
    found = told(account_checkup.of_silent_kommo(an_account(subdomain="a b"), TEMPLATE, "no_address"))
    assert found["kommo address"][0] is FAILED


PROFILE = Profile(model="gpt-6-luna")


def openai(account: Account, failure: Failure | None = None, **found: Any) -> dict[str, tuple[State, str]]:
    fields = {"reason": None, "api_gone": False, "characters": 12, **found}
    return told(account_checkup.of_openai(account, failure, **fields))


@pytest.mark.parametrize(
    ("account", "assistant"),
    [
        (an_account(), "asst_acme"),
        (an_account(assistant_id=None, profile=PROFILE), "a profile with gpt-6-luna"),
        (an_account(profile=PROFILE), "asst_acme and a profile with gpt-6-luna"),
    ],
)
def test_an_account_that_is_answered(account: Account, assistant: str) -> None:
    assert openai(account) == {
        "openai key": (OK, "sk-…cdef is accepted "),
        "assistant": (OK, f"{assistant} "),
        "dry run": (OK, "answered with 12 characters "),
    }


@pytest.mark.parametrize(
    ("failure", "found", "states"),
    [
        (Failure.OPENAI_AUTHENTICATION, {"reason": "invalid_api_key"}, (FAILED, WARNING, WARNING)),
        (Failure.ASSISTANT_NOT_FOUND, {"reason": "http_404"}, (OK, FAILED, WARNING)),
        (Failure.OPENAI_UNEXPECTED, {"api_gone": True, "reason": "closed"}, (OK, FAILED, WARNING)),
        (Failure.OPENAI_QUOTA, {"reason": "insufficient_quota"}, (OK, WARNING, FAILED)),
        (Failure.OPENAI_TIMEOUT, {}, (OK, WARNING, FAILED)),
        (Failure.OPENAI_CONNECTION, {"reason": "refused"}, (OK, WARNING, FAILED)),
        (Failure.OPENAI_UNEXPECTED, {}, (OK, WARNING, FAILED)),
    ],
)
def test_what_fails_at_openai_is_told_where_it_fails(
    failure: Failure, found: dict[str, Any], states: tuple[State, State, State]
) -> None:
    told_of = openai(an_account(), failure, **found)
    assert tuple(state for state, _ in told_of.values()) == states
    (text,) = (text for state, text in told_of.values() if state is FAILED)
    assert text.startswith(f"{TEXTS[failure]} ({found.get('reason') or failure}).")
    assert "accepted" not in told_of["openai key"][1]


@pytest.mark.parametrize("failure", sorted(OPENAI_FAILURES))
def test_no_key_is_ever_shown_whole(failure: Failure) -> None:
    assert KEY not in str(openai(an_account(), failure, reason="x"))


def test_an_account_without_a_key() -> None:
    account = an_account(secrets=Secrets(None, "token"))
    found = openai(account, Failure.OPENAI_AUTHENTICATION, reason="no_key_saved")
    assert found["openai key"][0] is FAILED
    assert "none is saved" in found["openai key"][1]
    both = openai(account, Failure.ASSISTANT_NOT_FOUND, reason="no_valid_id_saved")
    assert [both[what][0] for what in ("openai key", "assistant", "dry run")] == [FAILED, FAILED, WARNING]


def test_an_assistants_api_that_has_ended_is_a_warning_where_a_profile_answers() -> None:
    state, text = openai(an_account(profile=PROFILE), api_gone=True)["assistant"]
    assert (state, "imported profile answers" in text) == (WARNING, True)


@pytest.mark.parametrize(
    ("counters", "state", "says"),
    [
        (Counters("basico", 100, used=20), OK, "basico: 80 of 100 requests are left this month"),
        (Counters("basico", 100, used=79), OK, "21 of 100"),
        (Counters("basico", 100, used=70, reserved=10), WARNING, "`bytegpt boost add 31000001`"),
        (Counters("basico", 100, used=100), FAILED, "0 of 100"),
        (Counters("basico", 100, used=100, boosts=200), OK, "200 of 300"),
        (Counters("gratis", 0), FAILED, "set-plan 31000001"),
    ],
)
def test_the_plan(counters: Counters, state: State, says: str) -> None:
    found_state, text = told([account_checkup.of_plan(an_account(), counters)])["plan"]
    assert (found_state, says in text) == (state, True), text
