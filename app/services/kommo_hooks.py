"""Hooks of Kommo, worked off: at once as far as Kommo answers, and later by a worker (kommo.md 5.2, 5.4).

Kommo waits 3 seconds for an answer, never looks at it and never sends a hook again, while a code can be exchanged for
20 minutes. So whatever cannot be finished is kept, sealed, until it is finished or worthless.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from app.domain.acceptance import StoreUnavailable
from app.domain.kommo_hooks import CODE_SECONDS, Granted, Hook, HookOutcome, InstallHook, RevokedHook
from app.domain.oauth_tokens import GrantRefused, IntegrationUnknown, KommoUnavailable, is_dead
from app.services.installing import Installing, NotAdministrator, NotAnAccount
from app.services.ports import UnfinishedHooks
from app.services.revoking import Revoking

log = structlog.get_logger(__name__)

# Seconds until a hook that could not be finished is tried again; later a quarter of the time that it has waited.
AGAIN_SECONDS = 15.0
# A process that was killed over new tokens has lost nothing: after so many seconds a worker goes on with them.
TAKEN_OVER_SECONDS = 60.0
# The access token of an installation lives a day; so long a revocation may wait for Kommo, too.
KEPT_SECONDS = 24 * 3600
# How long tokens in hand wait for a Redis that is away.
STORE_PATIENCE_SECONDS = 60.0
STORE_AGAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class KommoHooks:
    """What is done about a hook. Each method writes one line to the log for each hook that it has come to an end with.

    clock: seconds since the epoch.
    """

    installing: Installing
    revoking: Revoking
    unfinished: UnfinishedHooks
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def received(self, hook: InstallHook | RevokedHook) -> HookOutcome:
        """Do what a hook asks for, as far as Kommo can be asked; the rest is kept for a worker.

        Nothing is stored of an installation until its code has been good, but for a code that Kommo could not be asked
        about. Takes as long as Kommo takes to answer, up to a minute.
        Raises StoreUnavailable, after which nothing more will be done.
        """
        if isinstance(hook, RevokedHook):
            return self._tried(hook, None)
        try:
            granted = self._exchanged(hook)
        except KommoUnavailable as error:
            return self._postponed(hook, None, error)
        if isinstance(granted, HookOutcome):
            return granted
        return self._tried(granted, self._keep(granted))

    def resume_one(self) -> bool:
        """Go on with a hook that is due; False when there is none. Raises StoreUnavailable."""
        taken = self.unfinished.take()
        if taken is None:
            return False
        name, hook = taken
        if self.clock() > _worthless_at(hook):
            self._ended(hook, HookOutcome.GIVEN_UP, name)
        elif isinstance(hook, InstallHook):
            self._resumed(hook, name)
        else:
            self._tried(hook, name)
        return True

    def _resumed(self, hook: InstallHook, name: str) -> None:
        try:
            granted = self._exchanged(hook)
        except KommoUnavailable as error:
            self._postponed(hook, name, error)
            return
        if isinstance(granted, Granted):
            kept = self._keep(granted)
            self.unfinished.end(name)
            self._tried(granted, kept)
        else:
            self.unfinished.end(name)

    def _exchanged(self, hook: InstallHook) -> Granted | HookOutcome:
        """The tokens for a code, or how it ended. Raises KommoUnavailable where Kommo said nothing about the code."""
        try:
            return self.installing.exchanged(hook)
        except GrantRefused as refused:
            if not is_dead(refused.status):
                raise KommoUnavailable(str(refused.status)) from refused
            return self._ended(hook, HookOutcome.CODE_REFUSED, None, http_status=refused.status)
        except IntegrationUnknown:
            return self._ended(hook, HookOutcome.CODE_REFUSED, None, reason="integration_unknown")

    def _keep(self, granted: Granted) -> str | None:
        """Keep tokens that exist nowhere else, also through a short absence of Redis. Raises StoreUnavailable."""
        patient_until = self.clock() + STORE_PATIENCE_SECONDS
        while True:
            try:
                return self.unfinished.add(granted, TAKEN_OVER_SECONDS)
            except StoreUnavailable:
                if self.clock() > patient_until:
                    raise
                self.sleep(STORE_AGAIN_SECONDS)

    def _tried(self, hook: Granted | RevokedHook, name: str | None) -> HookOutcome:
        """Do what does not depend on a code any more. name: under which the hook is kept, None where it is not."""
        try:
            if isinstance(hook, RevokedHook):
                return self._ended(hook, self.revoking.revoked(hook), name)
            account = self.installing.installed(hook)
        except KommoUnavailable as error:
            return self._postponed(hook, name, error)
        except NotAdministrator:
            return self._ended(hook, HookOutcome.NOT_ADMINISTRATOR, name)
        except NotAnAccount as refused:
            return self._ended(hook, HookOutcome.NOT_AN_ACCOUNT, name, http_status=refused.status)
        return self._ended(hook, HookOutcome.INSTALLED, name, account_id=account.account_id)

    def _postponed(self, hook: Hook, name: str | None, error: KommoUnavailable) -> HookOutcome:
        wait = max(AGAIN_SECONDS, (self.clock() - _begun_at(hook)) / 4)
        if name is not None:
            self.unfinished.postpone(name, wait)
        elif self.unfinished.add(hook, wait) is None:
            return self._ended(hook, HookOutcome.GIVEN_UP, None, reason="too_many")
        log.warning("kommo_hook", **_told(hook), outcome=HookOutcome.POSTPONED, reason=error.detail)
        return HookOutcome.POSTPONED

    def _ended(self, hook: Hook, outcome: HookOutcome, name: str | None, **details: object) -> HookOutcome:
        if name is not None:
            self.unfinished.end(name)
        log.info("kommo_hook", **{**_told(hook), "outcome": outcome, **details})
        return outcome


def _begun_at(hook: Hook) -> float:
    return hook.given_at if isinstance(hook, Granted) else hook.received_at


def _worthless_at(hook: Hook) -> float:
    return _begun_at(hook) + (CODE_SECONDS if isinstance(hook, InstallHook) else KEPT_SECONDS)


def _told(hook: Hook) -> dict[str, object]:
    """What the log may know of a hook: no code, no token."""
    kind = "revoked" if isinstance(hook, RevokedHook) else "installed"
    return {
        "hook": kind,
        "client_id": hook.client_id,
        "account_id": hook.account_id if isinstance(hook, RevokedHook) else None,
    }
