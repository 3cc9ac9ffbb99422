"""Accounts by their names, page by page: an index that costs what a page shows, however many accounts there are."""

from collections.abc import Sequence
from typing import cast

from redis import Redis

from app.domain.account_list import AccountsPage
from app.domain.accounts import Account
from app.storage import keys
from app.storage.accounts import RedisAccounts, name_of
from app.storage.availability import availability

# Accounts that are read at once where the index is made anew.
_AT_ONCE = 500


class AccountNames:
    """Reads the index that RedisAccounts writes. Raises StoreUnavailable, and what RedisAccounts.get raises."""

    def __init__(self, redis: Redis, accounts: RedisAccounts) -> None:
        self._redis = redis
        self._accounts = accounts

    def page(self, beginning: str, after: str | None, size: int) -> AccountsPage:
        """Accounts whose names begin so, in the order of their names. Two round trips and the accounts of the page.

        after: the cursor of the page before. Accounts that were stored before there was an index are missing from it;
        where their numbers differ it is made anew, once, at the cost of reading every account.
        """
        least = f"[{beginning}" if after is None or after < beginning else f"({after}"
        with availability(), self._redis.pipeline(transaction=False) as pipe:
            pipe.zcard(keys.account_names())
            pipe.scard(keys.accounts())
            pipe.zrangebylex(keys.account_names(), least, f"[{beginning}\N{DELETE}", 0, size + 1)
            known, all_of_them, found = pipe.execute()
        if known != all_of_them:
            self._make_anew()
            with availability():
                found = self._redis.zrangebylex(keys.account_names(), least, f"[{beginning}\N{DELETE}", 0, size + 1)
        names = [name.decode() for name in cast("list[bytes]", found)]
        shown = names[:size]
        accounts = self._accounts.some([int(name.rpartition(" ")[2]) for name in shown])
        return AccountsPage(accounts, shown[-1] if len(names) > size else None)

    def without_access(self, most: int) -> Sequence[Account]:
        """Accounts that Kommo gives no access, by their ids; costs the ids of all of them, and so many accounts."""
        with availability():
            found = cast("list[bytes]", self._redis.hkeys(keys.access_trouble()))
        return self._accounts.some(sorted(int(account_id) for account_id in found)[:most])

    def _make_anew(self) -> None:
        ids = self._accounts.ids()
        pages = [ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE)]
        names = {name_of(account): 0 for page in pages for account in self._accounts.some(page)}
        with availability(), self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(keys.account_names())
            if names:
                pipe.zadd(keys.account_names(), names)
            pipe.execute()
