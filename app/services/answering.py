"""The worker's side of a turn: ask, store, tell Kommo, whatever happened and from wherever a lost worker left it."""

from dataclasses import dataclass

from app.domain import reply
from app.domain.accounts import Account
from app.domain.answers import Deadline
from app.domain.failures import AskError, Failure
from app.domain.prices import PriceBook
from app.domain.turn import UNDECIDED, Hold, Status, Timing
from app.services.asking import Asking
from app.services.delivering import Delivering
from app.services.held import HeldTurn
from app.services.ports import Accounts, TurnStore

# With less time than this, in seconds, an answer would be our luck and its absence our fault, not OpenAI's.
TIME_TO_ASK = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a turn ended, for the log and the RQ dashboard. error_code None: it was answered."""

    status: Status
    error_code: Failure | None


@dataclass(frozen=True, slots=True)
class Answering:
    """The flow of one turn."""

    turns: TurnStore
    accounts: Accounts
    asking: Asking
    delivering: Delivering
    timing: Timing
    prices: PriceBook

    def run(self, hold: Hold) -> Outcome | None:
        """Take the turn, bring it to its end and say how it ended; None when it was not ours to take.

        Raises TurnLost when another worker took it over meanwhile, and StoreUnavailable when Redis went away: then
        the lease runs out and a worker goes on from the record.
        """
        turn = self.turns.take(hold)
        if turn is None:
            return None
        held = HeldTurn(self.turns, hold, turn, self.prices)
        if turn.worn_out:
            self._abandon(held, "every_worker_was_lost")
        else:
            self._bring_to_its_end(held)
        return Outcome(held.turn.status, held.turn.error_code)

    def _bring_to_its_end(self, held: HeldTurn) -> None:
        account = self.accounts.get(held.turn.account_id)
        if account is None:
            self._abandon(held, "account_removed")
            return
        if held.turn.status in UNDECIDED:
            self._decide(held, account)
        self.delivering.deliver(held, account)

    def _decide(self, held: HeldTurn, account: Account) -> None:
        deadline = Deadline(held.turn.deadline_at / 1000 - self.timing.reserve, self.delivering.clock)
        if deadline.left() < TIME_TO_ASK:
            held.failed(Failure.BUSY)
            return
        try:
            answer = self.asking.answer(held, account, deadline)
            reply.answered_body(
                answer.text,
                origin=held.turn.origin,
                reply_mode=account.reply_mode,
                request_id=held.turn.request_id,
                remaining=0,
            )
        except reply.EmptyReply:
            held.failed(Failure.OPENAI_UNEXPECTED, AskError(Failure.OPENAI_UNEXPECTED, code="nothing_to_show"))
        except AskError as error:
            held.failed(_blamed(error, held, deadline), error)
        else:
            held.answered(answer, account.alert_marks)

    def _abandon(self, held: HeldTurn, why: str) -> None:
        """Give up a turn that can be told to nobody, or that breaks every worker; it costs nothing."""
        if held.turn.status in UNDECIDED:
            held.failed(Failure.BUSY)
        held.closed(Status.UNDELIVERABLE, detail=why)


def _blamed(error: AskError, held: HeldTurn, deadline: Deadline) -> Failure:
    """What the client is told. A lost worker's time is our fault and never becomes one of OpenAI's six."""
    if error.failure is Failure.OPENAI_TIMEOUT and held.turn.resumed and deadline.passed():
        return Failure.BUSY
    return error.failure
