"""Forgetting one contact, here and at OpenAI (contract 1; LGPD, article 18, VI)."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from app.domain.accounts import Account, AccountUnknown
from app.domain.forgetting import ContactBusy, Deletion, Fate, Forgotten, Kind
from app.services.ports import Accounts, ContactMemory, OpenAiDeletion
from app.services.remote_deletion import RemoteDeletion

LOOK_SECONDS = 0.25

# Told now and then how far the work is.
Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Forgetting:
    """The flow. clock: seconds since the epoch."""

    accounts: Accounts
    memory: ContactMemory
    openai: OpenAiDeletion
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def forget(self, account_id: int, line: str, told: Told, patience: float = 0.0) -> Forgotten:
        """Delete what is stored of a contact, known by its conversation key, and what stands of it at OpenAI.

        It may be done again and again. Interrupted, or where OpenAI refused something, the next time goes on from
        there, and what it returns tells of all of it. patience: seconds to wait for turns of the contact to end.

        Looks at every turn of the account that is kept: a second for some tens of thousands. At OpenAI each item,
        response and conversation is a call.
        Raises AccountUnknown, ContactBusy and StoreUnavailable.
        """
        account = self.accounts.get(account_id)
        if account is None:
            raise AccountUnknown(account_id)
        self._begin(account_id, line, patience, told)
        for request_ids, looked_at, total in self.memory.turns(account_id, line):
            self.memory.erase_turns(account_id, line, request_ids)
            told(f"{looked_at} of {total} turns looked at")
        self.memory.erase_counters(account_id, line)
        self._delete_at_openai(account, line, told)
        forgotten = self.memory.forgotten(account_id, line)
        if not forgotten.undone:
            self.memory.end(account_id, line)
        return forgotten

    def _begin(self, account_id: int, line: str, patience: float, told: Told) -> None:
        until = self.clock() + patience
        while True:
            open_turns = self.memory.open_turns(account_id, line)
            if not open_turns and self.memory.begin(account_id, line):
                return
            if self.clock() >= until:
                raise ContactBusy(max(1, open_turns))
            told(f"waiting for {max(1, open_turns)} open turn(s)")
            self.sleep(LOOK_SECONDS)

    def _delete_at_openai(self, account: Account, line: str, told: Told) -> None:
        account_id = account.account_id
        deleting = RemoteDeletion(self.openai, account.secrets.openai_api_key, self.clock)
        # An item is deleted with its conversation, by which alone it can be found.
        known = [one.remote for one in self.memory.forgotten(account_id, line).undone if one.remote.kind != Kind.ITEM]
        for done, remote in enumerate(sorted(known, key=lambda one: one.kind), start=1):
            for deletion in deleting.delete(remote):
                self.memory.record(account_id, line, deletion)
            told(f"{done} of {len(known)} conversations and responses at OpenAI looked at")
        self._settle_items(account_id, line)

    def _settle_items(self, account_id: int, line: str) -> None:
        """An item that was refused at an earlier time is gone when its conversation is: that goes last."""
        undone = self.memory.forgotten(account_id, line).undone
        if any(one.remote.kind is Kind.CONVERSATION for one in undone):
            return
        for one in undone:
            if one.remote.kind is Kind.ITEM:
                self.memory.record(account_id, line, Deletion(one.remote, Fate.NOT_FOUND))
