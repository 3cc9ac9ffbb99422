"""Which addresses can be an account's own at all: KOMMO_BASE_URL read backwards (contract 2)."""

import re

from app.domain.return_url import AddressInvalid, Origin, account_origin

_PLACE_OF_SUBDOMAIN = "{subdomain}"
_SUBDOMAIN = "[a-z0-9_-]{1,63}"


def subdomain_at(template: str, origin: Origin) -> str | None:
    """The subdomain whose account would live at this address, None where no account can.

    "" for every account's address where the template names no subdomain. Nothing says that the account exists.
    """
    if _PLACE_OF_SUBDOMAIN not in template:
        return "" if _lives_at(template, "", origin) else None
    before, *others = map(re.escape, template.lower().removesuffix("/").split(_PLACE_OF_SUBDOMAIN))
    # The subdomain may stand in several places; then it is the same in all of them.
    pattern = f"{before}(?P<subdomain>{_SUBDOMAIN}){'(?P=subdomain)'.join(others)}"
    for written in (str(origin), f"{origin.scheme}://{origin.host}:{origin.port}"):
        found = re.fullmatch(pattern, written)
        if found is not None and _lives_at(template, found["subdomain"], origin):
            return found["subdomain"]
    return None


def _lives_at(template: str, subdomain: str, origin: Origin) -> bool:
    try:
        return account_origin(template, subdomain) == origin
    except AddressInvalid:
        return False
