"""The check-up: what is looked at, in which order, and what is said where it cannot be looked at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from app.domain.acceptance import StoreUnavailable
from app.domain.accounts import Account, AccountUnknown
from app.domain.answers import Deadline
from app.domain.assistants import Api, Profile
from app.domain.checkup import Finding, Probed, State, Unreachable
from app.domain.failures import AskError, Failure
from app.domain.oauth_tokens import AccessRefused, KommoAccount, KommoUnavailable
from app.domain.quota import Counters
from app.domain.service_state import ServiceState
from app.services.doctor import PROBE_SECONDS, AccountDoctor, ServiceDoctor
from app.services.proving import Proving
from app.services.renaming import Renaming
from app.services.settings_check import SettingsCheck
from tests.builders import a_state, an_account
from tests.unit.services.kommo_in_memory import TEMPLATE, FakeLookUp, Registry
from tests.unit.services.openai_in_memory import FakeSetup
from tests.unit.services.ports_in_memory import Clock, FakeEngine, FakeGates, FakeTokens, answers

PUBLIC_URL, OPENAI_URL = "https://bot.example.com", "https://openai.example/v1"
ALIVE = Probed(200, 0.2, b'{"status":"alive"}')
PROFILE = Profile(model="gpt-6-luna")


@dataclass
class Looks:
    """Ports Inspection and Prober. answers: by address; an exception is raised."""

    seen: ServiceState | Exception = field(default_factory=a_state)
    told: bool | None = None
    answers: Mapping[str, Probed | Exception] = field(default_factory=dict)
    asked: list[tuple[str, float]] = field(default_factory=list)

    def state(self) -> ServiceState:
        if isinstance(self.seen, Exception):
            raise self.seen
        return self.seen

    def snapshots(self) -> bool | None:
        return self.told

    def get(self, url: str, deadline: Deadline) -> Probed:
        self.asked.append((url, deadline.left()))
        default = ALIVE if url.endswith("/healthz") else Probed(401, 0.2)
        answer = self.answers.get(url, default)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def findings(self) -> list[Finding]:
        return list(ServiceDoctor(self, self, PUBLIC_URL, OPENAI_URL, 50.0, clock=lambda: 0.0).findings())

    def found(self) -> dict[str, tuple[State, str]]:
        return {one.what: (one.state, one.found) for one in self.findings()}


def test_a_service_that_is_well_is_told_line_by_line() -> None:
    found = Looks().findings()
    assert [one.what for one in found] == [
        "redis",
        "redis version",
        "redis persistence",
        "redis eviction",
        "redis memory",
        "clock against redis",
        "workers",
        "queue",
        "open turns",
        "openai keys",
        "notes on leads",
        "openai",
        "clock against openai",
        "web",
    ]
    assert {one.state for one in found} == {State.OK}


def test_without_redis_what_can_be_seen_elsewhere_is_told() -> None:
    found = Looks(seen=StoreUnavailable("ConnectionError")).findings()
    assert [(one.what, one.state) for one in found] == [
        ("redis", State.FAILED),
        ("openai", State.OK),
        ("clock against openai", State.OK),
        ("web", State.OK),
    ]
    assert "ConnectionError" in found[0].found


@pytest.mark.parametrize(
    ("url", "answer", "what", "state"),
    [
        (f"{OPENAI_URL}/models", Unreachable("refused"), "openai", State.FAILED),
        (f"{OPENAI_URL}/models", Probed(200, None), "openai", State.OK),
        (f"{OPENAI_URL}/models", Probed(503, None), "openai", State.OK),
        (f"{OPENAI_URL}/models", Probed(401, 6.0), "clock against openai", State.WARNING),
        (f"{OPENAI_URL}/models", Probed(401, -90.0), "clock against openai", State.FAILED),
        (f"{PUBLIC_URL}/healthz", Unreachable("silent"), "web", State.WARNING),
        (f"{PUBLIC_URL}/healthz", Probed(404, 0.0, b"nothing"), "web", State.FAILED),
        (f"{PUBLIC_URL}/healthz", Probed(200, 0.0, b"<html>"), "web", State.FAILED),
        (f"{PUBLIC_URL}/healthz", Probed(503, 0.0, b"alive"), "web", State.FAILED),
    ],
)
def test_what_answers_elsewhere_is_judged(url: str, answer: Probed | Exception, what: str, state: State) -> None:
    assert Looks(answers={url: answer}).found()[what][0] is state


def test_openai_is_asked_without_a_key_and_nobody_waits_long() -> None:
    looks = Looks()
    looks.findings()
    assert looks.asked == [(f"{OPENAI_URL}/models", PROBE_SECONDS), (f"{PUBLIC_URL}/healthz", PROBE_SECONDS)]


def test_where_openai_does_not_say_the_time_no_clock_is_told() -> None:
    found = Looks(answers={f"{OPENAI_URL}/models": Probed(401, None)}).found()
    assert "clock against openai" not in found


class Books:
    """Port Ledger, as far as it is looked at."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def period_now(self, zone: object) -> str:
        return "2025-11"

    def counters(self, account: Account, period: str) -> Counters:
        return replace(self._counters, plan=f"{self._counters.plan} in {period}")


