"""One account: what it has used, why its clients got no answer, how it is set up, and what every request cost it."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from flask import Blueprint, Response, abort, request

from app.domain.account_list import AccountMonth
from app.domain.accounts import Account, AccountUnknown
from app.domain.failures import TEXTS, Failure
from app.domain.help_pages import help_path
from app.domain.note_texts import cause, remedy
from app.domain.turn_search import Ending, FoundTurn, Wanted
from app.web.console import charts
from app.web.console.charts import Chart, Series
from app.web.console.formats import day_text
from app.web.console.look import look
from app.web.console.pages import page
from app.web.console.rooms import Room
from app.web.console.texts import t

# So many of the newest turns that failed are looked at, and so many of each kind are named.
_FAILURES, _NAMED = 20, 4
_ENTRIES, _ENTRIES_A_PAGE = 10, 50
_PERIOD = re.compile(r"20[0-9]{2}-(?:0[1-9]|1[0-2])")


def add_account(console: Blueprint, room: Room) -> None:
    """Add the routes to the console's blueprint."""
    flows = room.flows.accounts

    @console.get("/accounts/<int:account_id>")
    def account(account_id: int) -> Response:
        found = known_account(room, account_id)
        present = flows.months.month(found)
        month = asked_month(room, found, present)
        usage = flows.usage(found, month.period)
        return page(
            "console/account.html",
            account=found,
            month=month,
            present=present,
            before=period_before(month.period),
            after=period_after(month.period, present.period),
            usage=usage,
            turns_chart=turns_chart(usage["by_day"]),
            money_chart=money_chart(usage["by_day"]),
            plans=flows.plans(),
            boosts=flows.boosts.all(found),
            boost_key=f"console-{datetime.now(room.flows.zone):%Y%m%d}-{secrets.token_hex(3)}",
            failures=last_failures(room, account_id),
            named=_NAMED,
            failure_texts=TEXTS,
            cause=cause,
            remedy=remedy,
            help_path=help_path,
            ledger=flows.ledger(account_id, month.period, None, _ENTRIES),
        )

    @console.get("/accounts/<int:account_id>/ledger")
    def ledger(account_id: int) -> Response:
        found = known_account(room, account_id)
        month = asked_month(room, found, flows.months.month(found))
        older_than = request.args.get("older_than")
        try:
            entries = flows.ledger(account_id, month.period, older_than, _ENTRIES_A_PAGE)
        except ValueError:
            abort(404)
        return page("console/ledger.html", account=found, month=month, ledger=entries, first=older_than is None)


def known_account(room: Room, account_id: int) -> Account:
    """The account; the page says 404 where there is none."""
    try:
        return room.flows.accounts.administration.account(account_id)
    except AccountUnknown:
        abort(404)


def asked_month(room: Room, account: Account, present: AccountMonth) -> AccountMonth:
    """The month that the address names, the present one where it names none; 404 for what is none or to come."""
    period = request.args.get("period", present.period)
    if period == present.period:
        return present
    if not _PERIOD.fullmatch(period) or period > present.period:
        abort(404)
    return room.flows.accounts.months.month(account, period)


@dataclass(frozen=True, slots=True)
class Failures:
    """Turns that got no answer for the same reason, the newest first."""

    failure: Failure
    turns: Sequence[FoundTurn]


def last_failures(room: Room, account_id: int) -> Sequence[Failures]:
    """The newest turns that failed or were refused, by why. Two lists are looked at, whatever their length."""
    found = [
        turn
        for ending in (Ending.FAILED, Ending.REFUSED)
        for turn in room.flows.accounts.turns(Wanted(account_id, ending=ending), None, _FAILURES).turns
    ]
    newest = sorted(found, key=lambda turn: (-turn.accepted_at, turn.request_id))[:_FAILURES]
    by_kind: dict[Failure, list[FoundTurn]] = {}
    for turn in newest:
        if turn.error_code is not None:
            by_kind.setdefault(turn.error_code, []).append(turn)
    return [Failures(failure, turns) for failure, turns in by_kind.items()]


def turns_chart(by_day: Sequence[dict[str, int]]) -> Chart:
    """Turns of each day by how they went on."""
    series = [
        Series(t("overview.answered"), [day["answers"] for day in by_day], 3),
        Series(t("overview.failed"), [day["failed"] for day in by_day], 2),
        Series(t("overview.refused"), [day["refused"] for day in by_day], 6),
    ]
    return charts.columns([_short(str(day["day"])) for day in by_day], series)


def money_chart(by_day: Sequence[dict[str, str | None]]) -> Chart:
    """Dollars of each day; a gap where no price is known."""
    spent = [None if day["dollars"] is None else float(day["dollars"]) for day in by_day]
    return charts.columns([_short(str(day["day"])) for day in by_day], [Series("US$", spent, 4)])


def period_before(period: str) -> str:
    """The month before this one."""
    year, month = (int(part) for part in period.split("-"))
    return f"{year - (month == 1):04d}-{(month - 2) % 12 + 1:02d}"


def period_after(period: str, present: str) -> str | None:
    """The month after this one; None where that is yet to come."""
    if period >= present:
        return None
    year, month = (int(part) for part in period.split("-"))
    return f"{year + month // 12:04d}-{month % 12 + 1:02d}"


def _short(day: str) -> str:
    """`2026-11-21` as `21/11`, or as `11-21` in English."""
    told = day_text(date.fromisoformat(day))
    return told[5:] if look().locale == "en" else told[:5]
