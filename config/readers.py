"""How the text of one setting becomes its value. Each raises ValidationError, which never repeats the text."""

import base64
import binascii
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from environs import ValidationError

from app.domain.return_url import AddressInvalid, Origin, account_origin

T = TypeVar("T")
Reader = Callable[[str], T]

_REDIS_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel")
_FERNET_KEY_BYTES = 32
_PASSWORD_HASH = re.compile(r"(?:scrypt:\d+:\d+:\d+|pbkdf2:(?:sha1|sha256|sha512)(?::\d+)?)\$[^$]+\$[0-9a-f]+")
_EGRESS_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
# Kommo gives subdomains of digits only too, and a template may have its place where a port stands.
_EXAMPLE_SUBDOMAIN = "8080"


@dataclass(frozen=True, slots=True)
class Egress:
    """A public address that calls to Kommo leave from. source_ip: the local address to bind, None for the default."""

    name: str
    source_ip: str | None


def text(value: str) -> str:
    """Any text."""
    return value


def directory(value: str) -> Path:
    """A path, `~` expanded; it need not exist."""
    try:
        return Path(value).expanduser()
    except RuntimeError:  # `~somebody` who has no home here
        raise ValidationError("names a home directory that does not exist") from None


def one_of(*choices: str, case: Callable[[str], str] = str.lower) -> Reader[str]:
    """One of these words, however it is capitalised."""

    def read(value: str) -> str:
        if case(value) not in choices:
            raise ValidationError(f"must be one of {', '.join(choices)}")
        return case(value)

    return read


def whole_number(least: int, most: int) -> Reader[int]:
    """A whole number of that range."""

    def read(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
            raise ValidationError(f"must be a whole number from {least} to {most}")
        return int(value)

    return read


def number(*, least: float | None = None) -> Reader[float]:
    """A finite number above 0, or from `least` on."""
    rule = "must be a number above 0" if least is None else f"must be a number from {least:g} on"

    def read(value: str) -> float:
        try:
            parsed = float(value)
        except ValueError:
            raise ValidationError(rule) from None
        if not math.isfinite(parsed) or parsed <= 0 or (least is not None and parsed < least):
            raise ValidationError(rule)
        return parsed

    return read


def redis_url(value: str) -> str:
    """redis://, rediss://, unix:// or redis+sentinel://host:port,host:port/service/db."""
    scheme, separator, rest = value.partition("://")
    if not separator or scheme not in _REDIS_SCHEMES:
        raise ValidationError(f"must begin with one of {', '.join(f'{one}://' for one in _REDIS_SCHEMES)}")
    if scheme == "redis+sentinel":
        _check_sentinels(rest)
    elif scheme == "unix":
        if not urlsplit(value).path.startswith("/"):
            raise ValidationError("must hold the absolute path of the socket: unix:///path")
    elif not _has_host(value):
        raise ValidationError(f"must have a host and a valid port: {scheme}://host:port/db")
    return value


def _check_sentinels(rest: str) -> None:
    hosts, _, path = rest.rpartition("@")[2].partition("/")
    well_formed = re.fullmatch(r"[^/]+(?:/[0-9]{1,5})?/?", path)
    if not well_formed or not all(_has_host(f"//{host}") for host in hosts.split(",")):
        raise ValidationError("must have the form redis+sentinel://host:port,host:port/service/db")


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port out of range, a bracket left open
        return False


def fernet_keys(value: str) -> tuple[str, ...]:
    """Fernet keys separated by commas."""
    keys = tuple(key.strip() for key in value.split(","))
    if not all(map(_is_fernet_key, keys)):
        raise ValidationError("must be Fernet keys (32 bytes as URL-safe base64), separated by commas")
    return keys


def _is_fernet_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key.encode(), altchars=b"-_", validate=True)) == _FERNET_KEY_BYTES
    except (binascii.Error, ValueError):
        return False


def secrets_list(value: str) -> tuple[str, ...]:
    """Secrets separated by commas, the newest first."""
    parts = tuple(part.strip() for part in value.split(","))
    if not all(parts):
        raise ValidationError("must be one secret, or several separated by commas, none of them empty")
    return parts


def password_hash(value: str) -> str:
    """What `bytegpt admin hash-password` prints."""
    if not _PASSWORD_HASH.fullmatch(value):
        raise ValidationError("is no password hash: `bytegpt admin hash-password` makes one")
    return value


def origin(value: str) -> str:
    """scheme://host[:port] without a path; a single slash at the end is dropped."""
    try:
        Origin.parse(value)
    except AddressInvalid:
        raise ValidationError("must have the form https://host or https://host:port, without a path") from None
    return value.removesuffix("/")


def account_address(value: str) -> str:
    """A template of scheme://host[:port] in which {subdomain} may stand."""
    try:
        account_origin(value, _EXAMPLE_SUBDOMAIN)
    except AddressInvalid:
        raise ValidationError(
            "must have the form https://{subdomain}.host or http://host:port, without a path; "
            "{subdomain} may stand anywhere or be left out"
        ) from None
    return value.removesuffix("/")


def http_url(value: str) -> str:
    """An http or https address with any path; a slash at the end is dropped."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not _has_host(value) or parts.query or parts.fragment:
        raise ValidationError("must be an http:// or https:// address without a query")
    return value.rstrip("/")


def sentry_dsn(value: str) -> str:
    """The address of a project at Sentry: https://key@host/project."""
    address = http_url(value)
    parts = urlsplit(address)
    if not parts.username or not parts.path.rpartition("/")[2]:
        raise ValidationError("must have the form https://key@host/project")
    if find_spec("sentry_sdk") is None:
        raise ValidationError("needs a package that is not installed: install sentry-sdk, or bytegpt[sentry]")
    return address


def redirect_uri(value: str) -> str:
    """An http or https address, taken as it is: Kommo compares it letter by letter."""
    http_url(value)
    return value


def host_to_bind(value: str) -> str:
    """A host name or address to listen on, without a port."""
    if not re.fullmatch(r"[A-Za-z0-9._-]+", value) and not _is_ip(value):
        raise ValidationError("must be a host name or an IP address; the port is PORT")
    return value


def time_zone(value: str) -> str:
    """A zone of the IANA database."""
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):  # unknown; no valid key; a folder of the database
        raise ValidationError("must be a time zone such as America/Sao_Paulo") from None
    return value


def networks(value: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """IP addresses and networks, separated by commas."""
    try:
        return tuple(ip_network(part.strip()) for part in value.split(","))
    except ValueError:
        raise ValidationError("must be IP addresses or networks such as 10.0.0.0/8, separated by commas") from None


def egress(value: str) -> tuple[Egress, ...]:
    """`name`, or `name=IP,name=IP`."""
    entries = tuple(_one_egress(entry.strip()) for entry in value.split(","))
    names = {entry.name for entry in entries}
    if len(names) < len(entries) or (len(entries) > 1 and not all(entry.source_ip for entry in entries)):
        raise ValidationError("must be one name, or name=IP,name=IP with a name and an IP address each")
    return entries


def _one_egress(entry: str) -> Egress:
    name, separator, ip = entry.partition("=")
    if not _EGRESS_NAME.fullmatch(name) or (separator and not _is_ip(ip)):
        raise ValidationError("must be one name, or name=IP,name=IP with a name and an IP address each")
    return Egress(name, ip if separator else None)


def _is_ip(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True
