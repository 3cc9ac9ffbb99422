"""Who may read the widget's API from a browser: pages of Kommo accounts at the addresses that KOMMO_BASE_URL allows.

The widget runs in a page of its account, and the header with the token makes every browser ask first (kommo.md 6).
No cookie is looked at, so nothing is ever sent along by itself.
"""

from collections.abc import Mapping

from flask import Response

from app.domain.account_addresses import subdomain_at
from app.domain.return_url import AddressInvalid, Origin

# Methods by path, as a preflight is told them.
METHODS: Mapping[str, str] = {
    "/widget/settings": "GET, PUT, OPTIONS",
    "/widget/check": "POST, OPTIONS",
    "/widget/usage": "GET, OPTIONS",
}
_HEADERS = "X-Auth-Token, Content-Type, X-Requested-With"
# Browsers keep the answer to a preflight for so many seconds.
_MAX_AGE = "600"


def page_of_an_account(origin: str | None, template: str) -> bool:
    """Whether this `Origin` is where some account's pages come from. template: KOMMO_BASE_URL."""
    if origin is None:
        return False
    try:
        return subdomain_at(template, Origin.parse(origin)) is not None
    except AddressInvalid:
        return False


def let_read(response: Response, origin: str) -> None:
    """Let pages of this origin, and no other one, read the answer."""
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = "Retry-After"


def preflight(path: str) -> Response:
    """What a browser is told before it sends the real request."""
    response = Response(status=204)
    response.headers["Access-Control-Allow-Methods"] = METHODS[path]
    response.headers["Access-Control-Allow-Headers"] = _HEADERS
    response.headers["Access-Control-Max-Age"] = _MAX_AGE
    return response
