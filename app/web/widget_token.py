"""The one-time token of the widget's front end, `X-Auth-Token` (kommo.md 6): HS256, where webhooks have HS512."""

import hashlib
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from app.domain.return_url import Origin
from app.web.kommo_jwt import LEEWAY, TokenRefused, verified

ALGORITHM: Final = "HS256"
# A token lives for half an hour (kommo.md 6). One that claims to live for longer than this is not Kommo's, and could
# not be remembered for long enough to be used but once.
LONGEST_LIFE = 24 * 3600.0

_JTI = re.compile(r"[!-~]{1,200}")
_USER_ID = re.compile(r"[0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class WidgetClaims:
    """Who calls from the widget, as a genuine token says.

    issuer: None where `iss` is no address. user_id: for the log, None where the token has none.
    is_admin: only where the token says `true`; the claim is missing in Kommo's own sample.
    one_time_id: tells this token from every other one of the account. expires: when it is taken no more, in seconds
    since the epoch.
    """

    account_id: int
    client_id: str
    issuer: Origin | None
    user_id: str | None
    is_admin: bool
    one_time_id: str = field(repr=False)
    expires: float


def widget_claims(
    token: object,
    secrets_of: Callable[[str], Sequence[str]],
    audiences: Sequence[str],
    clock: Callable[[], float] = time.time,
) -> WidgetClaims:
    """Verify a token and return what it says; see kommo_jwt.verified. Raises TokenRefused, and what secrets_of does."""
    found = verified(token, ALGORITHM, secrets_of, audiences)
    expires = float(found.payload["exp"])
    if expires > clock() + LONGEST_LIFE:
        raise TokenRefused("lifetime")
    user_id = found.text("user_id")
    return WidgetClaims(
        account_id=found.account_id,
        client_id=found.client_id,
        issuer=found.issuer,
        user_id=user_id if user_id is not None and _USER_ID.fullmatch(user_id) else None,
        is_admin=found.payload.get("is_admin") is True,
        one_time_id=_one_time_id(str(token), found.text("jti")),
        expires=expires + LEEWAY,
    )


def _one_time_id(token: str, jti: str | None) -> str:
    """Its `jti`, else its signed part as a whole: a signature may be written in more than one way."""
    if jti is not None and _JTI.fullmatch(jti):
        return f"jti {jti}"
    return f"hash {hashlib.sha256(token.rpartition('.')[0].encode()).hexdigest()}"
