"""Which addresses belong to an account, and where its bots may be continued (kommo.md 9.2).

The continue call carries an administrator's token, so a forged `return_url` would steal the account. Nothing here
uses a general URL parser: those repair what they read (tabs, backslashes, user info). What is not exactly one of
our own forms is refused, and what is accepted is rebuilt from its parts.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast

BotKind = Literal["salesbot", "marketingbot"]

# So many addresses are remembered: every webhook of an account brings the same ones.
_REMEMBERED = 4096
# A continue URL has this many characters at most; a real one has about 80.
LONGEST_RETURN_URL = 499

_PLACE_OF_SUBDOMAIN = "{subdomain}"
_SUBDOMAIN = re.compile(r"[A-Za-z0-9_-]{1,63}")
_DEFAULT_PORTS = {"http": 80, "https": 443}
# No user info, no percent sign, no backslash, no trailing dot can stand in it.
_ORIGIN = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_])?|\[[0-9a-f:.]{2,45}\])"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?",
    re.ASCII | re.IGNORECASE,
)
_PARTS = re.compile(r"(?P<origin>[^/]+//[^/]+)(?P<path>/.*)", re.DOTALL)
_CONTINUE_PATH = re.compile(
    r"/api/v4/(?P<kind>salesbot|marketingbot)/(?P<bot_id>[0-9]{1,20})/continue/(?P<continue_id>[0-9]{1,20})/?"
)


class AddressInvalid(ValueError):
    """A text is no `scheme://host[:port]`, or a subdomain cannot stand in one. It never repeats the text."""


class ReturnUrlRefused(Exception):
    """The bot may not be continued there.

    reason: a word for the log: too_long, not_ascii, malformed, foreign_origin, path, bot_type. The URL itself is not
    told: whoever sent it may have put a secret into it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of an address, so normalised that equal addresses are equal values.

    scheme and host are lower-case; port is the scheme's own where the address names none.
    """

    scheme: str
    host: str
    port: int

    @staticmethod
    def parse(text: str) -> "Origin":
        """Read `scheme://host[:port]`, a single slash after it allowed. Raises AddressInvalid for all else."""
        return _parsed(text)

    def __str__(self) -> str:
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}"


@lru_cache(_REMEMBERED)
def _parsed(text: str) -> Origin:
    match = _ORIGIN.fullmatch(text.removesuffix("/"))
    if match is None:
        raise AddressInvalid("not an address of the form scheme://host[:port]")
    scheme = match["scheme"].lower()
    port = int(match["port"] or _DEFAULT_PORTS[scheme])
    if port > 65535:
        raise AddressInvalid("not a port")
    return Origin(scheme, match["host"].lower(), port)


@lru_cache(_REMEMBERED)
def account_origin(template: str, subdomain: str) -> Origin:
    """The one origin of an account: its subdomain put into the template KOMMO_BASE_URL (contract 2).

    `{subdomain}` may stand anywhere in the template, also in the port, or be absent: only what comes out is read.
    Raises AddressInvalid where the subdomain is none (1 to 63 letters, digits, _ and -) or no address comes out.
    """
    if _PLACE_OF_SUBDOMAIN not in template:
        return Origin.parse(template)
    if not _SUBDOMAIN.fullmatch(subdomain):
        raise AddressInvalid("not a subdomain")
    return Origin.parse(template.replace(_PLACE_OF_SUBDOMAIN, subdomain))


@dataclass(frozen=True, slots=True)
class ContinueUrl:
    """Where one pause of one bot run is ended. str() is the address to post to, without a trailing slash."""

    origin: Origin
    kind: BotKind
    bot_id: str
    continue_id: str

    def __str__(self) -> str:
        return f"{self.origin}/api/v4/{self.kind}/{self.bot_id}/continue/{self.continue_id}"


def continue_url(received: str, origin: Origin, bot_type: str | None) -> ContinueUrl:
    """Check a received `return_url` and rebuild it from its parts.

    origin: the account's own. bot_type: the claim of the verified token, None where it has none.
    Raises ReturnUrlRefused.
    """
    if len(received) > LONGEST_RETURN_URL:
        raise ReturnUrlRefused("too_long")
    if not received.isascii():
        raise ReturnUrlRefused("not_ascii")
    parts = _PARTS.fullmatch(received)
    if parts is None:
        raise ReturnUrlRefused("malformed")
    if _origin_or_none(parts["origin"]) != origin:
        raise ReturnUrlRefused("foreign_origin")
    path = _CONTINUE_PATH.fullmatch(parts["path"])
    if path is None:
        raise ReturnUrlRefused("path")
    if bot_type is not None and bot_type != path["kind"]:
        raise ReturnUrlRefused("bot_type")
    return ContinueUrl(origin, cast(BotKind, path["kind"]), path["bot_id"], path["continue_id"])


def _origin_or_none(text: str) -> Origin | None:
    try:
        return Origin.parse(text)
    except AddressInvalid:
        return None


def expected_audiences(public_url: str) -> tuple[str, ...]:
    """Every `aud` that Kommo may write for a receiver at PUBLIC_URL: scheme and host, with and without the port.

    The vendor's own library compares with the host as it stands in the URL (kommo.md 2.3), so one that is written in
    capitals is expected both ways. A path is no part of it. Raises AddressInvalid.
    """
    match = _ORIGIN.match(public_url)
    if match is None or public_url[match.end() : match.end() + 1] not in ("", "/"):
        raise AddressInvalid("not an address of the form scheme://host[:port]")
    origin = Origin.parse(match[0])
    bare = (f"{origin.scheme}://{origin.host}", f"{match['scheme']}://{match['host']}")
    return tuple(dict.fromkeys(address for one in bare for address in (one, f"{one}:{origin.port}")))
