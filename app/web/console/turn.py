"""One turn: what happened to it and when, what it cost, why it failed, and running it again."""

from dataclasses import dataclass
from datetime import UTC, datetime
from time import time

from flask import Blueprint, abort, url_for
from werkzeug.wrappers import Response as BaseResponse

from app.domain.audit_log import Operation
from app.domain.failures import TEXTS
from app.domain.help_pages import help_path
from app.domain.note_texts import cause, remedy
from app.domain.prices import Cost, PriceBook, cost
from app.domain.replays import Again, NotReplayable, Obstacle, failure_was_told, obstacle_at, what_again
from app.domain.turn import CLOSED, Turn
from app.domain.turn_search import Ending, FoundTurn
from app.domain.turn_story import STEPS, Answered, answered, runs
from app.services.reporting import TurnUnknown
from app.web.console.guard import operator
from app.web.console.look import look
from app.web.console.pages import ActionRefused, back, page, remark
from app.web.console.rooms import Room
from app.web.console.texts import t
from app.web.console.turn_steps import bars, details
from app.web.console.turns import TONES

# While a turn is open its page is looked at anew after so many seconds.
REFRESH_SECONDS = 2


@dataclass(frozen=True, slots=True)
class ReplayOffer:
    """Whether the turn can be run again now. again: what would be done. obstacle: why it cannot; one of the two."""

    again: Again | None = None
    obstacle: Obstacle | None = None


def add_turn(console: Blueprint, room: Room) -> None:
    """Add the routes to the console's blueprint."""
    flows = room.flows.turns

    @console.get("/turns/<request_id>")
    def turn(request_id: str) -> BaseResponse:
        found = flows.archive.read(request_id)
        if found is None:
            abort(404)
        steps = flows.archive.steps(request_id)
        account = flows.account(found.account_id)
        answer = answered(steps)
        return page(
            "console/turn.html",
            turn=found,
            ending=ending_of(found),
            account=account,
            runs=[(run, bars(run)) for run in runs(steps, int(time() * 1000))],
            answer=answer,
            cost=cost_of(answer, flows.prices),
            details=details,
            known_steps=STEPS,
            failure_text=TEXTS[found.error_code] if found.error_code else "",
            cause=cause(found.error_code, look().locale) if found.error_code else "",
            remedy=remedy(found.error_code, look().locale) if found.error_code else "",
            help_page=help_path(found.error_code, look().locale) if found.error_code else "",
            told=failure_was_told(found),
            offer=offer_for(room, found),
            is_open=found.status not in CLOSED,
            tones=TONES,
            seconds=REFRESH_SECONDS,
        )

    @console.post("/turns/<request_id>/replay")
    def replay_turn(request_id: str) -> BaseResponse:
        who = operator()
        found = flows.search.one(request_id)
        if found is None:
            abort(404)
        try:
            with room.witness.watching(Operation.TURN_REPLAYED, account_id=found.account_id, request_id=request_id):
                _replayed(request_id, f"console:{who.operator if who else ''}")
        except ActionRefused as refused:
            remark(t("turn.not_replayed", why=t(str(refused))), "bad")
        else:
            remark(t("turn.replayed"))
        return back(url_for("console.turn", request_id=request_id))

    def _replayed(request_id: str, by: str) -> None:
        try:
            flows.replaying.replay(request_id, by)
        except NotReplayable as error:
            raise ActionRefused(f"obstacle.{error.obstacle}") from None
        except TurnUnknown:
            raise ActionRefused("obstacle.texts_gone") from None


def offer_for(room: Room, turn: Turn) -> ReplayOffer:
    """Whether it may be run again as turn and account stand; the moment itself decides about plan and limits."""
    try:
        again = what_again(turn)
    except NotReplayable as error:
        return ReplayOffer(obstacle=error.obstacle)
    obstacle = obstacle_at(room.flows.turns.account(turn.account_id), again)
    return ReplayOffer(obstacle=obstacle) if obstacle else ReplayOffer(again)


def ending_of(turn: Turn) -> Ending:
    """The one word for how it ended, as lists say it."""
    return FoundTurn(
        turn.request_id,
        turn.account_id,
        turn.status,
        turn.accepted_at,
        turn.charge,
        turn.weight,
        error_code=turn.error_code,
    ).ending


def cost_of(answer: Answered | None, prices: PriceBook) -> Cost | None:
    """What the tokens of an answer cost at the price of its day; None without an answer."""
    if answer is None:
        return None
    moment = datetime.fromtimestamp(answer.at / 1000, UTC)
    return cost(answer.usage, prices.price_at(answer.model, moment))
