"""What the console's pages look at and change, over one Redis: for the entry point, and for tests of the pages."""

from collections.abc import Callable, Iterator

from redis import Redis

from app.domain.checkup import Finding
from app.domain.prices import PriceBook
from app.domain.turn import Timing
from app.services.account_months import AccountMonths
from app.services.administration import Administration
from app.services.replaying import Replaying
from app.services.usage_reporting import UsageReporting
from app.storage.account_names import AccountNames
from app.storage.accounts import RedisAccounts
from app.storage.batches import RedisBatches
from app.storage.boosts import RedisBoosts
from app.storage.gate_inspection import GateInspection
from app.storage.ledger import RedisLedger
from app.storage.metrics import RedisMetrics
from app.storage.near_limit import RedisNearLimit
from app.storage.plans import RedisPlans
from app.storage.replays import RedisReplays
from app.storage.sealing import Sealer
from app.storage.turn_search import RedisTurnSearch
from app.storage.turns import RedisTurns
from app.storage.usage import RedisUsage
from app.web.deps import AccountFlows, OverviewFlows, TurnFlows


def overview_flows(redis: Redis, accounts: RedisAccounts, turn_deadline: float) -> OverviewFlows:
    """What the first page shows. turn_deadline: the setting TURN_DEADLINE."""
    return OverviewFlows(
        last_hour=RedisMetrics(redis).last_hour,
        waiting_keys=GateInspection(redis).waiting_keys,
        months=_months(redis, accounts),
        turn_deadline=turn_deadline,
    )


def account_flows(
    redis: Redis,
    accounts: RedisAccounts,
    administration: Administration,
    check_up: Callable[[int], Iterator[Finding]],
) -> AccountFlows:
    """What the pages of accounts show and change. check_up: AccountDoctor.findings."""
    names = AccountNames(redis, accounts)
    return AccountFlows(
        administration=administration,
        page=names.page,
        without_access=names.without_access,
        months=_months(redis, accounts),
        plans=RedisPlans(redis).all,
        boosts=RedisBoosts(redis),
        # Contacts, which alone need the key, are not shown.
        usage=UsageReporting(RedisUsage(redis), pseudonym_key=b"").summary,
        ledger=RedisLedger(redis).page,
        turns=RedisTurnSearch(redis).page,
        check_up=check_up,
    )


def turn_flows(redis: Redis, sealer: Sealer, accounts: RedisAccounts, timing: Timing, prices: PriceBook) -> TurnFlows:
    """What the pages of turns show and do."""
    turns = RedisTurns(redis, sealer, timing)
    return TurnFlows(
        search=RedisTurnSearch(redis),
        archive=turns,
        account=accounts.get,
        replaying=Replaying(turns, accounts, RedisReplays(redis, timing), timing),
        batches=RedisBatches(redis),
        prices=prices,
    )


def _months(redis: Redis, accounts: RedisAccounts) -> AccountMonths:
    return AccountMonths(accounts, RedisLedger(redis), RedisNearLimit(redis))
