"""Hooks of Kommo that are not worked off yet: codes and tokens, so all of it is sealed."""

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

from redis import Redis

from app.domain.kommo_hooks import CODE_SECONDS, Granted, Hook, InstallHook, RevokedHook
from app.domain.oauth_tokens import Tokens
from app.domain.return_url import Origin
from app.storage import keys
from app.storage.availability import availability
from app.storage.due import DueSet
from app.storage.sealing import Sealer

# Anybody can send an install hook while Kommo does not answer: that must not fill Redis.
MOST = 1000
# Longer than one round of work on a hook takes.
TAKEN_SECONDS = 90.0
_KEPT_SECONDS = 25 * 3600


class RedisHooks:
    """Fills the port UnfinishedHooks. The same hook twice is one."""

    def __init__(self, redis: "Redis", sealer: Sealer, clock: Callable[[], float] = time.time) -> None:
        """clock: seconds since the epoch."""
        self._redis = redis
        self._sealer = sealer
        self._clock = clock
        self._due = DueSet(redis, keys.unfinished_hooks(), TAKEN_SECONDS, clock)

    def add(self, hook: Hook, seconds: float) -> str | None:
        """Keep a hook, due in so many seconds, and return its name; None where there are too many already."""
        name = _name_of(hook)
        sealed = self._sealer.seal(json.dumps(_written(hook)))
        kept = CODE_SECONDS if isinstance(hook, InstallHook) else _KEPT_SECONDS
        with availability():
            if self._redis.zcard(keys.unfinished_hooks()) >= MOST:
                return None
            pipe = self._redis.pipeline(transaction=True)
            pipe.set(keys.unfinished_hook(name), sealed, ex=kept)
            pipe.zadd(keys.unfinished_hooks(), {name: self._clock() + seconds})
            pipe.execute()
        return name

    def take(self) -> tuple[str, Hook] | None:
        """A hook that is due, by its name; None when there is none. Raises NoKeyFits."""
        while name := self._due.take():
            with availability():
                sealed = self._redis.get(keys.unfinished_hook(name))
            if sealed is not None:
                return name, _read(json.loads(self._sealer.unseal(sealed)))
            self._due.drop(name)  # it has outlived its use
        return None

    def postpone(self, name: str, seconds: float) -> None:
        """Let it be due again in so many seconds."""
        self._due.put_off(name, seconds)

    def end(self, name: str) -> None:
        """Forget it."""
        with availability():
            pipe = self._redis.pipeline(transaction=True)
            pipe.delete(keys.unfinished_hook(name))
            pipe.zrem(keys.unfinished_hooks(), name)
            pipe.execute()


def _name_of(hook: Hook) -> str:
    """What makes it this hook, without what must not be shown."""
    if isinstance(hook, RevokedHook):
        return f"revoked-{hook.account_id}"
    kind, secret = ("code", hook.code) if isinstance(hook, InstallHook) else ("tokens", hook.tokens.refresh)
    return f"{kind}-{hashlib.sha256(secret.encode()).hexdigest()[:32]}"


def _written(hook: Hook) -> dict[str, Any]:
    if isinstance(hook, RevokedHook):
        return {
            "kind": "revoked",
            "account_id": hook.account_id,
            "client_id": hook.client_id,
            "at": hook.received_at,
        }
    common = {"origin": str(hook.origin), "client_id": hook.client_id}
    if isinstance(hook, InstallHook):
        return {"kind": "code", **common, "code": hook.code, "at": hook.received_at}
    tokens = {"access": hook.tokens.access, "refresh": hook.tokens.refresh, "expires_at": hook.tokens.expires_at}
    return {"kind": "tokens", **common, **tokens, "at": hook.given_at}


def _read(written: dict[str, Any]) -> Hook:
    kind, client_id, at = written["kind"], written["client_id"], written["at"]
    if kind == "revoked":
        return RevokedHook(written["account_id"], client_id, at)
    origin = Origin.parse(written["origin"])
    if kind == "code":
        return InstallHook(written["code"], origin, client_id, at)
    tokens = Tokens(written["access"], written["refresh"], written["expires_at"])
    return Granted(tokens, origin, client_id, at)
