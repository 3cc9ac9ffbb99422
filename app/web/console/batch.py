"""One run of many failed turns again: how far it is, what became of each, and stopping it."""

import re

from flask import Blueprint, abort, url_for
from werkzeug.wrappers import Response as BaseResponse

from app.domain.audit_log import Operation
from app.domain.batches import Batch
from app.domain.failures import TEXTS, Failure
from app.services.replaying import IN_WORK, NOT_RUN
from app.web.console.pages import back, page, remark
from app.web.console.rooms import Room
from app.web.console.texts import t

_BATCH_ID = re.compile(r"[0-9a-f]{12}")
# Of the results, the newest; of all of them there are the counts.
_RESULTS = 100
# While it goes on its page is looked at anew after so many seconds.
REFRESH_SECONDS = 2


def add_batch(console: Blueprint, room: Room) -> None:
    """Add the routes to the console's blueprint."""
    flows = room.flows.turns

    @console.get("/replays/<int:account_id>/<batch_id>")
    def batch(account_id: int, batch_id: str) -> BaseResponse:
        found = _known(account_id, batch_id)
        return page(
            "console/batch.html",
            batch=found,
            hosts=room.hosts_of([account_id]),
            results=flows.batches.results(found, _RESULTS),
            most=_RESULTS,
            became_text=became_text,
            tone_of=tone_of,
            workers=room.state().workers,
            seconds=REFRESH_SECONDS,
        )

    @console.post("/replays/<int:account_id>/<batch_id>/stop")
    def stop_batch(account_id: int, batch_id: str) -> BaseResponse:
        found = _known(account_id, batch_id)
        with room.witness.watching(Operation.BATCH_STOPPED, account_id=account_id, detail=batch_id):
            flows.batches.ask_to_stop(found)
        remark(t("replays.stopping"), "warn")
        return back(url_for("console.batch", account_id=account_id, batch_id=batch_id))

    def _known(account_id: int, batch_id: str) -> Batch:
        # Anything else may be the name of another key that stands beside it.
        found = flows.batches.get(account_id, batch_id) if _BATCH_ID.fullmatch(batch_id) else None
        if found is None:
            abort(404)
        return found


def became_text(became: str) -> str:
    """What became of a turn (services/replaying.py, Outcome.became), in words."""
    if became.startswith(NOT_RUN):
        return t("replays.not_run", why=t(f"obstacle.{became.removeprefix(NOT_RUN)}"))
    if became in set(Failure):
        return t("replays.failed_again", text=TEXTS[Failure(became)])
    return t(f"replays.became.{became}")


def tone_of(became: str) -> str:
    """How a result looks."""
    if became.startswith(NOT_RUN) or became == IN_WORK:
        return "warn"
    return {"delivered": "ok", "not_waiting": "quiet"}.get(became, "bad")
