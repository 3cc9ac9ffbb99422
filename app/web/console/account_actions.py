"""What an operator can do to an account. Each ends on its page, with a line in the audit log."""

from collections.abc import Callable
from typing import cast

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from app.domain.audit_log import Operation
from app.domain.plans import PlanUnknown, When
from app.web.console.account import known_account
from app.web.console.pages import ActionRefused, back, remark
from app.web.console.rooms import Room
from app.web.console.texts import t

_WHEN = ("now", "next-period")


def act(
    room: Room, operation: Operation, account_id: int, change: Callable[[], object], detail: str = ""
) -> BaseResponse:
    """Do it, write it down, and say on the account's page what came of it.

    Texts: `account.done.<operation>`, or that of an ActionRefused; both may say the detail.
    """
    try:
        with room.witness.watching(operation, account_id=account_id, detail=detail):
            change()
    except ActionRefused as refused:
        remark(t(str(refused), detail=detail), "bad")
    else:
        remark(t(f"account.done.{operation}", detail=detail))
    return back(url_for("console.account", account_id=account_id))


def add_account_actions(console: Blueprint, room: Room) -> None:
    """Add the routes to the console's blueprint."""
    administration = room.flows.accounts.administration

    @console.post("/accounts/<int:account_id>/pause")
    def pause_account(account_id: int) -> BaseResponse:
        known_account(room, account_id)
        return act(room, Operation.ACCOUNT_PAUSED, account_id, lambda: administration.pause(account_id))

    @console.post("/accounts/<int:account_id>/resume")
    def resume_account(account_id: int) -> BaseResponse:
        known_account(room, account_id)
        return act(room, Operation.ACCOUNT_RESUMED, account_id, lambda: administration.resume(account_id))

    @console.post("/accounts/<int:account_id>/plan")
    def change_plan(account_id: int) -> BaseResponse:
        account = known_account(room, account_id)
        plan, when = request.form.get("plan", ""), request.form.get("when", "")

        def change() -> None:
            if when not in _WHEN:
                raise ActionRefused("account.when_unknown")
            try:
                administration.set_plan(account_id, plan, cast("When", when))
            except PlanUnknown:
                raise ActionRefused("account.plan_unknown") from None

        detail = f"{account.plan} → {plan[:40]} ({when[:12]})"
        return act(room, Operation.PLAN_CHANGED, account_id, change, detail)
