"""What operators have done, page by page."""

from flask import Blueprint, Response, abort, request

from app.web.console.pages import page
from app.web.console.rooms import Room

_LINES = 50


def add_log(console: Blueprint, room: Room) -> None:
    """Add the routes to the console's blueprint."""

    @console.get("/log")
    def log() -> Response:
        older_than = request.args.get("older_than")
        try:
            found = room.flows.audit_log.page(older_than, _LINES)
        except ValueError:
            abort(404)
        return page("console/log.html", found=found, first=older_than is None)
