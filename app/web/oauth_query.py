"""The GET parameters of Kommo's hooks as typed values (kommo.md 5.2, 5.4). Unknown parameters are left alone."""

import re
from dataclasses import dataclass, field

from werkzeug.datastructures import MultiDict

from app.domain.kommo_hooks import origin_of_host
from app.domain.return_url import AddressInvalid, Origin

_CODE = re.compile(r"[!-~]{1,4000}")
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_ACCOUNT_ID = re.compile(r"[1-9][0-9]{0,15}")
_SIGNATURE = re.compile(r"[0-9A-Fa-f]{64}")

Query = MultiDict[str, str]


class QueryRefused(Exception):
    """The parameters are no hook. status: the HTTP status of the answer. reason: a word for the log."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class InstallQuery:
    """The parameters of an installation. origin: an address that KOMMO_BASE_URL allows. state: None from the widget."""

    code: str = field(repr=False)
    origin: Origin
    client_id: str
    state: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class RevokedQuery:
    """The parameters of a revocation; the signature is not verified yet."""

    account_id: int
    client_id: str
    signature: str = field(repr=False)


def read_install(query: Query, template: str, public_client_id: str | None) -> InstallQuery:
    """Read an installation. template: KOMMO_BASE_URL.

    Raises QueryRefused: 400 where parameters are missing, malformed or contradict each other, 403 where the address
    is none of Kommo's.
    """
    code = _matching(_CODE, _one(query, "code"), "code")
    client_id = read_client_id(query, public_client_id)
    host = _one(query, "referer", "referrer")
    if host is None:
        raise QueryRefused(400, "referer")
    try:
        origin = origin_of_host(template, host)
    except AddressInvalid:
        raise QueryRefused(403, "foreign_host") from None
    return InstallQuery(code, origin, client_id, _one(query, "state"))


def read_revoked(query: Query) -> RevokedQuery:
    """Read a revocation. Raises QueryRefused with 400."""
    account_id = int(_matching(_ACCOUNT_ID, _one(query, "account_id"), "account_id"))
    client_id = _matching(_CLIENT_ID, _one(query, "client_uuid", "client_id"), "client_id")
    return RevokedQuery(account_id, client_id, _matching(_SIGNATURE, _one(query, "signature"), "signature"))


def read_client_id(query: Query, public_client_id: str | None) -> str:
    """The integration: the one that is named, else the public one. Raises QueryRefused with 400."""
    named = _one(query, "client_id", "client_uuid")
    return _matching(_CLIENT_ID, public_client_id if named is None else named, "client_id")


def _one(query: Query, *names: str) -> str | None:
    """The value of a parameter by any of its names; None where it is absent or empty."""
    values = {value for name in names for value in query.getlist(name) if value}
    if len(values) > 1:
        raise QueryRefused(400, f"{names[0]}_twice")
    return next(iter(values), None)


def _matching(pattern: re.Pattern[str], value: str | None, name: str) -> str:
    if value is None or not pattern.fullmatch(value):
        raise QueryRefused(400, name)
    return value
