"""The operator's password against its hash."""

import hashlib
import hmac
import threading

from werkzeug.security import check_password_hash

# A check costs a processor's core for some 60 ms and 32 MB, and webhooks are taken by the same process.
_AT_ONCE = 1
_WAIT_SECONDS = 3.0


class TooManyChecks(Exception):
    """So many passwords are being looked at that this one would wait too long."""


class PasswordCheck:
    """Whether a text is the password; it takes as long for a wrong one as for the right one."""

    def __init__(self, password_hash: str) -> None:
        """password_hash: as `bytegpt admin hash-password` prints it."""
        self._hash = password_hash
        self._free = threading.BoundedSemaphore(_AT_ONCE)

    def __call__(self, password: str) -> bool:
        """Raises TooManyChecks."""
        if not self._free.acquire(timeout=_WAIT_SECONDS):
            raise TooManyChecks
        try:
            return check_password_hash(self._hash, password)
        finally:
            self._free.release()


def credentials_digest(secret_key: str, username: str, password_hash: str) -> str:
    """What sessions and known browsers are bound to: another name or password ends them all."""
    told = f"console\0{username}\0{password_hash}"
    return hmac.new(secret_key.encode(), told.encode(), hashlib.sha256).hexdigest()[:32]
