"""The worker's side of a turn: ask, store, tell Kommo, whatever happened and from wherever a lost worker left it."""

from dataclasses import dataclass

from app.domain import reply
from app.domain.accounts import Account
from app.domain.answers import Deadline
from app.domain.failures import AskError, Failure
from app.domain.prices import PriceBook
from app.domain.turn import UNDECIDED, Parked, Status, Taken, Timing
from app.services.asking import TIME_TO_ASK, Asking
from app.services.delivering import Delivering
from app.services.held import HeldTurn
from app.services.metering import SILENT
from app.services.ports import AccountsByVersion, Meter, TurnStore


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far a turn was brought, for the log and the RQ dashboard. error_code None: it was answered, or is still open.

    parked: it waits without a worker for what comes next.
    """

    status: Status
    error_code: Failure | None
    parked: bool


@dataclass(frozen=True, slots=True)
class Answering:
    """The flow of one turn."""

    turns: TurnStore
    accounts: AccountsByVersion
    asking: Asking
    delivering: Delivering
    timing: Timing
    prices: PriceBook
    meter: Meter = SILENT

    def run(self, taken: Taken) -> Outcome:
        """Bring a turn that was just taken to its end, or to where it must wait without a worker.

        Raises TurnLost when another worker took it over meanwhile, and StoreUnavailable when Redis went away: then
        the lease runs out and a worker goes on from the record.
        """
        held = HeldTurn(self.turns, taken, self.prices, self.meter, self.delivering.clock)
        parked = False
        try:
            if held.turn.worn_out:
                self._abandon(held, "every_worker_was_lost")
            else:
                self._bring_to_its_end(held, taken.account_version)
        except Parked:
            parked = True
        return Outcome(held.turn.status, held.turn.error_code, parked)

    def _bring_to_its_end(self, held: HeldTurn, account_version: int | None) -> None:
        account = self.accounts.at(held.turn.account_id, account_version) if account_version is not None else None
        if account is None:
            self._abandon(held, "account_removed")
            return
        if held.turn.status in UNDECIDED:
            self._decide(held, account)
        self.delivering.deliver(held, account)

    def _decide(self, held: HeldTurn, account: Account) -> None:
        leave = self.delivering.can_call(account)
        deadline = Deadline(held.turn.deadline_at / 1000 - self.timing.reserve, self.delivering.clock)
        if deadline.left() < TIME_TO_ASK:
            held.failed(held.turn.gated or Failure.BUSY, leave=leave)
            return
        try:
            answer, gate = self.asking.answer(held, account, deadline)
            held.shown = reply.answered_body(
                answer.text,
                origin=held.turn.origin,
                reply_mode=account.reply_mode,
                request_id=held.turn.request_id,
                remaining=0,
            )
        except reply.EmptyReply:
            error = AskError(Failure.OPENAI_UNEXPECTED, code="nothing_to_show")
            held.failed(Failure.OPENAI_UNEXPECTED, error, leave=leave)
        except AskError as error:
            held.failed(_blamed(error, held, deadline), error, leave=leave)
        else:
            held.answered(answer, account.alert_marks, leave=leave, gate=gate)

    def _abandon(self, held: HeldTurn, why: str) -> None:
        """Give up a turn that can be told to nobody, or that breaks every worker; it costs nothing."""
        if held.turn.status in UNDECIDED:
            held.failed(Failure.BUSY, leave=False)
        held.closed(Status.UNDELIVERABLE, detail=why)


def _blamed(error: AskError, held: HeldTurn, deadline: Deadline) -> Failure:
    """What the client is told. A lost worker's time is our fault and never becomes one of OpenAI's six."""
    if error.failure is Failure.OPENAI_TIMEOUT and held.turn.resumed and deadline.passed():
        return Failure.BUSY
    return error.failure
