"""The secrets that Kommo signs with: of the public integration and of private ones."""

import json
from collections.abc import Sequence

from redis import Redis
from redis.client import Pipeline

from app.storage import keys
from app.storage.availability import availability
from app.storage.sealing import Sealer

# A new secret and the one before it: what was signed with the old one may still be on its way.
SECRETS_KEPT = 2


class IntegrationSecrets:
    """Looks secrets up by client id. They are written with the accounts that use them (storage/accounts.py)."""

    def __init__(self, redis: Redis, sealer: Sealer, public: tuple[str, Sequence[str]] | None = None) -> None:
        """public: client id and secrets, newest first, of the public integration of the settings."""
        self._redis = redis
        self._sealer = sealer
        self._public = {public[0]: public[1]} if public else {}

    def of(self, client_id: str) -> list[str]:
        """The integration's secrets, newest first, every one of them valid; empty for one that is not known.

        Raises StoreUnavailable and NoKeyFits.
        """
        with availability():
            stored = _stored(self._redis, self._sealer, client_id)
        return list(dict.fromkeys([*self._public.get(client_id, ()), *stored]))


def renewed(pipe: Pipeline, sealer: Sealer, client_id: str, newest: str) -> bytes:
    """What to store of the integration now that this secret is its newest; watches what it read."""
    pipe.watch(keys.integration(client_id))  # type: ignore[no-untyped-call]
    older = [secret for secret in _stored(pipe, sealer, client_id) if secret != newest]
    return sealer.seal(json.dumps([newest, *older][:SECRETS_KEPT]))


def is_last(pipe: Pipeline, client_id: str, account_id: int) -> bool:
    """Whether no other account uses the integration; watches what it read."""
    members = keys.integration_accounts(client_id)
    pipe.watch(members)  # type: ignore[no-untyped-call]
    return {int(member) for member in pipe.smembers(members)} <= {account_id}


def _stored(redis: Redis, sealer: Sealer, client_id: str) -> list[str]:
    sealed = redis.get(keys.integration(client_id))
    if sealed is None:
        return []
    secrets: list[str] = json.loads(sealer.unseal(sealed))
    return secrets
