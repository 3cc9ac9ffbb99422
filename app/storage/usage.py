"""The figures of usage in Redis: what scripts are told to add to them, and reading them (contract 7, issue 3).

They are written by lua/usage.lua inside the scripts that charge; here they are only read.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from redis import Redis

from app.domain.spans import minute_of_day
from app.domain.usage import Figures
from app.domain.usage_figures import DayFigures, Minute, day_figures, minutes_of
from app.storage import keys
from app.storage.availability import availability

# A day of a busy account has some thousands of fields: so many of them travel in one answer.
_DAYS_AT_ONCE = 31


def usage_arguments(account_id: int, figures: Figures, now_ms: int) -> dict[str, Any]:
    """What `add_usage` of lua/usage.lua adds. now_ms: the moment of the event, milliseconds since the epoch."""
    arguments: dict[str, Any] = {}
    if figures.rows:
        arguments |= {"day_key": keys.usage_day(account_id, figures.day), "rows": figures.rows}
    if figures.rate:
        moment = datetime.fromtimestamp(now_ms / 1000, UTC)
        arguments |= {
            "minutes_key": keys.usage_minutes(account_id, moment.date().isoformat()),
            "minute": minute_of_day(moment),
            "model": figures.rate.model,
            "amount": figures.rate.amount,
        }
    return arguments


class RedisUsage:
    """The figures of all accounts. Every method raises StoreUnavailable when Redis is away."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def days(self, account_id: int, days: Iterable[str]) -> list[DayFigures]:
        """The figures of those of these days, `YYYY-MM-DD`, on which anything happened, in the same order."""
        asked = list(days)
        found = self._hashes([keys.usage_day(account_id, day) for day in asked])
        return [day_figures(day, fields) for day, fields in zip(asked, found, strict=True) if fields]

    def minutes(self, account_id: int, begin: datetime, end: datetime) -> Iterator[Minute]:
        """The minutes from `begin` up to but not including `end` in which anything was sent, oldest first.

        Both must be aware.
        """
        first = begin.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        days = [first + timedelta(days=number) for number in range((end - first).days + 1)]
        found = self._hashes([keys.usage_minutes(account_id, day.date().isoformat()) for day in days])
        for day, fields in zip(days, found, strict=True):
            yield from (minute for minute in minutes_of(day, fields) if begin <= minute.at < end)

    def _hashes(self, names: Sequence[str]) -> Iterator[Mapping[str, int]]:
        for start in range(0, len(names), _DAYS_AT_ONCE):
            with availability():
                pipeline = self._redis.pipeline(transaction=False)
                for name in names[start : start + _DAYS_AT_ONCE]:
                    pipeline.hgetall(name)
                answers: list[dict[bytes, bytes]] = pipeline.execute()
            for fields in answers:
                yield {name.decode(): int(amount) for name, amount in fields.items()}
