"""Who may use the console: one operator, named by the settings, who proves it with a password."""

import hmac
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from app.domain.audit_log import AuditEntry, Operation
from app.domain.operator_sessions import OperatorSession
from app.services.ports import AttemptCounter, AuditLog, LoginAttempts, OperatorSessions

# Wrong passwords until the login is locked for one address, name or known browser; and attempts of all strangers
# together, who could otherwise keep a processor busy with names of their own invention.
MOST_WRONG = 10
MOST_OF_STRANGERS = 100
# What is done is written down this often at the most.
SEEN_EVERY_SECONDS = 60.0


class WrongPassword(Exception):
    """The name, the password or both are wrong."""


@dataclass(slots=True, eq=False)
class LoginLocked(Exception):
    """Too many wrong passwords: nothing is tried for so many seconds."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks to be let in.

    address: the caller's, or the network of a caller who has many.
    known_browser: the mark of a browser that has been let in before with the present password, None for all others.
    """

    address: str
    known_browser: str | None = None


class Operators:
    """Login, sessions, logout. Every method raises StoreUnavailable.

    A browser that has been let in before has a count of wrong passwords of its own, so strangers who guess lock out
    each other, not the operator.
    """

    def __init__(
        self,
        username: str,
        credentials: str,
        is_password: Callable[[str], bool],
        sessions: OperatorSessions,
        attempts: LoginAttempts,
        log: AuditLog,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """credentials: a digest of name and password hash; sessions and known browsers end when it changes.

        is_password: takes as long for a wrong password as for the right one.
        """
        self._username = username
        self.credentials = credentials
        self._is_password = is_password
        self._sessions = sessions
        self._attempts = attempts
        self._log = log
        self._clock = clock

    def log_in(self, username: str, password: str, visitor: Visitor) -> str:
        """Open a session and return its id. Raises WrongPassword, LoginLocked, and what is_password raises."""
        counters = _counters(username, visitor)
        attempt = self._attempts.begin(counters)
        if attempt.locked_seconds:
            raise LoginLocked(math.ceil(attempt.locked_seconds))
        if not self._is_operator(username, password):
            if not attempt.last:
                raise WrongPassword
            if username == self._username:
                self._tell(Operation.LOGIN_LOCKED, visitor.address)
            raise LoginLocked(self._attempts.locks_for)
        self._attempts.forget([counter for counter in counters if not counter.of_everybody])
        self._tell(Operation.LOGIN, visitor.address)
        now = self._clock()
        return self._sessions.add(OperatorSession(self._username, now, now, self.credentials))

    def session(self, session_id: str, *, by_hand: bool) -> OperatorSession | None:
        """The session of this id, None when it is over.

        by_hand: the operator has done something, so the session lasts anew; not so where a page refreshes itself.
        """
        found = self._sessions.get(session_id)
        now = self._clock()
        if found is None:
            return None
        if found.seconds_left(now) <= 0 or not hmac.compare_digest(found.credentials, self.credentials):
            self._sessions.end(session_id)
            return None
        if by_hand and now - found.seen_at >= SEEN_EVERY_SECONDS:
            found = replace(found, seen_at=now)
            self._sessions.keep(session_id, found)
        return found

    def log_out(self, session_id: str, address: str) -> None:
        """End the session; whoever holds its cookie is nobody from now on."""
        self._sessions.end(session_id)
        self._tell(Operation.LOGOUT, address)

    def _is_operator(self, username: str, password: str) -> bool:
        right_password = self._is_password(password)  # for a wrong name too, so that both take the same time
        return hmac.compare_digest(username.encode(), self._username.encode()) and right_password

    def _tell(self, operation: Operation, address: str) -> None:
        self._log.write(AuditEntry(int(self._clock() * 1000), self._username, address, operation))


def _counters(username: str, visitor: Visitor) -> Sequence[AttemptCounter]:
    if visitor.known_browser is not None:
        return [AttemptCounter("browser", visitor.known_browser, MOST_WRONG)]
    return [
        AttemptCounter("address", visitor.address, MOST_WRONG),
        AttemptCounter("name", username, MOST_WRONG),
        AttemptCounter("strangers", "", MOST_OF_STRANGERS, of_everybody=True),
    ]
