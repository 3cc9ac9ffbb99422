"""The flows around tokens over a real Redis and real sockets, put together as a worker has them."""

import time
from collections.abc import Callable

import redis

from app.clients.http import PartnerSession
from app.clients.kommo_account import KommoAccountClient
from app.clients.kommo_oauth import KommoOAuth
from app.services.administration import Defaults
from app.services.grants import Grants
from app.services.installing import Installing
from app.services.kommo_hooks import KommoHooks
from app.services.paced import Gate, PacedLookUp, PacedTokenEndpoint
from app.services.proving import Proving
from app.services.renaming import Renaming
from app.services.revoking import Revoking
from app.services.token_health import TokenHealth
from app.services.tokens import TokenKeeper
from app.storage.accounts import RedisAccounts
from app.storage.hooks import RedisHooks
from app.storage.integrations import IntegrationSecrets
from app.storage.locks import RedisLocks
from app.storage.pacing import KommoPace, RedisPace
from app.storage.sealing import Sealer
from app.storage.token_checks import RedisTokenChecks
from sandbox.kommo_server import KommoSimulator


def later() -> float:
    """A clock by which what was put off a moment ago is due."""
    return time.time() + 90


class Flows:
    """clock: of what is due and how old tokens are; calls have their deadlines by it, too."""

    def __init__(
        self,
        client: redis.Redis,
        sealer: Sealer,
        kommo: KommoSimulator,
        redirect_uri: str,
        clock: Callable[[], float],
        read_timeout: float = 15.0,
    ) -> None:
        self.session = PartnerSession(20, hosts=4)
        self.accounts = RedisAccounts(client, sealer)
        public = kommo.public_integration
        integrations = IntegrationSecrets(client, sealer, (public.client_id, [public.secret]))
        gate = Gate(RedisPace(client, KommoPace(("tests",), 1000, 1000)), 5.0)
        template = kommo.base_url
        look_up = PacedLookUp({"tests": KommoAccountClient(self.session, 5.0, read_timeout)}, gate)
        endpoint = PacedTokenEndpoint({"tests": KommoOAuth(self.session, 5.0, read_timeout)}, gate)
        grants = Grants(endpoint, integrations, template, redirect_uri, public.client_id, clock)
        self.renaming = Renaming(self.accounts, look_up, template, clock)
        self.tokens = TokenKeeper(
            self.accounts,
            RedisLocks(client),
            grants.for_refresh_token,
            relearned=self.renaming.relearned_soon,
            now=clock,
        )
        proving = Proving(self.accounts, look_up, self.tokens, self.renaming, template, clock)
        self.hooks = KommoHooks(
            Installing(self.accounts, grants, look_up, template, Defaults(), public.client_id, clock),
            Revoking(self.accounts, proving, public.client_id, lambda _: None),
            RedisHooks(client, sealer, clock),
            clock,
        )
        self.health = TokenHealth(
            RedisTokenChecks(client, clock), self.accounts, self.accounts.ids, proving, self.tokens, clock
        )
