"""Tokens signed with HMAC, in the compact form of RFC 7515: taken apart once, then held against secrets.

PyJWT does the same and is what the tests hold this against. It takes a token apart anew for every look and examines
each character in Python, which was a fifth of what the door costs (bench/door.py).
"""

import hmac
import json
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal

Algorithm = Literal["HS256", "HS512"]

_DIGESTS: dict[Algorithm, str] = {"HS256": "sha256", "HS512": "sha512"}
# From the URL-safe alphabet to the plain one, whose own two characters become one that neither has.
_PLAIN = bytes.maketrans(b"-_+/", b"+/!!")
# Extensions that change what a token means must be refused by who does not know them (RFC 7515 4.1.11); we know none.
_EXTENSIONS = ("crit", "b64")


class Malformed(ValueError):
    """The text is no signed token. It never repeats the text."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it came: nothing it says is proved before is_signed_with has said yes. signed: what is signed."""

    header: Mapping[str, Any]
    payload: Mapping[str, Any] = field(repr=False)
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def is_signed_with(self, secret: str, algorithm: Algorithm) -> bool:
        """Whether this secret made the signature in this way, whatever the header says."""
        right = hmac.digest(secret.encode(), self.signed, _DIGESTS[algorithm])
        return hmac.compare_digest(right, self.signature)


def taken_apart(text: str) -> Token:
    """Take a token apart. Raises Malformed."""
    signed, _, written = text.encode().rpartition(b".")
    header, _, payload = signed.partition(b".")
    signature = _decoded(written)
    # Of all texts that Base64 reads alike, only the one that it writes is a signature.
    if b2a_base64(signature).rstrip(b"=\n") != written.translate(_PLAIN).rstrip(b"="):
        raise Malformed("a signature that is no proper Base64")
    return Token(_header(header), _object(payload), signed, signature)


@lru_cache(maxsize=16)  # every token of Kommo's has the same
def _header(segment: bytes) -> Mapping[str, Any]:
    header = _object(segment)
    if any(name in header for name in _EXTENSIONS) or not isinstance(header.get("kid", ""), str):
        raise Malformed("a header that cannot be obeyed")
    return MappingProxyType(header)


def _object(segment: bytes) -> dict[str, Any]:
    try:
        found = json.loads(_decoded(segment))
    except (ValueError, RecursionError):
        raise Malformed("a segment that is no JSON") from None
    if not isinstance(found, dict):
        raise Malformed("a segment that is no object")
    return found


def _decoded(segment: bytes) -> bytes:
    # Usually left out; where it is not, it must be right.
    padding = b"" if segment.endswith(b"=") else b"=" * (-len(segment) % 4)
    try:
        return a2b_base64(segment.translate(_PLAIN) + padding, strict_mode=True)
    except ValueError:
        raise Malformed("a segment that is no Base64") from None
