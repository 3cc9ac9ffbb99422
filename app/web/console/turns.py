"""Turns, the newest first, and looking for those of a client, an account, a time, or an end."""

from http import HTTPStatus

from flask import Blueprint, abort, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from app.domain.failures import TEXTS
from app.domain.turn_search import Ending, TurnPage
from app.web.console.pages import page
from app.web.console.rooms import Room
from app.web.console.turn_search import Search, read_search

_ROWS = 50
_LONGEST_CURSOR = 100
TONES = {
    Ending.OPEN: "quiet",
    Ending.ANSWERED: "ok",
    Ending.FAILED: "bad",
    Ending.REFUSED: "warn",
    Ending.NOT_WAITING: "quiet",
    Ending.UNDELIVERABLE: "bad",
}


def add_turns(console: Blueprint, room: Room) -> None:
    """Add the routes to the console's blueprint."""
    flows = room.flows.turns

    @console.get("/turns")
    def turns() -> BaseResponse:
        search = read_search(request.args, room.flows.accounts, room.flows.zone)
        asked_id = search.values["q"].lower()
        if asked_id:
            return _by_id(asked_id, search)
        older_than = request.args.get("older_than", "")[:_LONGEST_CURSOR] or None
        try:
            found = TurnPage(()) if search.problems else flows.search.page(search.wanted, older_than, _ROWS)
        except ValueError:
            abort(404)
        return _shown(search, found, first=older_than is None)

    def _by_id(request_id: str, search: Search) -> BaseResponse:
        """A turn that is named by its id is gone to; else it is said that there is none."""
        if flows.archive.read(request_id) is not None:
            return redirect(url_for("console.turn", request_id=request_id), HTTPStatus.SEE_OTHER)
        return _shown(search, TurnPage(()), first=True)

    def _shown(search: Search, found: TurnPage, *, first: bool) -> BaseResponse:
        status = HTTPStatus.BAD_REQUEST if search.problems else HTTPStatus.OK
        return page(
            "console/turns.html",
            status,
            search=search,
            found=found,
            first=first,
            hosts=room.hosts_of(turn.account_id for turn in found.turns),
            endings=list(Ending),
            tones=TONES,
            failure_texts=TEXTS,
        )
