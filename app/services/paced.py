"""Calls about accounts and tokens at Kommo's pace: they share the rate with continue calls (kommo.md 8.8)."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.domain.answers import Deadline
from app.domain.oauth_tokens import KommoAccount, KommoUnavailable, OAuthIntegration, Tokens, TokensUnavailable
from app.services.ports import AccountLookUp, Pace, TokenEndpoint

# The detail of KommoUnavailable where a call could not leave.
NO_ROOM = "no_room_in_the_rate"
# Whose account such a call is may be what it asks. All of them together keep the pace of one account, so that strangers
# who send hooks cannot use up the rate.
SHARED_ACCOUNT = 0
LOOK_AGAIN_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Gate:
    """Where such a call waits.

    longest: seconds. ahead: it goes before the continue calls that wait, because one of them may wait for it; other
    calls take what is left.
    """

    pace: Pace
    longest: float
    ahead: bool = False
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def passed(self, deadline: Deadline) -> str | None:
        """Wait until a call may leave, and return the address that it leaves from; None where that takes too long.

        No moment is reserved before it is near: the rate would lie idle until then. Raises StoreUnavailable.
        """
        end = min(self.clock() + self.longest, deadline.at)
        while True:
            departure = self.pace.departure(SHARED_ACCOUNT, ahead=self.ahead)
            if departure is not None:
                if departure.wait:
                    self.sleep(departure.wait)
                return departure.egress
            if self.clock() + LOOK_AGAIN_SECONDS > end:
                return None
            self.sleep(LOOK_AGAIN_SECONDS)


@dataclass(frozen=True, slots=True)
class PacedTokenEndpoint:
    """A TokenEndpoint behind a gate: TokensUnavailable where there is no room. endpoints: by their egress address."""

    endpoints: Mapping[str, TokenEndpoint]
    gate: Gate

    def exchange_code(self, origin: str, integration: OAuthIntegration, code: str, deadline: Deadline) -> Tokens:
        """The tokens for the code of an installation."""
        return self._leaving(deadline).exchange_code(origin, integration, code, deadline)

    def refresh(self, origin: str, integration: OAuthIntegration, refresh_token: str, deadline: Deadline) -> Tokens:
        """New tokens for a refresh token."""
        return self._leaving(deadline).refresh(origin, integration, refresh_token, deadline)

    def _leaving(self, deadline: Deadline) -> TokenEndpoint:
        egress = self.gate.passed(deadline)
        if egress is None:
            raise TokensUnavailable(NO_ROOM)
        return self.endpoints[egress]


@dataclass(frozen=True, slots=True)
class PacedLookUp:
    """An AccountLookUp behind a gate: KommoUnavailable where there is no room. look_ups: by their egress address."""

    look_ups: Mapping[str, AccountLookUp]
    gate: Gate

    def account(self, origin: str, access_token: str, deadline: Deadline) -> KommoAccount:
        """The account that this access token opens."""
        return self._leaving(deadline).account(origin, access_token, deadline)

    def account_of_refresh_token(self, origin: str, refresh_token: str, deadline: Deadline) -> KommoAccount:
        """The account of this refresh token."""
        return self._leaving(deadline).account_of_refresh_token(origin, refresh_token, deadline)

    def is_administrator(self, origin: str, user_id: int, access_token: str, deadline: Deadline) -> bool | None:
        """Whether the user who gave this token administrates the account."""
        return self._leaving(deadline).is_administrator(origin, user_id, access_token, deadline)

    def _leaving(self, deadline: Deadline) -> AccountLookUp:
        egress = self.gate.passed(deadline)
        if egress is None:
            raise KommoUnavailable(NO_ROOM)
        return self.look_ups[egress]
