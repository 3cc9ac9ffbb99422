"""The token of a `widget_request` (kommo.md 2.3): HS512, signed with the client secret of the integration it names."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from app.domain.webhook import TokenClaims
from app.web.kommo_jwt import Verified, verified

ALGORITHM: Final = "HS512"

_ENTITY_TYPE = re.compile(r"[A-Za-z0-9_]{1,32}")
_ENTITY_ID = re.compile(r"[0-9]{1,20}")


def verified_claims(token: object, secrets_of: Callable[[str], Sequence[str]], audiences: Sequence[str]) -> TokenClaims:
    """Verify a token and return what it says; see kommo_jwt.verified. Raises TokenRefused, and what secrets_of does."""
    found = verified(token, ALGORITHM, secrets_of, audiences)
    entity_type, entity_id = _entity(found)
    return TokenClaims(
        account_id=found.account_id,
        client_id=found.client_id,
        issuer=found.issuer,
        subdomain=found.text("subdomain"),
        entity_type=entity_type,
        entity_id=entity_id,
        bot_type=_bot_type(found.payload.get("bot_type")),
    )


def _bot_type(value: object) -> str | None:
    """The claim where the token has it; one that is no text is "", which no return_url agrees with."""
    return value if value is None or isinstance(value, str) else ""


def _entity(token: Verified) -> tuple[str, str] | tuple[None, None]:
    entity_type, entity_id = token.text("entity_type"), token.text("entity_id")
    if entity_type is None or entity_id is None:
        return None, None
    if not _ENTITY_TYPE.fullmatch(entity_type) or not _ENTITY_ID.fullmatch(entity_id):
        return None, None
    return entity_type, entity_id
