"""A webhook from an address that is not the account's: was the account renamed? Asked while the webhook waits.

The first message after a renaming would be lost otherwise: nobody says that Kommo sends a refused webhook again.
"""

import threading
import time
from collections.abc import Callable

from app.domain.account_addresses import subdomain_at
from app.domain.accounts import Account
from app.domain.answers import Deadline
from app.domain.oauth_tokens import KommoUnavailable
from app.domain.return_url import AddressInvalid, Origin, account_origin
from app.services.ports import Accounts
from app.services.renaming import Renaming

# Together less than the 2 seconds that Kommo waits for a webhook's answer.
QUEUE_SECONDS = 0.7
LOOK_SECONDS = 1.0
# So long nothing is asked about an account that was not renamed: whoever can sign tokens could ask all day.
QUIET_SECONDS = 20.0


class Relearning:
    """What the door asks. One look at a time in a process: renamings are rare, and webhooks have the threads.

    Waits and calls are as long as they may be while a webhook is held up, not as long as a look can take.
    """

    def __init__(
        self, accounts: Accounts, renaming: Renaming, template: str, clock: Callable[[], float] = time.time
    ) -> None:
        """template: KOMMO_BASE_URL. clock: seconds since the epoch."""
        self._accounts = accounts
        self._renaming = renaming
        self._template = template
        self._clock = clock
        self._one_at_a_time = threading.Lock()
        self._quiet_until: dict[int, float] = {}

    def relearned(self, account: Account, told: Origin) -> bool:
        """Whether the account lives at the address that a token signed for it names; then its record says so now.

        Nothing is asked for an address that no account can have. Raises StoreUnavailable.
        """
        if subdomain_at(self._template, told) is None:
            return False
        if not self._one_at_a_time.acquire(timeout=QUEUE_SECONDS):
            return False
        try:
            return self._asked(account.account_id, told)
        finally:
            self._one_at_a_time.release()

    def _asked(self, account_id: int, told: Origin) -> bool:
        account = self._accounts.get(account_id)
        now = self._clock()
        if account is None or self._lives_at(account, told):
            return account is not None
        if self._quiet_until.get(account_id, now) > now:
            return False
        try:
            moved = self._renaming.relearned(account, Deadline(now + LOOK_SECONDS, self._clock), told)
        except KommoUnavailable:
            moved = None
        if moved is not None and self._lives_at(moved, told):
            return True
        self._quiet_until = {other: until for other, until in self._quiet_until.items() if until > now}
        self._quiet_until[account_id] = now + QUIET_SECONDS
        return False

    def _lives_at(self, account: Account, told: Origin) -> bool:
        try:
            return account_origin(self._template, account.subdomain) == told
        except AddressInvalid:
            return False
