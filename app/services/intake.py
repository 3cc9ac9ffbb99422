"""The door's side of a turn: decide what is known, and accept it in one step."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from app.domain.acceptance import Acceptance, AccountChanged, StoreUnavailable
from app.domain.accounts import Account, AccountUnknown
from app.domain.failures import Failure
from app.domain.quota import ContactLimit, contact_limits, day_of, period_of
from app.domain.spans import hour_of
from app.domain.turn import AcceptStatus, NewTurn, Timing, new_request_id
from app.domain.webhook import Webhook, conversation_key, has_message, note_lead_id
from app.services.metering import SILENT
from app.services.ports import Meter, TurnStore

# So many turns of which nobody was told are remembered: what came while Redis hung and was tried again since.
MOST_UNTOLD = 10_000


@dataclass(frozen=True, slots=True)
class Intake:
    """How webhooks are accepted. clock: seconds since the epoch; it alone decides about months and days."""

    turns: TurnStore
    timing: Timing
    clock: Callable[[], float] = time.time
    meter: Meter = SILENT
    # Ids of turns that Redis may have accepted without our hearing of it.
    _untold: set[str] = field(default_factory=set)

    def accept(self, account: Account, webhook: Webhook) -> Acceptance:
        """Charge and queue a verified webhook, or find that it was accepted before; one round trip to Redis.

        Raises StoreUnavailable, AccountUnknown where the account was removed meanwhile, and AccountChanged where this
        is not its present record.
        """
        new = self._new_turn(account, webhook)
        try:
            result = self.turns.accept(new)
        except StoreUnavailable:
            if len(self._untold) >= MOST_UNTOLD:
                self._untold.clear()
            self._untold.add(new.request_id)
            raise
        if result.status is AcceptStatus.NOT_INSTALLED:
            raise AccountUnknown(account.account_id)
        if result.status is AcceptStatus.STALE:
            raise AccountChanged(account.account_id)
        # An id of ours that nobody was told: the connection broke after the acceptance, and a repetition found it.
        duplicate = result.status is AcceptStatus.DUPLICATE and result.request_id != new.request_id
        if duplicate and result.request_id in self._untold:
            self._untold.discard(result.request_id)
            duplicate = False
        if not duplicate:
            self.meter.accepted(result.refusal)
        return Acceptance("duplicate" if duplicate else "accepted", result.request_id)

    def _new_turn(self, account: Account, webhook: Webhook) -> NewTurn:
        now = self.clock()
        now_ms = int(now * 1000)
        zone = account.zone
        moment = datetime.fromtimestamp(now, zone)
        refusal = _refusal(account, webhook)
        key = conversation_key(webhook)
        return NewTurn(
            request_id=new_request_id(now_ms),
            account_id=account.account_id,
            account_version=account.version,
            accepted_at=now_ms,
            deadline_at=now_ms + int(self.timing.turn * 1000),
            period=period_of(moment, zone),
            day=day_of(moment, zone),
            hour=hour_of(moment, zone),
            weight=account.weight_of(webhook.data.handler),
            return_url=str(webhook.return_url),
            refusal=refusal,
            line=key,
            contact_limits=_limits_of(account, moment) if key is not None else (),
            handler=webhook.data.handler,
            origin=webhook.data.origin,
            note_lead_id=note_lead_id(webhook),
            message="" if refusal else webhook.data.message,
            instructions="" if refusal else webhook.data.instructions or "",
        )


def _limits_of(account: Account, moment: datetime) -> tuple[ContactLimit, ...]:
    return contact_limits(
        moment,
        account.zone,
        account.contact_daily_limit,
        account.contact_weekly_limit,
        account.contact_monthly_limit,
    )


def _refusal(account: Account, webhook: Webhook) -> Failure | None:
    if account.paused:
        return Failure.ACCOUNT_PAUSED
    return None if has_message(webhook.data.message) else Failure.NO_MESSAGE
