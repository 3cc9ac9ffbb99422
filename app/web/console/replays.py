"""Running many turns again after an outage: counted first, then worked off while a page shows how far it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from app.domain.accounts import AccountUnknown
from app.domain.audit_log import Operation
from app.domain.batches import MOST_TURNS, Batch
from app.domain.replays import EndedBadly
from app.web.console.guard import operator
from app.web.console.pages import ActionRefused, back, page, remark
from app.web.console.rooms import Room
from app.web.console.texts import t, tn
from app.web.console.turn_search import NotUnderstood, account_id_of, moment_of

FIELDS = ("account", "since", "until", "untold")
_LONGEST = 200
_NEWEST = 20
# Of an account's failures; the browser waits meanwhile.
MOST_LOOKED_AT = 10_000


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked to be counted or run. values: as they were typed. problems: why a field was not understood.

    turns: those that would be run, at most MOST_TURNS; None where nothing was asked yet. more: whether there are more.
    seen_until: where not all failures were looked at, until which acceptance, in milliseconds.
    """

    values: dict[str, str]
    problems: dict[str, str]
    account_id: int = 0
    since: int = 0
    until: int = 0
    turns: Sequence[EndedBadly] | None = None
    more: bool = False
    seen_until: int | None = None

    @property
    def untold(self) -> bool:
        """Whether those are left out whose bot was told the failure."""
        return bool(self.values["untold"])

    @property
    def told(self) -> int:
        """How many of the turns have a bot that was told the failure."""
        return sum(turn.told for turn in self.turns or ())


def add_replays(console: Blueprint, room: Room) -> None:
    """Add the routes to the console's blueprint."""
    flows = room.flows.turns

    @console.get("/replays")
    def replays() -> BaseResponse:
        return _asked(read_wish(request.args, room), HTTPStatus.OK)

    @console.post("/replays")
    def begin_batch() -> BaseResponse:
        wish = read_wish(request.form, room)
        if wish.turns is None:
            return _asked(wish, HTTPStatus.BAD_REQUEST)
        detail = f"{len(wish.turns)} · {_iso(wish.since)} → {_iso(wish.until)}"
        try:
            with room.witness.watching(Operation.BATCH_BEGUN, account_id=wish.account_id, detail=detail):
                batch = _begun(wish)
        except ActionRefused as refused:
            remark(t(str(refused)), "warn")
            return back(url_for("console.replays"))
        remark(tn("replays.begun", batch.total))
        return back(url_for("console.batch", account_id=batch.account_id, batch_id=batch.batch_id))

    def _begun(wish: Wish) -> Batch:
        if not wish.turns:
            raise ActionRefused("replays.nothing")
        who = operator()
        ids = [turn.request_id for turn in wish.turns]
        by = who.operator if who else ""
        return flows.batches.add(wish.account_id, wish.since, wish.until, ids, by, untold=wish.untold)

    def _asked(wish: Wish, status: HTTPStatus) -> BaseResponse:
        newest = flows.batches.newest(_NEWEST)
        return page(
            "console/replays.html",
            HTTPStatus.BAD_REQUEST if wish.problems else status,
            wish=wish,
            account=flows.account(wish.account_id),
            most=MOST_TURNS,
            newest=newest,
            hosts=room.hosts_of(one.account_id for one in newest),
            workers=room.state().workers,
        )


def read_wish(given: Mapping[str, str], room: Room) -> Wish:
    """What a form asks for, with the turns that this means now. Raises StoreUnavailable."""
    values = {name: given.get(name, "").strip()[:_LONGEST] for name in FIELDS}
    if not any(values.values()):
        return Wish(values, {})
    problems: dict[str, str] = {}
    read: dict[str, int] = {}
    readers: dict[str, Callable[[str], int]] = {
        "account": lambda text: account_id_of(text, room.flows.accounts),
        "since": lambda text: moment_of(text, room.flows.zone),
        "until": lambda text: moment_of(text, room.flows.zone, at_its_end=True),
    }
    for name, reader in readers.items():
        try:
            read[name] = reader(values[name])
        except NotUnderstood as error:
            problems[name] = str(error)
    if not problems and read["since"] > read["until"]:
        problems["until"] = "span"
    if problems:
        return Wish(values, problems)
    account_id, since, until = read["account"], read["since"], read["until"]
    try:
        found = room.flows.turns.replaying.ended_badly(
            account_id,
            since,
            until,
            untold=bool(values["untold"]),
            most=MOST_TURNS + 1,
            most_looked_at=MOST_LOOKED_AT,
        )
    except AccountUnknown:
        return Wish(values, {"account": "account"})
    more = len(found.turns) > MOST_TURNS
    seen_until = None if more else found.seen_until
    return Wish(values, {}, account_id, since, until, found.turns[:MOST_TURNS], more, seen_until)


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ")
