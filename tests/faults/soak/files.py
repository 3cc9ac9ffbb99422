"""What stands in Redis of the turns of a batch, read in few round trips."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import cast

from redis import Redis

from app.storage import keys
from sandbox.stack import Company
from tests.faults.soak.load import Said

_FIELDS = ("status", "charge", "error_code")
# Those of a turn; empty where it has none.
Record = tuple[str, str, str]


class Files:
    """The turns and ledgers of some companies. settled: how many turns of each account were, so far."""

    def __init__(self, redis: Redis, companies: Sequence[Company], period_of: Callable[[Company], str]) -> None:
        """period_of: the month that it is where a company lives."""
        self.settled: dict[int, int] = defaultdict(int)
        self._redis = redis
        self._companies = companies
        self._period_of = period_of
        self._read_to: dict[int, bytes] = {}

    def turn_ids(self, said: Sequence[Said]) -> list[str | None]:
        """The turn of each webhook, also of one whose 200 was lost; None where none was accepted."""
        pipeline = self._redis.pipeline(transaction=False)
        for each in said:
            pipeline.get(keys.return_url(each.company.account.account_id, each.webhook.return_url))
        found = pipeline.execute() if said else []
        return [
            each.webhook.json()["request_id"] if each.webhook.accepted else (turn_id.decode() if turn_id else None)
            for each, turn_id in zip(said, found, strict=True)
        ]

    def records(self, turn_ids: Sequence[str]) -> dict[str, Record]:
        """Of these turns."""
        pipeline = self._redis.pipeline(transaction=False)
        for turn_id in turn_ids:
            pipeline.hmget(keys.turn(turn_id), *_FIELDS)
        found = pipeline.execute() if turn_ids else []
        return {
            turn_id: cast("Record", tuple((value or b"").decode() for value in values))
            for turn_id, values in zip(turn_ids, found, strict=True)
        }

    def new_entries(self) -> dict[str, list[tuple[str, int]]]:
        """The ledgers' entries since the last look, by turn."""
        entries: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for company in self._companies:
            account = company.account
            key = keys.ledger(account.account_id, self._period_of(company))
            after = self._read_to.get(account.account_id)
            found = cast(
                "list[tuple[bytes, dict[bytes, bytes]]]", self._redis.xrange(key, b"(" + after if after else "-")
            )
            for entry_id, entry in found:
                kind = entry[b"kind"].decode()
                if kind in ("reserve", "settle", "release", "refuse"):
                    entries[entry[b"turn"].decode()].append((kind, int(entry[b"requests"])))
                    self.settled[account.account_id] += kind == "settle"
                self._read_to[account.account_id] = entry_id
        return entries
