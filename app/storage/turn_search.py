"""Looking for turns without looking at all of them: in the lists that lua/listing.lua keeps.

A list is read from its newest end, a few hundred ids at a time, and of each turn only the fields that a line shows. So
a page costs what it shows, however many turns there are; where what is wanted has no list of its own, a page ends after
MOST_LOOKED_AT turns and says how far back it has come.

A turn that was accepted before these lists were kept (an update from a version without them) stands in the list of its
account alone, until its time ends.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import cast

from redis import Redis

from app.domain.failures import Failure
from app.domain.turn import Charge, Status, is_request_id
from app.domain.turn_search import LISTED, Cursor, Ending, FoundTurn, TurnPage, Wanted
from app.storage import keys
from app.storage.availability import availability

# Of one page; 2,000 take some tens of milliseconds.
MOST_LOOKED_AT = 2000
AT_ONCE = 100

_FIELDS = (
    "account_id",
    "status",
    "accepted_at",
    "charge",
    "weight",
    "attempts",
    "error_code",
    "handler",
    "origin",
    "line",
    "note_lead_id",
    "replays",
)
# Acceptance and id: lists are in this order.
_Place = tuple[float, str]


@dataclass(slots=True)
class _Looked:
    """How far a look has come."""

    count: int = 0
    last: Cursor | None = None


class RedisTurnSearch:
    """Every method raises StoreUnavailable."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    def page(self, wanted: Wanted, older_than: str | None, size: int) -> TurnPage:
        """The newest turns that fit, or those behind the cursor of another page.

        Raises ValueError for what is no cursor.
        """
        cursor = Cursor.parse(older_than) if older_than is not None else None
        looked = _Looked()
        found: list[FoundTurn] = []
        for turn in self._found(wanted, cursor, looked, MOST_LOOKED_AT):
            if len(found) == size:
                return TurnPage(found, found[-1].cursor)
            found.append(turn)
        if looked.count < MOST_LOOKED_AT or looked.last is None:
            return TurnPage(found)
        return TurnPage(found, str(looked.last), looked.last.accepted_at)

    def all(self, wanted: Wanted) -> Iterator[FoundTurn]:
        """All that fit, newest first, however many are looked at."""
        yield from self._found(wanted, None, _Looked(), None)

    def one(self, request_id: str) -> FoundTurn | None:
        """The turn of this id, None when it is unknown or no longer kept, or the id is none."""
        return next(self._read([request_id]), None) if is_request_id(request_id) else None

    def _found(self, wanted: Wanted, cursor: Cursor | None, looked: _Looked, most: int | None) -> Iterator[FoundTurn]:
        ids = islice(self._ids(wanted, cursor), most)
        while some := list(islice(ids, AT_ONCE)):
            for turn in self._read(some):
                looked.last = Cursor(turn.accepted_at, turn.request_id)
                if wanted.fits(turn):
                    yield turn
            looked.count += len(some)

    def _ids(self, wanted: Wanted, cursor: Cursor | None) -> Iterator[str]:
        if wanted.ending is Ending.OPEN:
            return self._open_ones(cursor)
        newest = float("inf") if wanted.until is None else float(wanted.until)
        lists = (self._list(key, newest, wanted.since or 0, cursor) for key in self._lists(wanted))
        return (turn_id for _, turn_id in heapq.merge(*lists, reverse=True))

    def _lists(self, wanted: Wanted) -> Sequence[str]:
        """The shortest lists in which all that fit stand."""
        if wanted.line is not None or wanted.lead_id is not None:
            return self._lists_of_people(wanted)
        ending = wanted.ending if wanted.ending in LISTED else None
        if wanted.account_id is None:
            return [keys.ended_turns(ending) if ending else keys.turns()]
        return [keys.ended_turns_of(wanted.account_id, ending) if ending else keys.turns_of(wanted.account_id)]

    def _lists_of_people(self, wanted: Wanted) -> Sequence[str]:
        """Of a lead or a contact: of one account, or of all those that have one of this id."""

        def of(account_id: int) -> str:
            if wanted.line is not None:
                return keys.turns_of_contact(account_id, wanted.line)
            return keys.turns_of_lead(account_id, cast("int", wanted.lead_id))

        if wanted.account_id is not None:
            return [of(wanted.account_id)]
        with availability():
            members = cast("set[bytes]", self._redis.smembers(keys.accounts()))
            candidates = [of(int(member)) for member in members]
            pipeline = self._redis.pipeline(transaction=False)
            for key in candidates:
                pipeline.exists(key)
            there = pipeline.execute()
        return [key for key, exists in zip(candidates, there, strict=True) if exists]

    def _list(self, key: str, newest: float, oldest: int, cursor: Cursor | None) -> Iterator[_Place]:
        """The ids of a list, newest first; those that are accepted meanwhile are left to another look."""
        behind: _Place = (newest, "~")
        if cursor is not None:
            behind = min(behind, (cursor.accepted_at, cursor.request_id))
        skipped = 0
        while True:
            with availability():
                raw = self._redis.zrevrangebyscore(key, behind[0], oldest, skipped, AT_ONCE, withscores=True)
            places = [(at, turn_id.decode()) for turn_id, at in cast("list[tuple[bytes, float]]", raw)]
            fresh = [place for place in places if place < behind]
            yield from fresh
            if len(places) < AT_ONCE:
                return
            # More than AT_ONCE may have been accepted in one millisecond.
            skipped = 0 if places[-1][0] < behind[0] else skipped + AT_ONCE
            behind = fresh[-1] if fresh else behind

    def _open_ones(self, cursor: Cursor | None) -> Iterator[str]:
        """Ids of open turns: their set is in another order, but an id begins with the moment of acceptance."""
        with availability():
            members = cast("list[bytes]", self._redis.zrange(keys.open_turns(), 0, -1))
        ids = sorted((member.decode() for member in members), reverse=True)
        return (turn_id for turn_id in ids if cursor is None or turn_id < cursor.request_id)

    def _read(self, request_ids: Iterable[str]) -> Iterator[FoundTurn]:
        """The turns of these ids that are still kept."""
        asked = list(request_ids)
        with availability():
            pipeline = self._redis.pipeline(transaction=False)
            for request_id in asked:
                pipeline.hmget(keys.turn(request_id), _FIELDS)
            answers = cast("list[list[bytes | None]]", pipeline.execute())
        for request_id, values in zip(asked, answers, strict=True):
            told = {name: value.decode() for name, value in zip(_FIELDS, values, strict=True) if value is not None}
            if told:
                yield _turn(request_id, told)


def _turn(request_id: str, told: dict[str, str]) -> FoundTurn:
    return FoundTurn(
        request_id=request_id,
        account_id=int(told["account_id"]),
        status=Status(told["status"]),
        accepted_at=int(told["accepted_at"]),
        charge=Charge(told["charge"]),
        weight=int(told["weight"]),
        attempts=int(told.get("attempts", 0)),
        error_code=Failure(told["error_code"]) if "error_code" in told else None,
        handler=told.get("handler"),
        origin=told.get("origin"),
        line=told.get("line"),
        lead_id=int(told["note_lead_id"]) if "note_lead_id" in told else None,
        replays=int(told.get("replays", 0)),
    )
