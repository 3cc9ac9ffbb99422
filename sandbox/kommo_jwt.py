"""The JWTs that Kommo signs, and every way to forge one (kommo.md 2.3, 6)."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

_DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


@dataclass(frozen=True, slots=True)
class TokenStyle:
    """How a JWT of Kommo's is made; the defaults are the genuine form, everything else is for refusal tests.

    claims: put in, or in the place of the genuine ones.
    without: claims to leave out.
    algorithm: None for the genuine one of the token's kind, `none` for an unsigned token.
    secret: None for the integration's current one.
    lifetime: seconds from `iat` to `exp`; that of a bot token is not documented, a front-end token has 30 minutes.
    clock_offset: seconds by which the signer's clock is ahead; negative makes old tokens.
    float_times: times with a fraction, as seen in the field (kommo.md 2.3).
    audience_port: whether `aud` names the port of the receiver; the vendor's SDK drops it.
    """

    claims: Mapping[str, Any] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    algorithm: str | None = None
    secret: str | None = field(default=None, repr=False)
    lifetime: float = 1800
    clock_offset: float = 0
    float_times: bool = False
    audience_port: bool = False


def signed(claims: Mapping[str, Any], secret: str, algorithm: str) -> str:
    """A JWT, made here by hand so that no library has an opinion about what may be forged."""
    header = {"typ": "JWT", "alg": algorithm}
    unsigned = f"{_segment(header)}.{_segment(claims)}"
    if algorithm == "none":
        return f"{unsigned}."
    return f"{unsigned}.{_base64url(hmac.digest(secret.encode(), unsigned.encode(), _DIGESTS[algorithm]))}"


def _segment(value: Mapping[str, Any]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def styled_token(
    genuine: Mapping[str, Any], receiver: str, secret: str, algorithm: str, style: TokenStyle, now: float
) -> str:
    """Add audience and times to the genuine claims, then deviate from them as the style says, and sign.

    receiver: the URL the token is meant for; `aud` is its scheme and host (kommo.md 2.3).
    secret, algorithm: the genuine ones.
    """
    issued = now + style.clock_offset
    times = {"iat": issued, "nbf": issued, "exp": issued + style.lifetime}
    if not style.float_times:
        times = {claim: int(moment) for claim, moment in times.items()}
    claims = {**genuine, "aud": _audience(receiver, style.audience_port), **times, **style.claims}
    kept = {claim: value for claim, value in claims.items() if claim not in style.without}
    return signed(kept, style.secret or secret, style.algorithm or algorithm)


def _audience(url: str, with_port: bool) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc if with_port else parts.hostname}"