@dataclass
class Patient:
    """An account, and all that looks at it."""

    clock: Clock
    account: Account = field(default_factory=lambda: an_account(assistant_id=None, profile=PROFILE))
    look_up: FakeLookUp = field(default_factory=FakeLookUp)
    tokens: FakeTokens = field(default_factory=lambda: FakeTokens(renewals=[None]))
    engine: FakeEngine = field(default_factory=lambda: FakeEngine(script=list(answers("Olá!"))))
    setup: FakeSetup = field(default_factory=FakeSetup)
    counters: Counters = field(default_factory=lambda: Counters("basico", 100, used=20))

    def __post_init__(self) -> None:
        self.accounts = Registry(self.account)
        known = KommoAccount(self.account.account_id, self.account.subdomain)
        self.look_up.says("https://acme.kommo.com", "token-of-acme", known)

    def findings(self, account_id: int = 31000001) -> list[Finding]:
        renaming = Renaming(self.accounts, self.look_up, TEMPLATE, self.clock)
        proving = Proving(self.accounts, self.look_up, self.tokens, renaming, TEMPLATE, self.clock)
        engines = {Api.RESPONSES: self.engine, Api.ASSISTANTS: self.engine}
        trial = SettingsCheck(engines, self.setup, FakeGates(self.clock), "auto", b"key", self.clock)
        books = Books(self.counters)
        doctor = AccountDoctor(self.accounts, proving, trial, books, TEMPLATE, self.clock)  # type: ignore[arg-type]
        return list(doctor.findings(account_id))

    def found(self) -> dict[str, State]:
        return {one.what: one.state for one in self.findings()}


WELL = {
    "account": State.OK,
    "kommo address": State.OK,
    "kommo token": State.OK,
    "openai key": State.OK,
    "assistant": State.OK,
    "dry run": State.OK,
    "plan": State.OK,
}


def test_an_account_that_is_well_is_told_line_by_line(clock: Clock) -> None:
    found = Patient(clock).findings()
    assert {one.what: one.state for one in found} == WELL
    assert [one.what for one in found] == list(WELL)
    assert found[-1].found.startswith("basico in 2025-11: 80 of 100")


def test_the_dry_question_is_taken_away_again(clock: Clock) -> None:
    patient = Patient(clock)
    patient.findings()
    assert len(patient.engine.asked) == 1
    assert [call for call in patient.setup.calls if call.startswith("discard")] == ["discard responses responses-1"]


def spoilt(**fields: object) -> Callable[[Patient], None]:
    def spoil(patient: Patient) -> None:
        patient.accounts.stored[31000001] = replace(patient.account, **fields)  # type: ignore[arg-type]

    return spoil


def kommo_says(*answers: KommoAccount | Exception) -> Callable[[Patient], None]:
    def spoil(patient: Patient) -> None:
        patient.look_up.says("https://acme.kommo.com", "token-of-acme", *answers)

    return spoil


def openai_says(error: AskError) -> Callable[[Patient], None]:
    def spoil(patient: Patient) -> None:
        patient.engine.script = [error, error]

    return spoil


@pytest.mark.parametrize(
    ("spoil", "changed"),
    [
        pytest.param(spoilt(paused=True), {"account": State.WARNING}, id="paused"),
        pytest.param(kommo_says(AccessRefused(401)), {"kommo token": State.FAILED}, id="token refused"),
        pytest.param(kommo_says(KommoUnavailable("503")), {"kommo token": State.WARNING}, id="Kommo down"),
        pytest.param(kommo_says(AccessRefused(402)), {"kommo token": State.FAILED}, id="unpaid"),
        pytest.param(
            openai_says(AskError(Failure.OPENAI_AUTHENTICATION, code="invalid_api_key")),
            {"openai key": State.FAILED, "assistant": State.WARNING, "dry run": State.WARNING},
            id="key refused",
        ),
        pytest.param(
            openai_says(AskError(Failure.OPENAI_QUOTA, code="insufficient_quota")),
            {"assistant": State.WARNING, "dry run": State.FAILED},
            id="no credit",
        ),
    ],
)
def test_what_is_wrong_with_an_account_is_told_and_the_rest_is_looked_at(
    clock: Clock, spoil: Callable[[Patient], None], changed: dict[str, State]
) -> None:
    patient = Patient(clock)
    spoil(patient)
    assert patient.found() == WELL | changed


def test_an_address_that_cannot_be_reached_says_nothing_of_the_token(clock: Clock) -> None:
    patient = Patient(clock)
    kommo_says(KommoUnavailable("refused"))(patient)
    found = patient.found()
    assert found["kommo address"] is State.FAILED
    assert "kommo token" not in found


def test_an_account_without_a_token_is_not_looked_up(clock: Clock) -> None:
    patient = Patient(clock)
    spoilt(secrets=replace(patient.account.secrets, access_token=None))(patient)
    assert patient.found()["kommo token"] is State.FAILED
    assert patient.look_up.asked == []


def test_a_plan_that_is_used_up_is_told(clock: Clock) -> None:
    assert Patient(clock, counters=Counters("basico", 10, used=10)).found() == WELL | {"plan": State.FAILED}


def test_an_account_that_is_not_known_is_no_account(clock: Clock) -> None:
    with pytest.raises(AccountUnknown):
        Patient(clock).findings(99)
