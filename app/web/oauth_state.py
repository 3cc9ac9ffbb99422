"""`state` of Kommo's OAuth window: proof that the window was opened from here, a moment ago, and only once."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

import jwt

SECONDS = 15 * 60
_ALGORITHM = "HS256"
# Nothing else that SECRET_KEY signs is taken for a state, and no state for anything else.
_PURPOSE = b"state of Kommo's OAuth window"


class StateRefused(Exception):
    """Not a state of ours, not of now, not for this integration, or used before. reason: a word for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class States:
    """How states are made and taken.

    use: uses a state up by its id for so many seconds; False where it was used before.
    clock: seconds since the epoch.
    """

    secret_key: str
    use: Callable[[str, int], bool]
    clock: Callable[[], float] = time.time

    def new(self, client_id: str) -> str:
        """A state for a window of this integration; URL-safe."""
        expires = int(self.clock()) + SECONDS
        claims = {"exp": expires, "jti": secrets.token_hex(16), "client_id": client_id}
        return jwt.encode(claims, self._key, _ALGORITHM)

    def take(self, state: str, client_id: str) -> None:
        """Use a state up. Raises StateRefused, and what `use` raises."""
        try:
            claims = jwt.decode(
                state,
                self._key,
                algorithms=[_ALGORITHM],
                options={"require": ["exp", "jti", "client_id"], "verify_exp": False},
            )
        except jwt.PyJWTError:
            raise StateRefused("state_forged") from None
        if claims["exp"] <= self.clock():
            raise StateRefused("state_expired")
        if claims["client_id"] != client_id:
            raise StateRefused("state_of_another_integration")
        if not self.use(claims["jti"], SECONDS):
            raise StateRefused("state_used")

    @property
    def _key(self) -> bytes:
        return hmac.digest(self.secret_key.encode(), _PURPOSE, hashlib.sha256)
