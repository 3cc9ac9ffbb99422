"""A turn in the hands of one worker: every change of it, told in the words of the flow."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from app.domain import usage
from app.domain.answers import Answer, Conversation
from app.domain.delivery import CallOutcome, Verdict
from app.domain.failures import OPENAI_FAILURES, AskError, Failure
from app.domain.prices import PriceBook
from app.domain.quota import MARKS
from app.domain.turn import DECIDED, UNDECIDED, Change, Hold, Status, Turn
from app.services.ports import TurnStore


class HeldTurn:
    """The turn and the store behind it. prices: what its answer is counted with.

    Every method is one compare-and-set and raises TurnLost when another worker has taken the turn over, and
    StoreUnavailable when Redis is away. In both cases the caller stops: whoever holds the turn goes on.
    """

    def __init__(self, store: TurnStore, hold: Hold, turn: Turn, prices: PriceBook) -> None:
        self._store = store
        self._hold = hold
        self._prices = prices
        self.turn = turn

    def asking(self, conversation: Conversation, model: str | None) -> None:
        """An attempt is about to be sent in this conversation. model: None where OpenAI alone knows which one."""
        attempts = self.turn.attempts + 1
        self._change(
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
                },
                conversation=conversation,
                usage=usage.attempted(self.turn.day, model),
            ),
            status=Status.ASKING,
            asked=True,
            attempts=attempts,
            api=conversation.api,
            conversation_id=conversation.conversation_id,
            answer_id=None,
        )

    def answer_begun(self, answer_id: str) -> None:
        """OpenAI has named the response or run that will hold the answer."""
        self._change(
            Change(
                expect=(Status.ASKING,),
                steps=(("answer_begun", {"answer_id": answer_id}),),
                fields={"answer_id": answer_id},
            ),
            answer_id=answer_id,
        )

    def told(self, step: str, **details: Any) -> None:
        """Something worth telling happened, and nothing changed by it."""
        self._change(Change(expect=UNDECIDED, steps=((step, details),)))

    def waiting_to_retry(self, error: AskError, wait: float) -> None:
        """An attempt failed and is repeated after so many seconds."""
        self.told("retry", wait=round(wait, 3), **_told_error(error))

    def answered(self, answer: Answer, marks: tuple[int, ...] = ()) -> None:
        """The answer is here: it is stored and its reservation settled, before anybody is told.

        marks: per cent of the month's limit that the company wants to be told of, beside those that all are told of.
        """
        fields: dict[str, str | int] = {"answer_id": answer.answer_id}
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
        left = self._change(
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
            )
        )
        self.turn = replace(self.turn, status=Status.ANSWERED, answer=answer.text, remaining=left)

    def failed(self, failure: Failure, error: AskError | None = None) -> None:
        """There is no answer and there will be none: the reservation is released."""
        details = _told_error(error) if error else {}
        left = self._change(
            Change(
                expect=UNDECIDED,
                status=Status.FAILED,
                charge="release",
                reason=failure,
                steps=(("failed", {**details, "error_code": failure}),),
                fields={"error_code": failure},
                usage=usage.ended(self.turn.day, failure),
            )
        )
        self.turn = replace(self.turn, status=Status.FAILED, error_code=failure, remaining=left)

    def calling(self) -> None:
        """A continue call leaves now; from then on a 404 may mean that it had arrived."""
        self._change(
            Change(
                expect=DECIDED,
                steps=(("continue_call", {}),),
                fields={"maybe_delivered": 1},
            )
        )

    def not_delivered(self, outcome: CallOutcome, wait: float) -> None:
        """A continue call was not accepted and is repeated after so many seconds."""
        maybe = self.turn.maybe_delivered or outcome.maybe_arrived
        self._change(
            Change(
                expect=DECIDED,
                steps=(("retry_continue", {"wait": round(wait, 3), **_told_outcome(outcome)}),),
                fields={"maybe_delivered": int(maybe)},
            ),
            maybe_delivered=maybe,
        )

    def closed(self, status: Status, outcome: CallOutcome | None = None, **details: Any) -> None:
        """The turn is over: delivered, not waited for, or undeliverable; the next of its conversation is woken."""
        told = {**(_told_outcome(outcome) if outcome else {}), **details}
        self._change(
            Change(expect=DECIDED, status=status, steps=((status, told),), close=True, note=self._note_is_due()),
            status=status,
        )

    def _conversation_with(self, answer: Answer) -> Conversation | None:
        api, conversation_id = self.turn.api, self.turn.conversation_id
        return Conversation(api, conversation_id, answer.item_id) if api and conversation_id else None

    def _usage_of(self, answer: Answer) -> usage.Figures:
        turn = self.turn
        place = usage.Place(turn.day, turn.hour, turn.handler, turn.line, turn.weight)
        return usage.answered(place, answer, self._prices, datetime.fromtimestamp(turn.accepted_at / 1000, UTC))

    def _note_is_due(self) -> bool:
        failure = self.turn.error_code
        worth_it = failure in OPENAI_FAILURES or (failure is Failure.PLAN_QUOTA and self.turn.first_refusal)
        return worth_it and self.turn.note_lead_id is not None

    def _change(self, change: Change, **known: Any) -> int:
        left = self._store.advance(self._hold, self.turn, change)
        self.turn = replace(self.turn, **known)
        return left


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
