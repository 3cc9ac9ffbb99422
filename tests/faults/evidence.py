"""What there is to see of a turn after its end, on every side: Kommo's, the client's, the books', OpenAI's."""

from collections import Counter
from dataclasses import dataclass, replace

from app.domain.turn import Charge, Status, Turn
from app.storage import keys
from app.storage.ledger import RedisLedger
from app.storage.turns import RedisTurns
from sandbox.kommo_chat import Client
from sandbox.kommo_webhook import SentWebhook
from sandbox.openai_answers import text_of
from sandbox.openai_items import messages_in
from sandbox.stack import Company, Stack
from tests.builders import TIMING

Messages = Counter[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class End:
    """How a turn ended.

    in_time: the continue call was accepted before the turn's deadline.
    read: what the client of this turn has read so far.
    ledger: kind and requests of its entries, oldest first.
    asked, answered: how often the question and the answer stand at OpenAI, in whatever conversation.
    """

    accepted_calls: int
    in_time: bool
    read: tuple[str, ...]
    status: str
    charge: str
    ledger: tuple[tuple[str, int], ...]
    asked: int
    answered: int


def answered_once(reply: str) -> End:
    """The right end of a turn whose client is to read this reply."""
    return End(
        accepted_calls=1,
        in_time=True,
        read=(reply,),
        status=Status.DELIVERED,
        charge=Charge.SETTLED,
        ledger=(("reserve", -1), ("settle", 0)),
        asked=1,
        answered=1,
    )


def failed_once(failure_text: str) -> End:
    """The right end of a turn that OpenAI refused to answer."""
    return replace(
        answered_once(failure_text),
        charge=Charge.RELEASED,
        ledger=(("reserve", -1), ("release", 1)),
        asked=0,
        answered=0,
    )


class Witness:
    """Looks at the turns of one company. What stood at OpenAI before it came is none of theirs."""

    def __init__(self, stack: Stack, company: Company) -> None:
        self._stack = stack
        self._stood_before = {*stack.openai.conversation_ids(), *stack.openai.thread_ids()}
        self._company = company
        self._turns = RedisTurns(stack.redis, stack.sealer, TIMING)
        self._ledger = RedisLedger(stack.redis)

    def end_of(self, client: Client, webhook: SentWebhook, reply: str) -> End:
        """How this turn ended. reply: what the assistant should have said, word for word."""
        (end,) = self.ends_of([(client, webhook, reply)])
        return end

    def ends_of(self, turns: list[tuple[Client, SentWebhook, str]]) -> list[End]:
        """How these turns ended."""
        said, entries = self._said(), self._entries()
        return [self._end_of(*turn, said, entries) for turn in turns]

    def turn(self, webhook: SentWebhook) -> Turn:
        """The turn that a webhook became, as it stands now."""
        found = self._turns.read(request_id(webhook))
        assert found is not None
        return found

    def step_at(self, webhook: SentWebhook, name: str) -> float | None:
        """When this last happened to the turn, in seconds since the epoch; None when it has not."""
        times = [step["at"] / 1000 for step in self._turns.steps(request_id(webhook)) if step["step"] == name]
        return times[-1] if times else None

    def open_turns(self) -> int:
        """How many turns have no end yet."""
        return int(self._stack.redis.zcard(keys.open_turns()))

    def left_behind(self) -> list[str]:
        """Keys that no turn may leave when all have ended: lines and locks."""
        patterns = (keys.line(self._company.account.account_id, "*"), keys.lock("*"))
        return [key.decode() for pattern in patterns for key in self._stack.redis.scan_iter(pattern)]

    def used_and_reserved(self) -> tuple[int, int]:
        """The company's counters of this month."""
        account = self._company.account
        counters = self._ledger.counters(account, self._ledger.period_now(account.zone))
        return counters.used, counters.reserved

    def _end_of(
        self,
        client: Client,
        webhook: SentWebhook,
        reply: str,
        said: Messages,
        entries: dict[str, list[tuple[str, int]]],
    ) -> End:
        turn = self.turn(webhook)
        calls = self._stack.kommo.accepted_continues(webhook.return_url)
        return End(
            accepted_calls=len(calls),
            in_time=all(call.time * 1000 <= turn.deadline_at for call in calls),
            read=tuple(client.replies),
            status=turn.status,
            charge=turn.charge,
            ledger=tuple(entries.get(turn.request_id, ())),
            asked=said["user", webhook.data["message"]],
            answered=said["assistant", reply],
        )

    def _entries(self) -> dict[str, list[tuple[str, int]]]:
        account = self._company.account
        entries: dict[str, list[tuple[str, int]]] = {}
        for entry in self._ledger.entries(account.account_id, self._ledger.period_now(account.zone)):
            entries.setdefault(entry.request_id, []).append((entry.kind, entry.requests))
        return entries

    def _said(self) -> Messages:
        """Every message in any conversation or thread, by who said it."""
        openai, before = self._stack.openai, self._stood_before
        conversations = [
            messages_in(openai.conversation_items(each)) for each in openai.conversation_ids() if each not in before
        ]
        threads = [openai.thread_messages(each) for each in openai.thread_ids() if each not in before]
        return Counter(
            (message["role"], text_of(message["content"])) for place in (*conversations, *threads) for message in place
        )


def request_id(webhook: SentWebhook) -> str:
    """Our id of the turn that a webhook became."""
    found: str = webhook.json()["request_id"]
    return found
