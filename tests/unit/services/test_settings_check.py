"""The test of a company's settings: what is asked of OpenAI, and what comes out of it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from app.domain.accounts import LOCALES, Account, Locale, Secrets
from app.domain.answers import Answer, Deadline
from app.domain.assistants import Api, ApiChoice, Profile
from app.domain.failures import OPENAI_FAILURES, AskError, Failure
from app.services.settings_check import CHECK_SECONDS, NO_ID, NO_KEY, QUESTIONS, TIDY_SECONDS, Checked, SettingsCheck
from app.services.setup_look import API_CLOSED
from tests.builders import an_account
from tests.unit.services.openai_in_memory import COPY, FakeSetup
from tests.unit.services.ports_in_memory import Clock, FakeEngine, FakeGates, Reaction, answers

PROFILE = Profile(model="gpt-6-luna", instructions="Be kind.")
WITH_PROFILE = an_account(assistant_id=None, profile=PROFILE)
WITH_PROMPT = an_account(assistant_id="pmpt_1")
GONE = AskError(Failure.OPENAI_UNEXPECTED, api_gone=True, status=404, code="http_404")
KEY = "sk-acme-0123456789abcdef"


@dataclass
class Bench:
    """What a test of settings works with."""

    clock: Clock
    choice: ApiChoice = "auto"
    setup: FakeSetup = field(default_factory=FakeSetup)
    responses: FakeEngine = field(default_factory=FakeEngine)
    assistants: FakeEngine = field(default_factory=lambda: FakeEngine(Api.ASSISTANTS))

    def __post_init__(self) -> None:
        self.gates = FakeGates(self.clock)

    def check(self, account: Account, *script: Reaction) -> Checked:
        """Test the account's settings; script is how OpenAI reacts to questions, through either API."""
        self.responses.script = self.assistants.script = list(script or answers("Olá!"))
        engines = {Api.RESPONSES: self.responses, Api.ASSISTANTS: self.assistants}
        return SettingsCheck(engines, self.setup, self.gates, self.choice, b"key", self.clock).check(account)


@pytest.fixture
def bench(clock: Clock) -> Bench:
    return Bench(clock)


@pytest.mark.parametrize(
    ("account", "engine", "calls"),
    [
        pytest.param(WITH_PROFILE, Api.RESPONSES, ["discard responses responses-1"], id="a profile"),
        pytest.param(
            an_account(profile=PROFILE), Api.RESPONSES, ["discard responses responses-1"], id="a profile over an id"
        ),
        pytest.param(WITH_PROMPT, Api.RESPONSES, ["discard responses responses-1"], id="a stored prompt"),
        pytest.param(
            an_account(),
            Api.ASSISTANTS,
            ["asst_acme", "discard assistants assistants-1"],
            id="an assistant",
        ),
    ],
)
def test_good_settings_are_asked_as_a_turn_asks_and_the_question_is_taken_away(
    bench: Bench, account: Account, engine: Api, calls: list[str]
) -> None:
    checked = bench.check(account)
    assert (checked.failure, checked.reason, checked.reply) == (None, None, "Olá!")
    asked = bench.responses.asked if engine is Api.RESPONSES else bench.assistants.asked
    assert len(asked) == len(bench.responses.asked + bench.assistants.asked) == 1
    assert bench.setup.calls == calls
    assert set(bench.setup.keys) == {KEY}


def test_the_definition_of_an_assistant_comes_out_of_it(bench: Bench) -> None:
    assert bench.check(an_account()).imported == COPY
    assert bench.check(WITH_PROMPT).imported is None


@pytest.mark.parametrize("locale", LOCALES)
def test_the_question_is_in_the_language_of_the_account_and_names_nobody(bench: Bench, locale: Locale) -> None:
    bench.check(replace(WITH_PROFILE, locale=locale))
    ((question, _),) = bench.responses.asked
    assert question.text == QUESTIONS[locale]
    assert question.request_id.startswith("check-")
    assert len(question.safety_identifier) == 64
    assert question.step_instructions == ""


@pytest.mark.parametrize(
    ("account", "choice", "failure", "reason"),
    [
        (an_account(secrets=Secrets()), "auto", Failure.OPENAI_AUTHENTICATION, NO_KEY),
        (an_account(assistant_id=None), "auto", Failure.ASSISTANT_NOT_FOUND, NO_ID),
        (an_account(assistant_id="asistente"), "auto", Failure.ASSISTANT_NOT_FOUND, NO_ID),
        (an_account(assistant_id=None, secrets=Secrets()), "auto", Failure.ASSISTANT_NOT_FOUND, NO_ID),
        (an_account(), "responses", Failure.OPENAI_UNEXPECTED, API_CLOSED),
    ],
    ids=["no key", "no id", "a malformed id", "nothing at all", "the Assistants API switched off"],
)
def test_what_is_missing_is_told_without_asking_openai(
    bench: Bench, account: Account, choice: ApiChoice, failure: Failure, reason: str
) -> None:
    bench.choice = choice
    assert bench.check(account) == Checked(failure, reason, api_gone=reason == API_CLOSED)
    assert (bench.setup.calls, bench.responses.opened, bench.assistants.opened) == ([], 0, 0)


