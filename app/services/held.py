"""A turn in the hands of one worker: every change of it, told in the words of the flow."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NoReturn

from app.domain import usage
from app.domain.answers import Answer, Conversation
from app.domain.delivery import CallOutcome, Verdict
from app.domain.failures import OPENAI_FAILURES, AskError, ConversationTrouble, Failure
from app.domain.prices import PriceBook
from app.domain.quota import MARKS
from app.domain.turn import DECIDED, UNDECIDED, Advanced, Change, Departure, Park, Parked, Status, Taken
from app.services.metering import SILENT
from app.services.ports import Meter, TurnStore


class HeldTurn:
    """The turn and the store behind it. prices: what its answer is counted with. clock: seconds since the epoch.

    Every method is one compare-and-set and raises TurnLost when another worker has taken the turn over, and
    StoreUnavailable when Redis is away. In both cases the caller stops: whoever holds the turn goes on. Only
    answer_begun and closed may find out neither. Parked says that the turn now waits without a worker: the caller
    stops too.
    """

    def __init__(
        self,
        store: TurnStore,
        taken: Taken,
        prices: PriceBook,
        meter: Meter = SILENT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._hold = taken.hold
        self._prices = prices
        self._departure = Departure(taken.egress) if taken.egress else None
        self.turn = taken.turn
        self.conversation = taken.conversation
        # The body of the continue call with the answer, but for what is left of the month; made once, for Markdown
        # takes its time. None where the answer is of an earlier taking.
        self.shown: dict[str, Any] | None = None
        self._meter = meter
        self._clock = clock
        waited_ms = clock() * 1000 - taken.turn.gated_at if taken.turn.gated else 0.0
        self._openai_ms = taken.turn.openai_ms + max(0.0, waited_ms)

    def openai_took(self, seconds: float) -> None:
        """OpenAI has answered, or was waited for because it asked for it."""
        self._openai_ms += seconds * 1000

    def asking(self, conversation: Conversation, model: str | None, gate: str | None) -> bool:
        """An attempt is about to be sent in this conversation. model: None where OpenAI alone knows which one.

        gate: of the key, which is passed by this; None where the attempt has been sent. Returns whether the gate
        watches what comes of it.
        Raises GateClosed; then nothing is sent.
        """
        attempts = self.turn.attempts + 1
        return self._change(
            Change(
                expect=UNDECIDED,
                status=Status.ASKING,
                steps=(("asking", {"attempt": attempts, "api": conversation.api}),),
                fields={
                    "asked": 1,
                    "attempts": attempts,
                    "api": conversation.api,
                    "conversation_id": conversation.conversation_id,
                    "answer_id": "",
                    "gated": "",
                },
                conversation=conversation,
                usage=usage.attempted(self.turn.day, model),
                gate=gate,
            ),
            status=Status.ASKING,
            asked=True,
            attempts=attempts,
            api=conversation.api,
            conversation_id=conversation.conversation_id,
            answer_id=None,
            gated=None,
        ).watched

    def answer_begun(self, answer_id: str, gate: str | None = None) -> None:
        """OpenAI has named the response or run that will hold the answer. gate: one that watches for this."""
        self._store.begun(self._hold, self.turn.attempts, answer_id, gate)
        self.turn.answer_id = answer_id

    def told(self, step: str, **details: Any) -> None:
        """Something worth telling happened, and nothing changed by it."""
        self._change(Change(expect=UNDECIDED, steps=((step, details),)))

    def waiting_to_retry(self, error: AskError, wait: float) -> None:
        """An attempt failed and is repeated after so many seconds."""
        self.told("retry", wait=round(wait, 3), **_told_error(error))

    def made_afresh(self, why: ConversationTrouble) -> None:
        """The conversation is replaced by a fresh one, which is done once in a turn."""
        self._change(
            Change(expect=UNDECIDED, steps=(("fresh_conversation", {"why": why}),), fields={"made_afresh": 1}),
            made_afresh=True,
        )

    def waiting_for_key(self, gate: str, reason: Failure, until: float, maybe_there: bool) -> NoReturn:
        """Its key is told to wait: the turn stands in the line of the gate, at the longest until a moment.

        until: seconds since the epoch. reason: what the client is told if that moment comes first.
        maybe_there: the question may stand in the conversation already. Raises Parked.
        """
        self._change(
            Change(
                expect=UNDECIDED,
                steps=(("waiting_for_key", {}),),
                fields={
                    "gated": reason,
                    "gated_at": int(self._clock() * 1000),
                    "openai_ms": int(self._openai_ms),
                    "asked": int(maybe_there),
                },
                park=Park(int(until * 1000), gate),
            )
        )
        raise Parked

    def answered(
        self, answer: Answer, marks: tuple[int, ...] = (), *, leave: bool = True, gate: str | None = None
    ) -> None:
        """The answer is here: it is stored and its reservation settled, before anybody is told.

        marks: per cent of the month's limit that the company wants to be told of, beside those that all are told of.
        leave: whether Kommo can be told. gate: one that watches for this. Raises Parked.
        """
        fields: dict[str, str | int] = {"answer_id": answer.answer_id, "openai_ms": int(self._openai_ms)}
        if answer.model:
            fields["model"] = answer.model
        if answer.usage:
            used = answer.usage
            fields |= {
                "tokens_input": used.input,
                "tokens_cached": used.cached,
                "tokens_written": used.written,
                "tokens_output": used.output,
                "tokens_reasoning": used.reasoning,
            }
        advanced = self._change(
            Change(
                expect=UNDECIDED,
                status=Status.ANSWERED,
                charge="settle",
                marks=tuple(sorted({*MARKS, *marks})),
                reason="answered",
                steps=(("answered", {"characters": len(answer.text), **fields}),),
                fields=fields,
                sealed={"answer": answer.text},
                conversation=self._conversation_with(answer),
                usage=self._usage_of(answer),
                leave=leave,
                gate_holds=gate,
            ),
            status=Status.ANSWERED,
            answer=answer.text,
            openai_ms=int(self._openai_ms),
        )
        self._meter.answered()
        self._decided(advanced, leave)

    def failed(self, failure: Failure, error: AskError | None = None, *, leave: bool = True) -> None:
        """There is no answer and there will be none: the reservation is released.

        leave: whether Kommo can be told. Raises Parked.
        """
        details = _told_error(error) if error else {}
        advanced = self._change(
            Change(
                expect=UNDECIDED,
                status=Status.FAILED,
                charge="release",
                reason=failure,
                steps=(("failed", {**details, "error_code": failure}),),
                fields={"error_code": failure, "openai_ms": int(self._openai_ms)},
                usage=usage.ended(self.turn.day, failure),
                leave=leave,
            ),
            status=Status.FAILED,
            error_code=failure,
            openai_ms=int(self._openai_ms),
        )
        self._meter.failed(failure)
        self._decided(advanced, leave)

    def departure(self) -> Departure:
        """When and from where the continue call leaves; from then on a 404 may mean that it had arrived.

        Raises Parked where it must wait for its moment: whoever finds it free then takes the turn.
        """
        reserved, self._departure = self._departure, None
        if reserved is None:
            reserved = self._change(Change(expect=DECIDED, leave=True)).departure
        if reserved is None:
            raise Parked
        self._measure_first_call(reserved.wait)
        return reserved

    def not_delivered(self, outcome: CallOutcome, wait: float, *, park_until: float | None = None) -> None:
        """Kommo could not take the continue call; it is repeated after so many seconds.

        park_until: seconds since the epoch; the turn waits without a worker until then, and Parked is raised.
        """
        park = Park(int(park_until * 1000)) if park_until is not None else None
        self._repeat(outcome, wait, park, offers=self.turn.offers + 1)
        if park:
            raise Parked

    def repeated(self, outcome: CallOutcome, *, token_renewed: bool = False, last_resort: bool = False) -> None:
        """Kommo refused the continue call; it is repeated at once, with another token or another body."""
        changed: dict[str, Any] = {
            "token_renewed": token_renewed or self.turn.token_renewed,
            "last_resort": last_resort or self.turn.last_resort,
        }
        self._repeat(outcome, 0.0, None, **changed)

    def closed(self, status: Status, outcome: CallOutcome | None = None, **details: Any) -> None:
        """The turn is over: delivered, not waited for, or undeliverable; the next of its conversation is woken."""
        told = {**(_told_outcome(outcome) if outcome else {}), **details}
        # A replay of an undeliverable turn must know what a 404 means: the record says so of every call that left.
        maybe = self.turn.maybe_delivered or (outcome is not None and outcome.maybe_arrived)
        self._change(
            Change(
                expect=DECIDED,
                status=status,
                steps=((status, told),),
                fields={"maybe_delivered": int(maybe)},
                close=True,
                note=self._note_is_due(),
            ),
            status=status,
            maybe_delivered=maybe,
        )
        self._meter.closed(status)

    def _measure_first_call(self, wait: float) -> None:
        turn = self.turn
        if not (turn.replays or turn.offers or turn.token_renewed or turn.last_resort or turn.maybe_delivered):
            seconds = self._clock() + wait - turn.accepted_at / 1000
            self._meter.called_first(seconds, seconds - turn.openai_ms / 1000)

    def _decided(self, advanced: Advanced, leave: bool) -> None:
        self._departure = advanced.departure
        if leave and advanced.departure is None:
            raise Parked

    def _repeat(self, outcome: CallOutcome, wait: float, park: Park | None, **changed: Any) -> None:
        maybe = self.turn.maybe_delivered or outcome.maybe_arrived
        self._change(
            Change(
                expect=DECIDED,
                steps=(("retry_continue", {"wait": round(wait, 3), **_told_outcome(outcome)}),),
                fields={"maybe_delivered": int(maybe), **{name: int(value) for name, value in changed.items()}},
                park=park,
            ),
            maybe_delivered=maybe,
            **changed,
        )

    def _conversation_with(self, answer: Answer) -> Conversation | None:
        api, conversation_id = self.turn.api, self.turn.conversation_id
        return Conversation(api, conversation_id, answer.item_id) if api and conversation_id else None

    def _usage_of(self, answer: Answer) -> usage.Figures:
        turn = self.turn
        place = usage.Place(turn.day, turn.hour, turn.handler, turn.line, turn.weight)
        return usage.answered(place, answer, self._prices, datetime.fromtimestamp(turn.begun_at / 1000, UTC))

    def _note_is_due(self) -> bool:
        failure = self.turn.error_code
        worth_it = failure in OPENAI_FAILURES or (failure is Failure.PLAN_QUOTA and self.turn.first_refusal)
        return worth_it and self.turn.note_lead_id is not None

    def _change(self, change: Change, **known: Any) -> Advanced:
        advanced = self._store.advance(self._hold, self.turn, change)
        if change.charge:
            known["remaining"] = advanced.remaining
        for name, value in known.items():
            setattr(self.turn, name, value)
        return advanced


def _told_error(error: AskError) -> dict[str, Any]:
    details = {
        "error_code": error.failure,
        "http_status": error.status,
        "code": error.code,
        "openai_request_id": error.provider_request_id,
    }
    return {name: value for name, value in details.items() if value is not None}


def _told_outcome(outcome: CallOutcome) -> dict[str, Any]:
    details = {
        "verdict": outcome.verdict,
        "http_status": outcome.status,
        "detail": outcome.detail or None,
        "too_late_to_know": (outcome.maybe_arrived and outcome.verdict is not Verdict.ACCEPTED) or None,
    }
    return {name: value for name, value in details.items() if value is not None}
