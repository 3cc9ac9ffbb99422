"""The invariants: what must be true of every turn when all is quiet again, whatever went wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.failures import Failure
from app.domain.turn import CLOSED, Charge, Status
from app.services.reporting import Reporting
from app.services.usage_reporting import UsageReporting
from app.storage import keys
from app.storage.ledger import RedisLedger
from app.storage.turns import RedisTurns
from app.storage.usage import RedisUsage
from sandbox.kommo_calls import ApiCall
from sandbox.stack import Company, Stack
from tests.builders import TIMING
from tests.faults.soak.files import Files, Record
from tests.faults.soak.load import Said
from tests.faults.soak.marks import Mark, Tally

# Between the clock of the one who sent a webhook and that of the process that took it.
LATE_TOLERANCE = 0.5
OF_OPENAI = frozenset(failure for failure in Failure if failure.name.startswith(("OPENAI", "ASSISTANT")))


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a kind of fault may bring about. failures: of OpenAI. late: that a deadline passes."""

    failures: bool = False
    late: bool = False


NOTHING = Allowed()


def _told(call: ApiCall) -> tuple[str, str]:
    """What a client reads because of a continue call."""
    return call.body["data"]["status"], call.body["data"]["reply"]


class Books:
    """Looks at everything that a batch of faults may have spoilt."""

    def __init__(self, stack: Stack, companies: Sequence[Company], deadline: float) -> None:
        """deadline: TURN_DEADLINE of the service."""
        self._stack = stack
        self._companies = companies
        self._deadline = deadline
        self._ledger = RedisLedger(stack.redis)
        self._turns = turns = RedisTurns(stack.redis, stack.sealer, TIMING)
        figures = UsageReporting(RedisUsage(stack.redis), b"key of the soak")
        self._files = Files(stack.redis, companies, self.period_of)
        self._reporting = Reporting(stack.accounts, self._ledger, turns, figures)

    def period_of(self, company: Company) -> str:
        """The month that it is where a company lives."""
        return self._ledger.period_now(company.account.zone)

    def open_turns(self) -> int:
        """How many turns have no end yet."""
        return int(self._stack.redis.zcard(keys.open_turns()))

    def look(self, said: Sequence[Said], marks: Sequence[Mark], allowed: Allowed) -> Tally:
        """What a batch has done; called when all is quiet."""
        tally = Tally(tried=len(marks), in_flight=sum(mark.in_flight for mark in marks))
        entries = self._files.new_entries()
        turn_ids = self._files.turn_ids(said)
        records = self._files.records([turn_id for turn_id in turn_ids if turn_id])
        answered = []
        for each, turn_id in zip(said, turn_ids, strict=True):
            if turn_id is None:
                tally.refused += 1
                continue
            calls = self._stack.kommo.continues_of(each.webhook.return_url)
            answered += [(each.webhook.sent_at, call.time) for call in calls if call.accepted]
            self._look_at(each, turn_id, records[turn_id], calls, entries.get(turn_id, []), allowed, tally)
        unknown = set(entries) - {turn_id for turn_id in turn_ids if turn_id} - {""}
        if unknown:
            tally.mischarged += len(unknown)
            tally.breaches.append(f"{len(unknown)} turns in the ledger that no webhook became: {sorted(unknown)[:3]}")
        self._look_at_counters(tally)
        for mark in marks:
            waits = [told - mark.at for sent, told in answered if sent >= mark.at]
            if waits:
                tally.next_answered.append(min(waits))
            else:
                tally.breaches.append("no message was answered that was sent after the fault")
        return tally

    def _look_at(
        self,
        said: Said,
        turn_id: str,
        record: Record,
        calls: Sequence[ApiCall],
        entries: Sequence[tuple[str, int]],
        allowed: Allowed,
        tally: Tally,
    ) -> None:
        status, charge, error_code = record
        tally.turns += 1
        accepted = [call for call in calls if call.accepted]
        if status == Status.UNDELIVERABLE:
            tally.undeliverable += 1
        if said.webhook.accepted and (status not in CLOSED or (not accepted and status != Status.UNDELIVERABLE)):
            tally.lost += 1
            tally.breaches.append(f"{turn_id} is lost: {status or 'no record'}, {len(calls)} continue calls")
        told = {_told(call) for call in calls if call.status in (None, 202, 404)}
        if len(accepted) > 1 or len(told) > 1:
            tally.doubled += 1
            tally.breaches.append(f"{turn_id}: {len(accepted)} accepted calls, told {sorted(told)}")
        self._look_at_answer(said, turn_id, accepted, error_code, allowed, tally)
        settled = charge == Charge.SETTLED
        right = [("reserve", -1), ("settle", 0)] if settled else [("reserve", -1), ("release", 1)]
        answers = {call.body["data"]["status"] == "success" for call in accepted} or {not error_code}
        if list(entries) != right or answers != {settled}:
            tally.mischarged += 1
            tally.breaches.append(f"{turn_id} is mischarged: {status}, {charge}, {error_code or 'answered'}, {entries}")

    def _look_at_answer(
        self, said: Said, turn_id: str, accepted: Sequence[ApiCall], error_code: str, allowed: Allowed, tally: Tally
    ) -> None:
        for call in accepted:
            told: Mapping[str, Any] = call.body["data"]
            if told["status"] == "success" and not told["reply"].endswith(f": {said.text}"):
                tally.lost += 1
                tally.breaches.append(f"{turn_id} has another one's answer")
            if call.time > said.webhook.sent_at + self._deadline + LATE_TOLERANCE:
                tally.late += 1
                if not allowed.late:
                    seconds = call.time - said.webhook.sent_at
                    tally.breaches.append(f"{turn_id} was answered after {seconds:.1f} s")
        if error_code:
            tally.failed += 1
            if error_code in OF_OPENAI and not allowed.failures and not self._was_asked_late(turn_id):
                tally.breaches.append(f"{turn_id} blames OpenAI for a fault of ours: {error_code}")

    def _was_asked_late(self, turn_id: str) -> bool:
        """Whether a turn had waited for half its time, behind others of its conversation, when OpenAI was asked.

        Then it is told that OpenAI took too long, which is what the contract says of a deadline that passes meanwhile.
        """
        turn = self._turns.read(turn_id)
        asked = next((step["at"] for step in self._turns.steps(turn_id) if step["step"] == "asking"), None)
        return turn is not None and asked is not None and asked - turn.accepted_at > self._deadline * 500

    def _look_at_counters(self, tally: Tally) -> None:
        for company in self._companies:
            account = company.account
            period = self.period_of(company)
            counters = self._ledger.counters(account, period)
            right = (self._files.settled[account.account_id], 0)
            if (counters.used, counters.reserved) != right:
                tally.mischarged += 1
                found = (counters.used, counters.reserved)
                tally.breaches.append(f"{company.project} has used and reserved {found} instead of {right}")
            differences = self._reporting.audit(account.account_id, period, rebuild=False)["differences"]
            if differences:
                tally.mischarged += 1
                tally.breaches.append(f"the ledger of {company.project} does not verify: {differences}")
