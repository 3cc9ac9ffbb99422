"""What is common to the tokens that Kommo signs with an integration's client secret (kommo.md 2.3, 6).

Each kind has one algorithm; which one is the route's to say, never the token's.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.return_url import AddressInvalid, Origin
from app.web.jws import Algorithm, Malformed, taken_apart

LEEWAY = 30.0

# Verified against where an integration is unknown, so that the answer takes as long; the outcome is not looked at.
_NOBODYS_SECRET = "nobody"
# No time of a token is later, in seconds since the epoch; NaN and the infinities are none either.
_END_OF_TIME = 2**53
_ACCOUNT_ID = re.compile(r"[1-9][0-9]{0,17}")
_CLIENT_ID = re.compile(r"[!-~]{1,128}")
_ALGORITHM_NAME = re.compile(r"[A-Za-z0-9_+.-]{1,20}")


class TokenRefused(Exception):
    """The token is not genuine, not for us, or not of now.

    reason: a word for the log; the sender is told none. algorithm: the refused one where that is the reason.
    """

    def __init__(self, reason: str, algorithm: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.algorithm = algorithm


@dataclass(frozen=True, slots=True)
class Verified:
    """A token that is genuine, for us, and of now: who signed it, for which account, and all that it says."""

    client_id: str
    account_id: int
    payload: Mapping[str, Any]

    @property
    def issuer(self) -> Origin | None:
        """The address that sent it; None where `iss` is missing or no address, which is then not the account's own."""
        iss = self.payload.get("iss")
        try:
            return Origin.parse(iss) if isinstance(iss, str) else None
        except AddressInvalid:
            return None

    def text(self, claim: str) -> str | None:
        """A claim that Kommo writes as a string or as a number."""
        return _text(self.payload.get(claim))


def verified(
    token: object,
    algorithm: Algorithm,
    secrets_of: Callable[[str], Sequence[str]],
    audiences: Sequence[str],
) -> Verified:
    """Verify a token that must be signed in this way.

    secrets_of: the client secrets of an integration, each of them valid (a rotation has several), empty when unknown.
    audiences: the values of `aud` that mean this service. Raises TokenRefused, and what secrets_of raises.
    """
    if token is None or token == "":
        raise TokenRefused("missing")
    if not isinstance(token, str) or not token.isascii():
        raise TokenRefused("malformed")
    try:
        parts = taken_apart(token)
    except Malformed:
        raise TokenRefused("malformed") from None
    named = parts.header.get("alg")
    if named != algorithm:
        raise TokenRefused("algorithm", _printable(named))
    client_id = _named_client(parts.payload)
    secrets = [secret for secret in secrets_of(client_id) if secret]
    signed = any(parts.is_signed_with(secret, algorithm) for secret in secrets or [_NOBODYS_SECRET])
    if not secrets:
        raise TokenRefused("integration_unknown")
    if not signed:
        raise TokenRefused("signature")
    _check_claims(parts.payload, audiences)
    account_id = _text(parts.payload.get("account_id"))
    if account_id is None or not _ACCOUNT_ID.fullmatch(account_id):
        raise TokenRefused("account_id")
    return Verified(client_id, int(account_id), parts.payload)


def _printable(algorithm: object) -> str:
    """The name of an algorithm as a log may have it: a stranger wrote it."""
    return algorithm if isinstance(algorithm, str) and _ALGORITHM_NAME.fullmatch(algorithm) else "unreadable"


def _named_client(payload: Mapping[str, Any]) -> str:
    """The integration by either of the claim's two spellings (kommo.md 12)."""
    client_id, other = payload.get("client_uuid"), payload.get("client_uid")
    if client_id is None:
        client_id = other
    elif other is not None and other != client_id:
        raise TokenRefused("integrations_differ")
    if client_id is None:
        raise TokenRefused("integration_missing")
    if not isinstance(client_id, str) or not _CLIENT_ID.fullmatch(client_id):
        raise TokenRefused("integration_malformed")
    return client_id


def _check_claims(payload: Mapping[str, Any], audiences: Sequence[str]) -> None:
    """Whether a token is of now and for us."""
    issued, begins, ends, aud = payload.get("iat", 0), payload.get("nbf", 0), payload.get("exp"), payload.get("aud")
    if ends is None or not aud:
        raise TokenRefused("claim_missing")
    now = time.time()
    first, last = max(_seconds(issued), _seconds(begins)), _seconds(ends)
    if first > now + LEEWAY:
        raise TokenRefused("not_yet_valid")
    if last <= now - LEEWAY:
        raise TokenRefused("expired")
    if not _is_for(aud, audiences):
        raise TokenRefused("audience")
    # int() reads more than times, "1700000000" included.
    if not (_is_time(issued) and _is_time(begins) and _is_time(ends)):
        raise TokenRefused("times")


def _seconds(time_claim: Any) -> int:
    try:
        return int(time_claim)
    except (ValueError, TypeError, OverflowError):
        raise TokenRefused("malformed") from None


def _is_for(aud: object, audiences: Sequence[str]) -> bool:
    if isinstance(aud, str):
        return aud in audiences
    if not isinstance(aud, list) or not all(isinstance(one, str) for one in aud):
        return False
    return any(one in audiences for one in aud)


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _END_OF_TIME


def _text(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None
