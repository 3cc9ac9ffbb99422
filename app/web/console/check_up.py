"""The check-up of an account on a button: what `bytegpt doctor ID` says, on a page."""

import threading

from flask import Blueprint, url_for
from werkzeug.wrappers import Response as BaseResponse

from app.domain.audit_log import Operation
from app.domain.checkup import Finding, worst
from app.domain.note_texts import remedy
from app.web.console.account import known_account
from app.web.console.formats import number_text
from app.web.console.look import look
from app.web.console.pages import back, page, remark
from app.web.console.rooms import Room
from app.web.console.texts import t

# It asks Kommo and OpenAI for up to half a minute, and a thread of the process waits: the door needs the others.
_AT_ONCE = 2


def add_check_up(console: Blueprint, room: Room) -> None:
    """Add the routes to the console's blueprint."""
    free = threading.BoundedSemaphore(_AT_ONCE)

    @console.post("/accounts/<int:account_id>/check-up")
    def check_up(account_id: int) -> BaseResponse:
        account = known_account(room, account_id)
        if not free.acquire(blocking=False):
            remark(t("account.check_up_busy"), "warn")
            return back(url_for("console.account", account_id=account_id))
        try:
            with room.witness.watching(Operation.ACCOUNT_CHECKED, account_id=account_id):
                found = list(room.flows.accounts.check_up(account_id))
        finally:
            free.release()
        told = [(finding, *_told(finding)) for finding in found]
        return page("console/check_up.html", account=account, findings=told, worst=worst(found))


def _told(finding: Finding) -> tuple[str, str]:
    """What was found and what to do, in the operator's language."""
    said = finding.said
    if said is None:
        return finding.found, finding.remedy
    values = {name: number_text(value) if isinstance(value, int) else value for name, value in said.values.items()}
    found = t(f"check_up.said.{said.key}", **values)
    if said.failure is not None:
        return found, remedy(said.failure, look().locale)
    return found, t(f"check_up.remedy.{said.key}") if finding.remedy else ""
