"""Notes on leads: what went wrong, for the people of the company. They never stand in the way of a continue call."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from app.domain.accounts import Account
from app.domain.answers import Deadline
from app.domain.delivery import CallOutcome, Verdict
from app.domain.failures import Failure
from app.domain.note_texts import alert_text, failure_note
from app.domain.notes import DueNote
from app.domain.turn import Turn
from app.services.metering import SILENT
from app.services.ports import Accounts, Crm, Meter, Notes, Pace, Tokens, TurnReader

# After this long the rate has no room for notes, or Kommo refuses them: they are dropped.
KEPT_SECONDS = 900.0
CALL_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Noting:
    """The flow of notes.

    A note takes a moment of the rate that nobody else wants; it is tried again after `postponed` seconds.
    """

    notes: Notes
    turns: TurnReader
    accounts: Accounts
    tokens: Tokens
    pace: Pace
    crm: Crm
    address_of: Callable[[Account], str]
    public_url: str
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    postponed: float = 1.0
    meter: Meter = SILENT

    def write_one(self) -> bool:
        """Write one note that is due; False when there is none. Raises StoreUnavailable."""
        note = self.notes.take()
        if note is None:
            return False
        turn = self.turns.read(note.request_id)
        account = self.accounts.get(turn.account_id) if turn else None
        token = self.tokens.current(account) if account else None
        if turn is None or account is None or token is None or turn.note_lead_id is None:
            self.notes.end(note, "note_dropped", detail="nobody_to_write_to")
        elif self.clock() - turn.begun_at / 1000 > KEPT_SECONDS:
            self.notes.end(note, "note_dropped", detail="no_room_in_the_rate")
        else:
            self._write(note, turn, account, token)
        return True

    def _write(self, note: DueNote, turn: Turn, account: Account, token: str) -> None:
        departure = self.pace.departure(account.account_id)
        if departure is None:
            self.notes.postpone(note, self.postponed)
            return
        self.sleep(departure.wait)
        self._ended(note, self._written(note, turn, account, token, departure.egress))

    def _written(self, note: DueNote, turn: Turn, account: Account, token: str, egress: str) -> CallOutcome:
        if note.alert:
            text = alert_text(note.alert.mark, note.alert.used, note.alert.limit, account.locale)
        else:
            failure = turn.error_code or Failure.OPENAI_UNEXPECTED
            text = failure_note(failure, account.locale, turn.request_id, self.public_url)
        return self.crm.add_note(
            self.address_of(account),
            turn.note_lead_id or 0,
            text,
            note.name,
            token,
            Deadline(self.clock() + CALL_SECONDS, self.clock),
            egress,
        )

    def _ended(self, note: DueNote, outcome: CallOutcome) -> None:
        self.meter.noted(outcome.verdict)
        if outcome.verdict is Verdict.TRY_LATER and outcome.maybe_arrived and outcome.status is None:
            # Better no note than two.
            self.notes.end(note, "note_unknown", detail=outcome.detail)
        elif outcome.verdict is Verdict.TRY_LATER:
            self.notes.postpone(note, outcome.retry_after or self.postponed)
        elif outcome.verdict is Verdict.ACCEPTED:
            self.notes.end(note, "note_written")
        else:
            self.notes.end(note, "note_dropped", verdict=outcome.verdict, http_status=outcome.status)
