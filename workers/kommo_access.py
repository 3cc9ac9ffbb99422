"""What a worker process does about its access to Kommo: new tokens, the daily look at all of them, unfinished hooks."""

from redis import Redis

from app.clients.http import PartnerSession, Timeouts
from app.clients.kommo_account import KommoAccountClient
from app.clients.kommo_oauth import KommoOAuth
from app.services.administration import Defaults
from app.services.grants import Grants
from app.services.installing import Installing
from app.services.kommo_hooks import KommoHooks
from app.services.paced import Gate, PacedLookUp, PacedTokenEndpoint
from app.services.ports import Pace
from app.services.proving import Proving
from app.services.renaming import Renaming
from app.services.revoking import Revoking
from app.services.token_health import TokenHealth
from app.services.tokens import TokenKeeper
from app.storage.accounts import RedisAccounts
from app.storage.hooks import RedisHooks
from app.storage.integrations import IntegrationSecrets
from app.storage.locks import RedisLocks
from app.storage.sealing import Sealer
from app.storage.token_checks import RedisTokenChecks
from config.settings import Settings

# How often each is looked after.
HOOKS_EVERY_SECONDS = 5.0
TOKENS_EVERY_SECONDS = 60.0
ENLIST_EVERY_SECONDS = 3600.0
# How long a call waits for its moment in the pace. Turns wait for new tokens, so these go first; for the daily look
# nobody waits, so it takes nothing but what is free.
URGENT_WAIT = 10.0
PATIENT_WAIT = 10.0
IDLE_WAIT = 0.5
# Refreshes are made one at a time for an account, and few accounts need one in the same second.
_CALLS_AT_ONCE = 4
_HOSTS_REMEMBERED = 16


class KommoAccess:
    """The parts, built once.

    tokens: the port Tokens of whoever calls Kommo. health: see TokenHealth; `enlist` and `look_round` are called now
    and then.
    """

    def __init__(
        self,
        settings: Settings,
        redis: Redis,
        accounts: RedisAccounts,
        sealer: Sealer,
        pace: Pace,
        timeouts: Timeouts,
    ) -> None:
        """timeouts: of one call to Kommo, in seconds."""
        template, client_id = settings.kommo_base_url, settings.kommo_client_id
        waits = (timeouts.connect, timeouts.silence)
        sessions = {
            egress.name: PartnerSession(_CALLS_AT_ONCE, hosts=_HOSTS_REMEMBERED, source_address=egress.source_ip)
            for egress in settings.kommo_egress
        }
        endpoints = {name: KommoOAuth(session, *waits) for name, session in sessions.items()}
        look_ups = {name: KommoAccountClient(session, *waits) for name, session in sessions.items()}
        urgent, patient, idle = Gate(pace, URGENT_WAIT, ahead=True), Gate(pace, PATIENT_WAIT), Gate(pace, IDLE_WAIT)
        public = (client_id, settings.kommo_client_secrets) if client_id else None
        integrations = IntegrationSecrets(redis, sealer, public)

        def grants(gate: Gate) -> Grants:
            endpoint = PacedTokenEndpoint(endpoints, gate)
            return Grants(endpoint, integrations, template, settings.redirect_uri, client_id)

        def renaming(gate: Gate) -> Renaming:
            return Renaming(accounts, PacedLookUp(look_ups, gate), template)

        def proving(gate: Gate) -> Proving:
            return Proving(accounts, PacedLookUp(look_ups, gate), self.tokens, renaming(gate), template)

        self.tokens = TokenKeeper(
            accounts,
            RedisLocks(redis),
            grants(urgent).for_refresh_token,
            relearned=renaming(urgent).relearned_soon,
        )
        defaults = Defaults(settings.default_timezone, settings.default_locale)
        self._hooks = KommoHooks(
            Installing(accounts, grants(patient), PacedLookUp(look_ups, patient), template, defaults, client_id),
            Revoking(accounts, proving(patient), client_id),
            RedisHooks(redis, sealer),
        )
        self.health = TokenHealth(
            RedisTokenChecks(redis),
            accounts,
            accounts.ids,
            proving(idle),
            self.tokens,
        )

    def resume_hooks(self) -> None:
        """Go on with every hook that is due."""
        while self._hooks.resume_one():
            pass
