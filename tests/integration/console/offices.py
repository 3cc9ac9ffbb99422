"""A company whose turns, boosts and figures the console's pages show."""

from dataclasses import dataclass
from datetime import UTC, datetime

import redis

from app.domain.answers import Answer, Usage
from app.domain.failures import Failure
from app.domain.plans import Plan
from app.domain.prices import PriceBook
from app.domain.quota import day_of, period_of
from app.domain.turn import UNDECIDED, Change, Status
from app.domain.usage import Place, answered, ended
from app.storage.boosts import RedisBoosts
from app.storage.plans import RedisPlans
from config.prices import read_prices
from tests.integration.turn_store import DELIVERED, Store

ID = 31000001
USED = Usage(input=1000, cached=100, output=200, reasoning=0)


@dataclass
class Office:
    """An account with the plan `small` of so many requests, by the clock of the machine."""

    redis: redis.Redis
    requests: int = 10

    def __post_init__(self) -> None:
        self.store = Store(self.redis, self.requests)
        self.store.clock.seconds = datetime.now(UTC).timestamp()
        self.boosts = RedisBoosts(self.redis)
        self.prices: PriceBook = read_prices()
        RedisPlans(self.redis).set(Plan("grande", 5000))

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.store.clock(), UTC)

    @property
    def period(self) -> str:
        return period_of(self.now, self.store.account.zone)

    def turn(self, failure: Failure | None = None, refusal: Failure | None = None) -> str:
        """A turn from its acceptance to its end; its id."""
        zone = self.store.account.zone
        day = day_of(self.now, zone)
        new = self.store.accept(period=self.period, day=day, hour=self.now.astimezone(zone).hour, refusal=refusal)
        taken = self.store.take(new)
        if failure:
            self.store.advance(
                taken,
                Change(
                    UNDECIDED,
                    Status.FAILED,
                    "release",
                    failure,
                    fields={"error_code": failure},
                    usage=ended(day, failure),
                ),
            )
        elif taken.turn.status is Status.ACCEPTED:
            answer = Answer("Custa 5 reais.", "resp_1", model="gpt-4o", usage=USED)
            figures = answered(Place(day, 12, "ai_reply", "contact-1", 1), answer, self.prices, self.now)
            self.store.advance(
                taken,
                Change(UNDECIDED, Status.ANSWERED, "settle", marks=(80, 100), sealed={"answer": "x"}, usage=figures),
            )
        self.store.advance(taken, DELIVERED)
        self.store.clock.seconds += 0.01
        return new.request_id
