"""The account records in Redis."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from redis import Redis, WatchError
from redis.client import Pipeline
from redis.typing import EncodableT, FieldT

from app.domain.accounts import Account, AccountExists, AccountUnknown, ChangedMeanwhile
from app.domain.plans import DEFAULT_PLAN, DEFAULT_PLAN_REQUESTS
from app.domain.quota import period_of
from app.domain.retention import DEFAULT_DAYS
from app.storage import keys
from app.storage.account_record import RecordDamaged, account_of, record_of, secrets_of
from app.storage.availability import availability
from app.storage.integrations import is_last, renewed
from app.storage.sealing import Sealer

# How long the secrets of an integration without accounts are still known.
INTEGRATION_KEPT_SECONDS = 7 * 24 * 3600
_FIELDS = (
    "version",
    "plan",
    "paused",
    "record",
    "secrets",
    "next_plan",
    "next_plan_period",
    "retention_days",
    "removing",
)

T = TypeVar("T")


class RedisAccounts:
    """One hash per account, changed by compare-and-set, and a set of all ids.

    Every method raises StoreUnavailable; those that read an account raise NoKeyFits and RecordDamaged for one that
    cannot be understood.
    """

    def __init__(self, redis: Redis, sealer: Sealer, clock: Callable[[], float] = time.time) -> None:
        """clock: seconds since the epoch; it says whether a plan that was to come has begun."""
        self._redis = redis
        self._sealer = sealer
        self._clock = clock

    def get(self, account_id: int) -> Account | None:
        """The account as it is now, None where it is not installed."""
        with availability():
            return self._read(self._redis, account_id)

    def add(self, account: Account, client_secret: str | None = None) -> Account:
        """Store a new account and return it with its first version.

        Versions begin at the millisecond of adding: an account that is removed and added again never comes back to a
        version that somebody may still remember.
        client_secret: the secret of its private integration; it becomes the newest one.
        Raises AccountExists.
        """

        def store(pipe: Pipeline) -> Account:
            if pipe.exists(keys.account(account.account_id)):
                removing = bool(pipe.hexists(keys.account(account.account_id), "removing"))
                raise AccountExists(account.account_id, removing=removing)
            seconds, microseconds = pipe.time()
            stored = dataclasses.replace(account, version=seconds * 1000 + microseconds // 1000)
            self._write(pipe, None, stored, client_secret, plan=account.plan)
            return stored

        return self._in_transaction(account.account_id, store)

    def replace(self, account: Account, expected_version: int, client_secret: str | None = None) -> Account:
        """Store the account in place of the version that was read, and return it with its new version.

        Its plans stay what they are: only a plan change, which is in the ledger, changes them (storage/ledger.py).
        client_secret: as in add; None leaves the integration's secrets as they are.
        Raises AccountUnknown, and ChangedMeanwhile where the version is not the expected one any more.
        """

        def exchange(pipe: Pipeline) -> Account:
            before = self._read_known(pipe, account.account_id)
            if before.version != expected_version:
                raise ChangedMeanwhile(account.account_id)
            stored = dataclasses.replace(
                account, version=expected_version + 1, plan=before.plan, next_plan=before.next_plan
            )
            self._write(pipe, before, stored, client_secret)
            return stored

        return self._in_transaction(account.account_id, exchange)

    def remove(self, account_id: int) -> None:
        """Remove the account, and its private integration with the last account of it. Raises AccountUnknown.

        What hangs on it is removed before (storage/removals.py).
        """

        def delete(pipe: Pipeline) -> None:
            account = self._read_known(pipe, account_id)
            client_id = account.client_id
            last = client_id is not None and is_last(pipe, client_id, account_id)
            pipe.multi()
            pipe.delete(keys.account(account_id), keys.removal(account_id))
            pipe.srem(keys.accounts(), account_id)
            pipe.zrem(keys.account_names(), name_of(account))
            pipe.zrem(keys.near_limit(), account_id)
            pipe.hdel(keys.access_trouble(), str(account_id))
            if client_id is not None:
                _leave(pipe, client_id, account_id, last)

        self._in_transaction(account_id, delete)

    def ids(self) -> list[int]:
        """The ids of all accounts, in order."""
        with availability():
            return sorted(int(member) for member in self._redis.smembers(keys.accounts()))

    def page(self, after: int = 0, size: int = 100) -> tuple[Account, ...]:
        """The next accounts by id, above the id `after`; empty at the end."""
        return self.some([account_id for account_id in self.ids() if account_id > after][:size])

    def some(self, wanted: Sequence[int]) -> tuple[Account, ...]:
        """Those of these accounts that are installed, in the same order. One round trip."""
        with availability(), self._redis.pipeline(transaction=False) as pipe:
            for account_id in wanted:
                pipe.hmget(keys.account(account_id), _FIELDS)
            answers = pipe.execute()
        found = (self._decoded(account_id, fields) for account_id, fields in zip(wanted, answers, strict=True))
        return tuple(account for account in found if account is not None)

    def _in_transaction(self, account_id: int, change: Callable[[Pipeline], T]) -> T:
        """Let change read, call multi() and write; again from its start where something it had read has changed."""
        with availability(), self._redis.pipeline() as pipe:
            while True:
                try:
                    pipe.watch(keys.account(account_id))  # type: ignore[no-untyped-call]
                    result = change(pipe)
                    pipe.execute()
                except WatchError:
                    continue
                return result

    def _write(
        self,
        pipe: Pipeline,
        before: Account | None,
        account: Account,
        client_secret: str | None,
        plan: str | None = None,
    ) -> None:
        """Read what else must be known, then write the account and what hangs on it. plan: None leaves it."""
        account_id, client_id = account.account_id, account.client_id
        left = before.client_id if before is not None and before.client_id != client_id else None
        last = left is not None and is_last(pipe, left, account_id)
        secrets = renewed(pipe, self._sealer, client_id, client_secret) if client_id and client_secret else None
        pipe.multi()
        pipe.hset(keys.account(account_id), mapping=self._encoded(account))
        if plan is not None:
            pipe.hset(keys.account(account_id), "plan", plan)
        pipe.sadd(keys.accounts(), account_id)
        if before is not None and before.subdomain != account.subdomain:
            pipe.zrem(keys.account_names(), name_of(before))
        pipe.zadd(keys.account_names(), {name_of(account): 0})
        if account.access == "granted":
            pipe.hdel(keys.access_trouble(), str(account_id))
        else:
            pipe.hset(keys.access_trouble(), str(account_id), account.access)
        # The script that accepts turns reads the plan's requests by itself, so the plan of every new account is there.
        pipe.hsetnx(keys.plans(), DEFAULT_PLAN, DEFAULT_PLAN_REQUESTS)
        if left is not None:
            _leave(pipe, left, account_id, last)
        if client_id is not None:
            pipe.sadd(keys.integration_accounts(client_id), account_id)
            pipe.persist(keys.integration(client_id))
        if client_id is not None and secrets is not None:
            pipe.set(keys.integration(client_id), secrets)

    def _encoded(self, account: Account) -> Mapping[FieldT, EncodableT]:
        return {
            "version": account.version,
            "paused": int(account.paused),
            "retention_days": account.retention_days,
            "record": record_of(account),
            "secrets": self._sealer.seal(secrets_of(account)),
        }

    def _read_known(self, redis: Redis, account_id: int) -> Account:
        account = self._read(redis, account_id)
        if account is None:
            raise AccountUnknown(account_id)
        return account

    def _read(self, redis: Redis, account_id: int) -> Account | None:
        return self._decoded(account_id, redis.hmget(keys.account(account_id), _FIELDS))

    def _decoded(self, account_id: int, fields: Sequence[bytes | str | None]) -> Account | None:
        version, plan, paused, record, secrets, coming, coming_period, retention_days, removing = fields
        if version is None:
            return None
        if plan is None or paused is None or record is None or secrets is None:
            raise RecordDamaged(f"account {account_id}: fields are missing")
        account = account_of(
            account_id,
            version=int(version),
            plan=_text(plan),
            paused=int(paused) == 1,
            record=record,
            secrets=self._sealer.unseal(secrets),
            retention_days=DEFAULT_DAYS if retention_days is None else int(retention_days),
            removing=removing is not None,
        )
        if coming is None or coming_period is None:
            return account
        if _text(coming_period) <= period_of(datetime.fromtimestamp(self._clock(), UTC), account.zone):
            return dataclasses.replace(account, plan=_text(coming))
        return dataclasses.replace(account, next_plan=_text(coming))


def name_of(account: Account) -> str:
    """How an account stands in the index of names: it is found by how its address begins, in the order of addresses."""
    return f"{account.subdomain} {account.account_id}"


def _leave(pipe: Pipeline, client_id: str, account_id: int, last: bool) -> None:
    pipe.srem(keys.integration_accounts(client_id), account_id)
    if last:
        # Bots that still run are told that the account is gone (404), not that they are strangers (401).
        pipe.expire(keys.integration(client_id), INTEGRATION_KEPT_SECONDS)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
