"""The check-up of the service and of one account, line by line (contract 1, `bytegpt doctor`)."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from app.domain import account_checkup, checkup
from app.domain.acceptance import StoreUnavailable
from app.domain.accounts import Account, AccountUnknown
from app.domain.answers import Deadline
from app.domain.checkup import Finding, Probed, Unreachable, failed, ok, warning
from app.domain.oauth_tokens import KommoUnavailable
from app.domain.quota import Counters
from app.domain.service_state import ServiceState
from app.services.ports import Accounts, Ledger
from app.services.proving import Proving
from app.services.settings_check import SettingsCheck

PROBE_SECONDS = 10.0


class Inspection(Protocol):
    """A look at the service through Redis. Raises StoreUnavailable."""

    def state(self) -> ServiceState:
        """All that can be seen now."""

    def snapshots(self) -> bool | None:
        """Whether Redis writes its data out now and then; None where it does not tell."""


class Prober(Protocol):
    """A look at an address."""

    def get(self, url: str, deadline: Deadline) -> Probed:
        """GET it once, without any credential. Raises Unreachable."""


@dataclass(frozen=True, slots=True)
class ServiceDoctor:
    """Looks at what all accounts share, and changes nothing.

    public_url, openai_base_url, turn_deadline: the settings of these names.
    """

    inspection: Inspection
    prober: Prober
    public_url: str
    openai_base_url: str
    turn_deadline: float
    clock: Callable[[], float] = time.time

    def findings(self) -> Iterator[Finding]:
        """One after the other, as they are made. Without Redis nothing can be said of what stands in it."""
        try:
            state, snapshots = self.inspection.state(), self.inspection.snapshots()
        except StoreUnavailable as error:
            yield failed("redis", f"does not answer ({error}).", "Is it running, and is REDIS_URL right?")
        else:
            yield ok("redis", "answers")
            yield from checkup.of_redis(state.redis, snapshots)
            yield checkup.of_clock("redis", state.redis.ahead, "Let NTP set the clocks of all machines.")
            yield checkup.of_workers(state.workers)
            yield from checkup.of_work(state.work, self.turn_deadline)
        yield from self._openai()
        yield self._door()

    def _openai(self) -> Iterator[Finding]:
        """Any status will do: the question has no key."""
        try:
            probed = self._probed(f"{self.openai_base_url}/models")
        except Unreachable as error:
            yield failed(
                "openai", f"cannot be reached ({error.detail}).", "Does a firewall of this machine stand in the way?"
            )
            return
        yield ok("openai", "can be reached")
        if probed.ahead is not None:
            yield checkup.of_clock("openai", probed.ahead, "Let NTP set the clock of this machine.")

    def _door(self) -> Finding:
        what, remedy = "web", "Start `bytegpt web`, and let your proxy lead PUBLIC_URL to it."
        try:
            probed = self._probed(f"{self.public_url}/healthz")
        except Unreachable as error:
            # Not failed: this machine may have no way back to the address at which the world reaches it.
            return warning(what, f"nobody answers at PUBLIC_URL from here ({error.detail}).", remedy)
        if probed.status == 200 and b"alive" in probed.body:
            return ok(what, "answers at PUBLIC_URL")
        return failed(what, f"somebody else answers at PUBLIC_URL, with status {probed.status}.", remedy)

    def _probed(self, url: str) -> Probed:
        return self.prober.get(url, Deadline(self.clock() + PROBE_SECONDS, self.clock))


@dataclass(frozen=True, slots=True)
class AccountDoctor:
    """Looks at one account, as a turn would need it.

    Kommo is asked for the account and OpenAI one short question, neither charged to a plan. Old tokens are renewed and
    a new address is stored on the way, as the regular look at tokens does. template: KOMMO_BASE_URL.
    """

    accounts: Accounts
    proving: Proving
    trial: SettingsCheck
    ledger: Ledger
    template: str
    clock: Callable[[], float] = time.time

    def findings(self, account_id: int) -> Iterator[Finding]:
        """One after the other, as they are made. Raises AccountUnknown and StoreUnavailable."""
        account = self._account(account_id)
        yield account_checkup.of_record(account)
        yield from self._kommo(account)
        tried = self.trial.check(account)
        reply = tried.reply or ""
        yield from account_checkup.of_openai(account, tried.failure, tried.reason, tried.api_gone, len(reply))
        yield account_checkup.of_plan(account, self._counters(account))

    def _kommo(self, account: Account) -> Iterator[Finding]:
        if account.secrets.access_token is None:
            yield account_checkup.no_token()
            return
        try:
            refused = self.proving.refusal(account)
        except KommoUnavailable as error:
            yield from account_checkup.of_silent_kommo(account, self.template, error.detail)
            return
        # Its tokens and its address may have been made new by the look.
        yield from account_checkup.of_kommo(self._account(account.account_id), self.template, refused, self.clock())

    def _counters(self, account: Account) -> Counters:
        return self.ledger.counters(account, self.ledger.period_now(account.zone))

    def _account(self, account_id: int) -> Account:
        account = self.accounts.get(account_id)
        if account is None:
            raise AccountUnknown(account_id)
        return account
