"""Handing the outcome of a turn to Kommo: exactly one accepted continue call (contract 5)."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.domain import reply
from app.domain.accounts import Account
from app.domain.answers import Deadline
from app.domain.delivery import CallOutcome, Verdict
from app.domain.oauth_tokens import TokensUnavailable
from app.domain.turn import Status, Timing
from app.services.held import HeldTurn
from app.services.metering import SILENT
from app.services.ports import Crm, Meter, Pace, Tokens
from app.services.retrying import next_wait, own_wait

LONGEST_OWN_WAIT = 15.0
# Seconds that are kept for a last try before patience is over.
LAST_TRY = 2.0
# A shorter wait is not worth letting go of the turn.
SHORT_WAIT = 0.1
# Kommo's 429 keeps the other calls of its account back for as long as it says, within reason.
LONGEST_HOLD = 30.0
_TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class Delivering:
    """How continue calls are made. first_wait: seconds before the first repetition, doubled each time."""

    crm: Crm
    tokens: Tokens
    pace: Pace
    timing: Timing
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    first_wait: float = 0.5
    meter: Meter = SILENT

    def can_call(self, account: Account) -> bool:
        """Whether Kommo can be told anything for this account."""
        return self.tokens.current(account) is not None

    def deliver(self, held: HeldTurn, account: Account) -> None:
        """Make the continue call of a decided turn and close it.

        Late beats never: an outcome is offered until DELIVERY_PATIENCE is over. A turn whose call must wait, for
        the pace or for Kommo, does so in the store. Raises Parked then, TurnLost, and StoreUnavailable.
        """
        _Delivery(self, held, account).run()


class _Delivery:
    """The continue calls of one turn."""

    def __init__(self, delivering: Delivering, held: HeldTurn, account: Account) -> None:
        self._delivering = delivering
        self._held = held
        self._account = account
        self._token = delivering.tokens.current(account)
        turn = held.turn
        # A short patience never takes the turn's own time, and a turn that comes late is still offered once.
        latest = max(turn.begun_at / 1000 + delivering.timing.patience, turn.deadline_at / 1000)
        if turn.offers == 0:
            latest = max(latest, delivering.clock() + LAST_TRY)
        self._patience = Deadline(latest, delivering.clock)

    def run(self) -> None:
        if self._token is None:
            self._held.closed(Status.UNDELIVERABLE, detail="no_access_token")
            return
        outcome = self._call()
        while not self._ended(outcome):
            outcome = self._call()

    def _call(self) -> CallOutcome:
        departure = self._held.departure()
        if departure.wait:
            self._delivering.sleep(departure.wait)
        began = self._delivering.clock()
        outcome = self._delivering.crm.continue_bot(
            self._held.turn.return_url, self._body(), self._token or "", self._patience, departure.egress
        )
        self._delivering.meter.continued(outcome.verdict, self._delivering.clock() - began)
        return outcome

    def _ended(self, outcome: CallOutcome) -> bool:
        """Close the turn where Kommo has said something final, or prepare the next call."""
        if outcome.verdict is Verdict.TRY_LATER:
            return self._try_later(outcome)
        if outcome.verdict is Verdict.TOKEN_REFUSED and not self._held.turn.token_renewed:
            return self._renew_token(outcome)
        if outcome.verdict is Verdict.BODY_REFUSED and not self._held.turn.last_resort:
            self._held.repeated(outcome, last_resort=True)
            return False
        self._held.closed(self._final_status(outcome), outcome)
        return True

    def _try_later(self, outcome: CallOutcome) -> bool:
        delivering, turn = self._delivering, self._held.turn
        own = own_wait(turn.offers + 1, delivering.first_wait, LONGEST_OWN_WAIT)
        wait = next_wait(own, outcome.retry_after, self._patience.left(), LAST_TRY)
        if outcome.status == _TOO_MANY:
            delivering.pace.hold(turn.account_id, min(wait or own, LONGEST_HOLD))
        if wait is None:
            self._held.closed(Status.UNDELIVERABLE, outcome)
            return True
        if wait > SHORT_WAIT:
            self._held.not_delivered(outcome, wait, park_until=delivering.clock() + wait)
        self._held.not_delivered(outcome, wait)
        delivering.sleep(wait)
        return False

    def _renew_token(self, outcome: CallOutcome) -> bool:
        try:
            token = self._delivering.tokens.renewed(self._account, self._token or "")
        except TokensUnavailable:
            return self._try_later(outcome)
        if token is None:
            self._held.closed(Status.UNDELIVERABLE, outcome)
            return True
        self._held.repeated(outcome, token_renewed=True)
        self._token = token
        return False

    def _final_status(self, outcome: CallOutcome) -> Status:
        if outcome.verdict is Verdict.ACCEPTED:
            return Status.DELIVERED
        if outcome.verdict is Verdict.NOT_WAITING:
            return Status.DELIVERED if self._held.turn.maybe_delivered else Status.NOT_WAITING
        return Status.UNDELIVERABLE

    def _body(self) -> dict[str, Any]:
        turn, account = self._held.turn, self._account
        failure, text = turn.error_code, account.shown_failure_text
        if turn.last_resort:
            return reply.last_resort_body(
                failure,
                text,
                locale=account.locale,
                request_id=turn.request_id,
                remaining=turn.remaining,
            )
        if failure is None and self._held.shown is not None:
            return reply.with_remaining(self._held.shown, turn.remaining)
        if failure is None:
            return reply.answered_body(
                turn.answer or "",
                origin=turn.origin,
                reply_mode=account.reply_mode,
                request_id=turn.request_id,
                remaining=turn.remaining,
            )
        return reply.failed_body(
            failure,
            text,
            origin=turn.origin,
            locale=account.locale,
            reply_mode=account.reply_mode,
            request_id=turn.request_id,
            remaining=turn.remaining,
        )
