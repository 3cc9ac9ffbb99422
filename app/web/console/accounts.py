"""The accounts, by the beginning of their addresses, page by page."""

from flask import Blueprint, Response, request

from app.domain.account_list import AccountsPage, searched_id, searched_name
from app.web.console.pages import page
from app.web.console.rooms import Room

_ROWS = 50
_LONGEST_CURSOR = 100
_WITHOUT_ACCESS = 200


def add_accounts(console: Blueprint, room: Room) -> None:
    """Add the routes to the console's blueprint."""
    flows = room.flows.accounts

    @console.get("/accounts")
    def accounts() -> Response:
        wanted = request.args.get("q", "").strip()
        after = request.args.get("after", "")[:_LONGEST_CURSOR] or None
        without_access = request.args.get("access") == "none" and not wanted
        if without_access:
            found = AccountsPage(flows.without_access(_WITHOUT_ACCESS), None)
        else:
            found = _found(room, wanted, after)
        return page(
            "console/accounts.html",
            wanted=wanted,
            months=flows.months.of(found.accounts),
            after=found.after,
            first=after,
            without_access=without_access,
        )


def _found(room: Room, wanted: str, after: str | None) -> AccountsPage:
    """The account of an id, else those whose address begins so; all of them where nothing is looked for."""
    flows = room.flows.accounts
    account_id = searched_id(wanted)
    of_id = flows.months.accounts.some([account_id]) if account_id else ()
    if of_id:
        return AccountsPage(of_id, None)
    beginning = searched_name(wanted) if wanted else ""
    return AccountsPage((), None) if beginning is None else flows.page(beginning, after, _ROWS)
