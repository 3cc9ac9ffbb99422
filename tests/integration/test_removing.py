"""The flows of removing and forgetting on a real Redis, with an OpenAI and workers in the hands of the test."""

from collections.abc import Callable
from typing import Any

import pytest
import redis

from app.domain.accounts import AccountUnknown
from app.domain.failures import AskError, Failure
from app.domain.forgetting import ContactBusy, RemovalBlocked
from app.services.forgetting import Forgetting
from app.services.removing import Removing
from app.storage import keys
from app.storage.presence import RedisPresence
from tests.integration.storage.test_removals import ACCOUNT, Company, left_of
from tests.integration.turn_store import DELIVERED
from tests.unit.services.test_remote_deletion import FakeOpenAi


class Office(Company):
    """A company and whoever deletes. said: the progress. meanwhile: happens at every wait, one after the other."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__(client)
        self.openai = FakeOpenAi()
        self.said: list[str] = []
        self.meanwhile: list[Callable[[], object]] = []
        self.presence = RedisPresence(client, self.store.clock)
        clock = self.store.clock
        self.removing = Removing(
            self.store.accounts, self.removals, self.openai, self.presence.living, clock, self.sleep
        )
        self.forgetting = Forgetting(self.store.accounts, self.memory, self.openai, clock, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.store.clock.seconds += seconds
        self.presence.say("worker-1")
        if self.meanwhile:
            self.meanwhile.pop(0)()

    def remove_it(self, patience: float = 10.0, *, at_openai: bool = False) -> dict[str, Any]:
        return self.removing.remove(ACCOUNT, patience, self.said.append, at_openai=at_openai)

    def end_of(self, line: str) -> Callable[[], object]:
        """An open turn of a contact, and what ends it."""
        taken = self.begin(line)

        def end() -> None:
            self.held(taken).failed(Failure.BUSY)
            self.store.changed(taken, DELIVERED)

        return end


@pytest.fixture
def office(redis_client: redis.Redis) -> Office:
    return Office(redis_client)


def test_open_turns_are_waited_for(office: Office) -> None:
    office.presence.say("worker-1")
    office.meanwhile = [lambda: None, office.end_of("contact-1")]
    receipt = office.remove_it()
    assert office.said[:2] == ["waiting for 1 open turn(s)"] * 2
    assert receipt["here"]["turns"] == 1
    assert left_of(office.redis, str(ACCOUNT)) == []


def test_without_a_worker_nobody_is_waited_for(office: Office) -> None:
    end = office.end_of("contact-1")
    with pytest.raises(RemovalBlocked, match=r"1 open turn\(s\), and no worker lives"):
        office.remove_it()
    assert office.said == []
    now = office.store.accounts.get(ACCOUNT)
    assert now is not None
    assert now.removing
    end()
    assert office.remove_it()["here"]["turns"] == 1


def test_patience_ends_and_nothing_is_removed(office: Office) -> None:
    office.presence.say("worker-1")
    office.answered("contact-2")
    office.end_of("contact-1")
    with pytest.raises(RemovalBlocked, match="bytegpt turn list"):
        office.remove_it(3.0)
    assert office.redis.zcard(keys.turns_of(ACCOUNT)) == 2
    assert office.redis.exists(keys.conversation(ACCOUNT, "contact-2"))


def test_at_openai_each_conversation_is_deleted_once_and_what_is_refused_stays_with_its_turns(office: Office) -> None:
    for line in ("contact-1", "contact-1", "contact-2"):
        office.answered(line)
    office.openai.conversations = {"conv_contact-1": ["msg_1"], "conv_contact-2": []}
    office.openai.others = {"resp_1", "resp_2", "resp_3"}
    office.openai.troubles = {"resp_2": [AskError(Failure.OPENAI_UNEXPECTED, status=400, code="http_400")]}
    with pytest.raises(RemovalBlocked, match=r"did not delete 1 thing\(s\).*response resp_2: http_400"):
        office.remove_it(at_openai=True)
    assert office.openai.calls.count("conv_contact-1") == 1
    assert office.openai.others == {"resp_2"}
    assert office.redis.zcard(keys.turns_of(ACCOUNT)) == 1
    receipt = office.remove_it(at_openai=True)
    assert receipt["here"]["turns"] == 3
    assert receipt["at_openai"] == {
        "conversation deleted": 2,
        "conversation not_found": 1,
        "item deleted": 1,
        "response deleted": 3,
    }
    assert receipt["begun_at"] == "2025-11-22T01:40:00.000Z"


def test_what_openai_refused_of_a_forgotten_contact_is_deleted_with_the_account(office: Office) -> None:
    office.answered("contact-1")
    office.openai.conversations = {"conv_contact-1": ["msg_1"]}
    office.openai.others = {"resp_1"}
    no = AskError(Failure.OPENAI_UNEXPECTED, status=400, code="http_400")
    office.openai.troubles = {"resp_1": [no], "msg_1": [no]}
    office.forgetting.forget(ACCOUNT, "contact-1", office.said.append)
    receipt = office.remove_it(at_openai=True)
    assert receipt["at_openai"] == {"conversation deleted": 1, "item deleted": 1, "response deleted": 1}
    assert (office.openai.others, office.openai.conversations) == (set(), {})
    assert receipt["here"]["forgetting"] == 1


def test_without_openai_the_receipt_says_what_stays_there(office: Office) -> None:
    office.answered("contact-1")
    receipt = office.remove_it()
    assert office.openai.calls == []
    assert receipt["at_openai"] == {}
    assert any(one["what"].endswith("at OpenAI") for one in receipt["remains"])


def test_an_account_that_is_not_there_is_told_so(office: Office) -> None:
    with pytest.raises(AccountUnknown):
        office.removing.remove(99, 1.0, office.said.append)
    with pytest.raises(AccountUnknown):
        office.forgetting.forget(99, "contact-1", office.said.append)


def test_a_contact_with_an_open_turn_is_busy_unless_there_is_patience(office: Office) -> None:
    office.answered("contact-1")
    end = office.end_of("contact-1")
    with pytest.raises(ContactBusy) as caught:
        office.forgetting.forget(ACCOUNT, "contact-1", office.said.append)
    assert caught.value.turns == 1
    with pytest.raises(ContactBusy):
        office.forgetting.forget(ACCOUNT, "contact-1", office.said.append, 2.0)
    office.meanwhile = [end]
    assert office.forgetting.forget(ACCOUNT, "contact-1", office.said.append, 2.0).counts["turns"] == 2
    assert "waiting for 1 open turn(s)" in office.said


def test_an_item_that_was_refused_once_is_gone_with_its_conversation(office: Office) -> None:
    office.answered("contact-1")
    office.openai.conversations = {"conv_contact-1": ["msg_1", "msg_2"]}
    office.openai.troubles = {"msg_1": [AskError(Failure.OPENAI_UNEXPECTED, status=400, code="http_400")]}
    first = office.forgetting.forget(ACCOUNT, "contact-1", office.said.append)
    assert {one.remote.id for one in first.undone} == {"msg_1", "conv_contact-1"}
    del office.openai.conversations["conv_contact-1"]
    second = office.forgetting.forget(ACCOUNT, "contact-1", office.said.append)
    assert second.undone == ()
    assert not office.redis.exists(keys.forgetting(ACCOUNT, "contact-1"))
