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
from app.services.leaving import may_leave
from app.services.ports import Crm, Pace, Tokens
from app.services.retrying import Patience, repeated

LONGEST_OWN_WAIT = 15.0
# Seconds that are kept for a last try before patience is over.
LAST_TRY = 2.0


class _TryLater(Exception):
    """Kommo could not take the call now."""

    def __init__(self, outcome: CallOutcome) -> None:
        self.outcome = outcome


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

    def deliver(self, held: HeldTurn, account: Account) -> None:
        """Make the continue call of a decided turn and close it.

        Late beats never: an outcome is offered until DELIVERY_PATIENCE is over. Raises TurnLost, StoreUnavailable.
        """
        _Delivery(self, held, account).run()


class _Delivery:
    """The continue calls of one turn."""

    def __init__(self, delivering: Delivering, held: HeldTurn, account: Account) -> None:
        self._delivering = delivering
        self._held = held
        self._account = account
        self._token = delivering.tokens.current(account)
        self._token_renewed = False
        self._last_resort = False
        patience = held.turn.accepted_at / 1000 + delivering.timing.patience
        # A short patience never takes the turn's own time, and a turn that was taken over late is still offered once.
        latest = max(patience, held.turn.deadline_at / 1000, delivering.clock() + LAST_TRY)
        self._patience = Deadline(latest, delivering.clock)

    def run(self) -> None:
        if self._token is None:
            self._held.closed(Status.UNDELIVERABLE, detail="no_access_token")
            return
        try:
            repeated(
                self._offer,
                _TryLater,
                Patience(self._delivering.first_wait, LONGEST_OWN_WAIT, self._patience.left, last_try=LAST_TRY),
                retryable=lambda _: True,
                retry_after=lambda tried: tried.outcome.retry_after,
                before_wait=lambda tried, wait: self._held.not_delivered(tried.outcome, wait),
            )
        except _TryLater as tried:
            self._held.closed(Status.UNDELIVERABLE, tried.outcome)

    def _offer(self) -> None:
        """Call until Kommo has said something final, or raise _TryLater."""
        while True:
            outcome = self._call()
            if outcome.verdict is Verdict.TRY_LATER:
                raise _TryLater(outcome)
            if not self._changed_something(outcome):
                self._held.closed(self._final_status(outcome), outcome)
                return

    def _call(self) -> CallOutcome:
        delivering, account_id = self._delivering, self._account.account_id
        if not may_leave(delivering.pace, account_id, self._patience.left, delivering.sleep):
            return CallOutcome(Verdict.TRY_LATER, detail="no_room_in_the_rate")
        self._held.calling()
        return delivering.crm.continue_bot(self._held.turn.return_url, self._body(), self._token or "", self._patience)

    def _changed_something(self, outcome: CallOutcome) -> bool:
        """Whether another call, with another token or another body, may be accepted where this one was not."""
        if outcome.verdict is Verdict.TOKEN_REFUSED and not self._token_renewed:
            try:
                token = self._delivering.tokens.renewed(self._account, self._token or "")
            except TokensUnavailable:
                raise _TryLater(outcome) from None
            self._token_renewed = True
            if token is None:
                return False
            self._held.not_delivered(outcome, 0.0)
            self._token = token
            return True
        if outcome.verdict is Verdict.BODY_REFUSED and not self._last_resort:
            self._last_resort = True
            self._held.not_delivered(outcome, 0.0)
            return True
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
        if self._last_resort:
            return reply.last_resort_body(
                failure,
                text,
                locale=account.locale,
                request_id=turn.request_id,
                remaining=turn.remaining,
            )
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