@pytest.mark.parametrize("failure", sorted(OPENAI_FAILURES))
@pytest.mark.parametrize("account", [WITH_PROFILE, an_account()], ids=["responses", "assistants"])
def test_every_failure_of_the_question_is_the_outcome(bench: Bench, account: Account, failure: Failure) -> None:
    checked = bench.check(account, AskError(failure, code="why"))
    assert (checked.failure, checked.reason, checked.reply) == (failure, "why", None)
    assert bench.setup.calls[-1].startswith("discard")


@pytest.mark.parametrize("failure", sorted(OPENAI_FAILURES))
def test_every_failure_of_the_import_is_the_outcome(bench: Bench, failure: Failure) -> None:
    bench.setup.import_error = AskError(failure, code="why")
    checked = bench.check(an_account())
    assert (checked.failure, checked.reason, checked.imported, checked.api_gone) == (failure, "why", None, False)
    assert bench.assistants.opened == 0


def test_a_conversation_that_cannot_be_opened_is_the_outcome(bench: Bench) -> None:
    bench.responses.opens = [AskError(Failure.OPENAI_AUTHENTICATION, code="invalid_api_key")]
    assert bench.check(WITH_PROFILE) == Checked(Failure.OPENAI_AUTHENTICATION, "invalid_api_key")
    assert bench.setup.calls == []


def test_an_api_that_has_ended_is_told_apart(bench: Bench) -> None:
    bench.setup.import_error = GONE
    assert bench.check(an_account()) == Checked(Failure.OPENAI_UNEXPECTED, API_CLOSED, api_gone=True)


def test_where_the_api_has_ended_the_stored_copy_is_asked_without_waking_it(bench: Bench) -> None:
    bench.setup.import_error = GONE
    account = an_account(profile=COPY)
    assert bench.check(account) == Checked(api_gone=True, reply="Olá!")
    ((question, _),) = bench.responses.asked
    assert question.assistant.profile == replace(COPY, active=True)
    assert account.profile == COPY


def test_an_answer_of_which_nothing_can_be_shown_is_none(bench: Bench) -> None:
    checked = bench.check(WITH_PROFILE, Answer("【4:0†source】", "resp_1"))
    assert (checked.failure, checked.reason) == (Failure.OPENAI_UNEXPECTED, "empty_answer")


def test_the_reply_is_what_a_client_would_read(bench: Bench) -> None:
    reply = bench.check(WITH_PROFILE, Answer("**Olá**【4:0†source】 " + "a" * 2000, "resp_1")).reply
    assert reply is not None
    assert reply.startswith("Olá")
    assert len(reply) <= 900


@pytest.mark.parametrize("failure", [Failure.OPENAI_CONNECTION, Failure.OPENAI_UNEXPECTED])
def test_what_may_be_tried_again_is_tried_once_more(bench: Bench, failure: Failure) -> None:
    trouble = AskError(failure, retryable=True)
    assert bench.check(WITH_PROFILE, trouble, *answers("Olá!")).reply == "Olá!"
    assert bench.check(WITH_PROFILE, trouble, trouble).failure is failure
    assert bench.setup.calls == [f"discard responses responses-{number}" for number in (1, 2, 3, 4)]


def test_nobody_who_tests_waits_for_a_rate_limit(bench: Bench) -> None:
    limited = AskError(Failure.OPENAI_QUOTA, retryable=True, retry_after=20.0)
    assert bench.check(WITH_PROFILE, limited).failure is Failure.OPENAI_QUOTA
    assert bench.clock.sleeps == []
    assert bench.gates.closings == [(bench.gates.name(KEY), 20.0, Failure.OPENAI_QUOTA)]
    assert bench.gates.told_of == [WITH_PROFILE.account_id]


@pytest.mark.parametrize("account", [WITH_PROFILE, an_account()], ids=["responses", "assistants"])
def test_a_key_that_is_told_to_wait_is_not_used(bench: Bench, account: Account) -> None:
    bench.gates.close(bench.gates.name(KEY), 5.0, Failure.OPENAI_QUOTA)
    assert bench.check(account) == Checked(Failure.OPENAI_QUOTA, "key_told_to_wait")
    assert (bench.setup.calls, bench.responses.opened, bench.assistants.opened) == ([], 0, 0)


def test_a_test_ends_in_time_whatever_openai_does(bench: Bench) -> None:
    seconds: list[float] = []

    def slow(left: float) -> Callable[[Deadline, Callable[[str], None]], Answer]:
        def react(deadline: Deadline, _known: Callable[[str], None]) -> Answer:
            seconds.append(deadline.left())
            bench.clock.now += left
            raise AskError(Failure.OPENAI_UNEXPECTED, retryable=True)

        return react

    bench.setup.meanwhile = lambda: setattr(bench.clock, "now", bench.clock.now + 1.0)
    began = bench.clock()
    bench.check(WITH_PROFILE, slow(10.0), slow(10.0))
    assert seconds[0] == CHECK_SECONDS
    assert seconds[1] <= CHECK_SECONDS - 11.0
    assert bench.setup.seconds == [TIDY_SECONDS, TIDY_SECONDS]
    assert bench.clock() - began < CHECK_SECONDS


def test_a_question_that_cannot_be_taken_away_harms_nothing(bench: Bench) -> None:
    bench.setup.discard_error = AskError(Failure.OPENAI_TIMEOUT)
    assert bench.check(WITH_PROFILE) == Checked(reply="Olá!")
