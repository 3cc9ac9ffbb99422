"""Removing an account with everything that is stored of it (contract 1).

It is marked first, so that its webhooks get 404 at once while the turns that were accepted before still end as they
must: each has its one continue call. Then everything goes, page by page, the account itself last. Whoever is
interrupted goes on by doing it again; until then nobody can add the account anew.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from app.domain.accounts import Account, AccountUnknown
from app.domain.forgetting import Deletion, Kind, Remote, RemovalBlocked
from app.services.forgetting import LOOK_SECONDS, Told
from app.services.ports import Accounts, OpenAiDeletion, Removals
from app.services.receipts import account_receipt
from app.services.remote_deletion import RemoteDeletion

# Of what OpenAI refused, so many are named.
_NAMED = 20


@dataclass(frozen=True, slots=True)
class Removing:
    """The flow.

    workers: the names of living workers, without whom no turn ends. clock: seconds since the epoch.
    """

    accounts: Accounts
    removals: Removals
    openai: OpenAiDeletion
    workers: Callable[[], Iterable[str]]
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def remove(self, account_id: int, patience: float, told: Told, *, at_openai: bool = False) -> dict[str, Any]:
        """Remove an account, or go on with it, and return the receipt.

        patience: seconds to wait for its open turns. at_openai: delete its conversations and responses there too, a
        call for each of them.
        Raises AccountUnknown, RemovalBlocked and StoreUnavailable.
        """
        account = self.accounts.get(account_id)
        if account is None:
            raise AccountUnknown(account_id)
        begun_at = self.removals.begin(account_id)
        self._wait(account_id, patience, told)
        if at_openai:
            self._delete_at_openai(account, told)
        self._remove_turns(account_id, told)
        for looked_at, total in self.removals.remove_rest(account_id):
            told(f"{looked_at} of {total} keys of Redis looked at")
        removed = self.removals.finish(account_id)
        return account_receipt(account, begun_at, removed, int(self.clock() * 1000))

    def _wait(self, account_id: int, patience: float, told: Told) -> None:
        until = self.clock() + patience
        while open_turns := self.removals.open_turns(account_id):
            why = None if list(self.workers()) else "and no worker lives that could end them: start one"
            if self.clock() >= until:
                why = "look at them with bytegpt turn list"
            if why:
                raise RemovalBlocked(
                    f"account {account_id} still has {open_turns} open turn(s), {why}. Its webhooks get 404 already; "
                    "remove it again to go on"
                )
            told(f"waiting for {open_turns} open turn(s)")
            self.sleep(LOOK_SECONDS)

    def _remove_turns(self, account_id: int, told: Told) -> None:
        removed = 0
        for request_ids, left in self.removals.turns(account_id):
            self.removals.remove_turns(account_id, request_ids)
            told(f"{removed + len(request_ids)} of {removed + left} turns removed")
            removed += len(request_ids)

    def _delete_at_openai(self, account: Account, told: Told) -> None:
        """Delete there first: here are the ids. What OpenAI refused stays here, and the account with it."""
        account_id = account.account_id
        deleting = RemoteDeletion(self.openai, account.secrets.openai_api_key, self.clock)
        work = _Work(self.removals, account, deleting, told)
        for line, remotes in self.removals.conversations(account_id):
            if work.all_gone(remotes):
                self.removals.remove_conversations(account_id, line)
        for request_ids, _ in self.removals.turns(account_id):
            for request_id, remotes in self.removals.left_at_openai(request_ids).items():
                if work.all_gone(remotes):
                    self.removals.remove_turns(account_id, [request_id])
        if work.refused:
            some = ", ".join(f"{one.remote.kind} {one.remote.id}: {one.reason}" for one in work.refused[:_NAMED])
            raise RemovalBlocked(
                f"OpenAI did not delete {len(work.refused)} thing(s) of account {account_id} ({some}). They are still "
                "known here: remove it again with --at-openai to try once more, or without to leave them there"
            )


class _Work:
    """Things of an account at OpenAI that are deleted: conversations once, though many turns share one."""

    def __init__(self, removals: Removals, account: Account, deleting: RemoteDeletion, told: Told) -> None:
        self._removals = removals
        self._account = account
        self._deleting = deleting
        self._told = told
        self._conversations: dict[Remote, bool] = {}
        self._count = 0
        self.refused: list[Deletion] = []

    def all_gone(self, remotes: Iterable[Remote]) -> bool:
        """Delete these, and say whether every one of them is gone now."""
        outcomes = [self._is_gone(remote) for remote in remotes]
        return all(outcomes)

    def _is_gone(self, remote: Remote) -> bool:
        if remote in self._conversations:
            return self._conversations[remote]
        deletions = list(self._deleting.delete(remote))
        self._removals.count(self._account.account_id, [one for one in deletions if one.done])
        self.refused += (one for one in deletions if not one.done)
        self._count += len(deletions)
        self._told(f"{self._count} things at OpenAI looked at")
        gone = deletions[-1].done
        if remote.kind is not Kind.RESPONSE:
            self._conversations[remote] = gone
        return gone
