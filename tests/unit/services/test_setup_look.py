"""What a look at OpenAI finds, when settings are saved."""

from dataclasses import dataclass, field

import pytest

from app.domain.answers import Deadline
from app.domain.assistants import Api, Profile
from app.domain.failures import OPENAI_FAILURES, AskError, Failure
from app.services.ports import SetupFindings
from app.services.setup_look import API_CLOSED, LOOK_SECONDS, SetupLook

IMPORTED = Profile(model="gpt-5", source="imported", active=False)
KEY = "sk-proj-abcdefghwxyz"


@dataclass
class FakeOpenAi:
    key_error: AskError | None = None
    import_error: AskError | None = None
    calls: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def check_key(self, api_key: str, deadline: Deadline) -> None:
        self.calls.append("key")
        self.seconds.append(deadline.left())
        if self.key_error:
            raise self.key_error

    def discard_conversation(self, api: Api, conversation_id: str, api_key: str, deadline: Deadline) -> None:
        raise AssertionError("a look opens no conversation")

    def import_profile(self, assistant_id: str, api_key: str, deadline: Deadline) -> Profile:
        self.calls.append(assistant_id)
        self.seconds.append(deadline.left())
        if self.import_error:
            raise self.import_error
        return IMPORTED


@pytest.mark.parametrize("assistant_id", [None, "pmpt_1", "own"], ids=["a profile", "a prompt", "a name of ours"])
def test_without_an_assistant_at_openai_only_the_key_is_tried(assistant_id: str | None) -> None:
    openai = FakeOpenAi()
    assert SetupLook(openai).look(assistant_id, KEY) == SetupFindings()
    assert openai.calls == ["key"]


def test_the_definition_of_an_assistant_proves_the_key_too() -> None:
    openai = FakeOpenAi()
    assert SetupLook(openai).look("asst_1", KEY) == SetupFindings(imported_profile=IMPORTED)
    assert openai.calls == ["asst_1"]


@pytest.mark.parametrize("failure", sorted(OPENAI_FAILURES))
@pytest.mark.parametrize("assistant_id", ["asst_1", "pmpt_1"])
def test_every_failure_becomes_one_warning(failure: Failure, assistant_id: str) -> None:
    error = AskError(failure, code="why")
    found = SetupLook(FakeOpenAi(key_error=error, import_error=error)).look(assistant_id, KEY)
    assert (found.failure, found.reason, found.api_gone) == (failure, "why", False)
    assert found.imported_profile is None
    assert len(found.warnings) == 1
    assert KEY not in found.warnings[0]


@pytest.mark.parametrize(
    ("key_error", "warnings", "failure"),
    [
        (None, 1, Failure.OPENAI_UNEXPECTED),
        (AskError(Failure.OPENAI_AUTHENTICATION), 2, Failure.OPENAI_AUTHENTICATION),
    ],
    ids=["good key", "bad key"],
)
def test_where_the_assistants_api_has_ended_the_key_is_tried_elsewhere(
    key_error: AskError | None, warnings: int, failure: Failure
) -> None:
    gone = AskError(Failure.OPENAI_UNEXPECTED, api_gone=True, status=404)
    openai = FakeOpenAi(key_error=key_error, import_error=gone)
    found = SetupLook(openai).look("asst_1", KEY)
    assert openai.calls == ["asst_1", "key"]
    assert "Assistants API has ended" in found.warnings[0]
    assert (len(found.warnings), found.failure) == (warnings, failure)
    assert found.api_gone
    assert (found.reason == API_CLOSED) is (key_error is None)


def test_both_calls_share_one_deadline() -> None:
    openai = FakeOpenAi(import_error=AskError(Failure.OPENAI_UNEXPECTED, api_gone=True))
    times = iter([100.0, 103.0, 106.0])
    SetupLook(openai, clock=lambda: next(times)).look("asst_1", KEY)
    assert openai.seconds == [LOOK_SECONDS - 3.0, LOOK_SECONDS - 6.0]
