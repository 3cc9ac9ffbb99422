"""What Kommo tells us by GET when an integration is installed or taken away (kommo.md 5.2, 5.4).

The install hook is unsigned and anybody may send one: nothing in it counts until Kommo has exchanged its code for
tokens with our secret. The access-revoked hook is signed, and can be replayed for ever.
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from app.domain.account_addresses import subdomain_at
from app.domain.oauth_tokens import Tokens
from app.domain.return_url import AddressInvalid, Origin

# A code works for so many seconds (kommo.md 5.2).
CODE_SECONDS = 20 * 60


@dataclass(frozen=True, slots=True)
class InstallHook:
    """An installation that somebody says has happened.

    code: works once. origin: the account's address, one that KOMMO_BASE_URL allows. client_id: an integration of ours.
    received_at: seconds since the epoch.
    """

    code: str = field(repr=False)
    origin: Origin
    client_id: str
    received_at: float


@dataclass(frozen=True, slots=True)
class Granted:
    """An installation whose code was good: the tokens, and what is needed to learn whose they are.

    given_at: seconds since the epoch.
    """

    tokens: Tokens
    origin: Origin
    client_id: str
    given_at: float


@dataclass(frozen=True, slots=True)
class RevokedHook:
    """An account that has taken its access back, so a signature of Kommo says. received_at: seconds since the epoch."""

    account_id: int
    client_id: str
    received_at: float


Hook = InstallHook | Granted | RevokedHook


class HookOutcome(StrEnum):
    """What became of a hook; the words stand in the log.

    POSTPONED: Kommo could not be asked; a worker goes on asking.
    """

    INSTALLED = "installed"
    CODE_REFUSED = "code_refused"
    NOT_ADMINISTRATOR = "not_administrator"
    NOT_AN_ACCOUNT = "not_an_account"
    REVOKED = "revoked"
    REVOKED_BEFORE = "revoked_before"
    ACCOUNT_UNKNOWN = "account_unknown"
    OTHER_INTEGRATION = "other_integration"
    ACCESS_STILL_GRANTED = "access_still_granted"
    POSTPONED = "postponed"
    GIVEN_UP = "given_up"


def origin_of_host(template: str, host: str) -> Origin:
    """The address of `host[:port]`, as `referer` and tokens name hosts, with the scheme of KOMMO_BASE_URL.

    Raises AddressInvalid for what no account of that template can live at (kommo.md 9.2).
    """
    origin = Origin.parse(f"{template.partition('://')[0]}://{host}")
    if subdomain_at(template, origin) is None:
        raise AddressInvalid("no address of an account")
    return origin


def is_genuine_revocation(signature: str, client_id: str, account_id: int, secrets: Iterable[str]) -> bool:
    """Whether Kommo signed this revocation with one of the integration's secrets, newest or the one before it.

    signature: hexadecimal HMAC-SHA256. The time of a comparison tells nothing about what would be right.
    """
    message = f"{client_id}|{account_id}".encode()
    given = signature.lower().encode()
    expected = [hmac.new(secret.encode(), message, hashlib.sha256).hexdigest().encode() for secret in secrets]
    return any(hmac.compare_digest(given, one) for one in expected)
