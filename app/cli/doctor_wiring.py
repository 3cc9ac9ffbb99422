"""What `bytegpt doctor` looks with, built from the settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from redis import Redis

from app.cli.local import complete_settings
from app.clients.http import PartnerSession
from app.clients.kommo_account import KommoAccountClient
from app.clients.kommo_oauth import KommoOAuth
from app.clients.openai_assistants import AssistantsEngine
from app.clients.openai_responses import ResponsesEngine
from app.clients.openai_setup import OpenAiSetup
from app.clients.probe import Probe
from app.domain.assistants import Api
from app.services.doctor import AccountDoctor, ServiceDoctor
from app.services.grants import Grants
from app.services.paced import Gate, PacedLookUp, PacedTokenEndpoint
from app.services.proving import Proving
from app.services.renaming import Renaming
from app.services.settings_check import SettingsCheck
from app.services.tokens import TokenKeeper
from app.storage.accounts import RedisAccounts
from app.storage.connection import connect
from app.storage.gates import RedisGates
from app.storage.inspection import RedisInspection
from app.storage.integrations import IntegrationSecrets
from app.storage.ledger import RedisLedger
from app.storage.locks import RedisLocks
from app.storage.pacing import KommoPace, RedisPace
from app.storage.sealing import Sealer
from config.settings import Settings

_CONNECTIONS = 4
# Whoever looks waits for it.
_CONNECT_SECONDS, _SILENCE_SECONDS = 5.0, 15.0
_PACE_WAIT = 10.0


@dataclass(frozen=True, slots=True)
class Doctors:
    """Those who look, and the settings they were built from."""

    settings: Settings
    service: ServiceDoctor
    account: AccountDoctor


@contextmanager
def open_doctors() -> Iterator[Doctors]:
    """For one command. A Redis that is away is found by them, and within about a second. Raises ConfigError."""
    with complete_settings() as settings, PartnerSession(1, hosts=4) as session:
        redis = connect(settings.redis_url or "", for_web=True, max_connections=_CONNECTIONS)
        with redis:
            probe = Probe(session, _CONNECT_SECONDS, _SILENCE_SECONDS)
            yield Doctors(
                settings,
                ServiceDoctor(
                    RedisInspection(redis),
                    probe,
                    settings.public_url,
                    settings.openai_base_url,
                    settings.turn_deadline,
                ),
                _account_doctor(settings, redis, session),
            )


def _account_doctor(settings: Settings, redis: Redis, session: PartnerSession) -> AccountDoctor:
    sealer = Sealer(settings.encryption_keys)
    accounts = RedisAccounts(redis, sealer)
    return AccountDoctor(
        accounts,
        _proving(settings, redis, accounts, sealer),
        _trial(settings, redis, session),
        RedisLedger(redis),
        settings.kommo_base_url,
    )


def _proving(settings: Settings, redis: Redis, accounts: RedisAccounts, sealer: Sealer) -> Proving:
    template, client_id = settings.kommo_base_url, settings.kommo_client_id
    sessions = {
        egress.name: PartnerSession(1, hosts=4, source_address=egress.source_ip) for egress in settings.kommo_egress
    }
    pace = RedisPace(redis, KommoPace(tuple(sessions), settings.kommo_rate, settings.kommo_account_rate))
    gate = Gate(pace, _PACE_WAIT)
    waits = (_CONNECT_SECONDS, _SILENCE_SECONDS)
    public = (client_id, settings.kommo_client_secrets) if client_id else None
    grants = Grants(
        PacedTokenEndpoint({name: KommoOAuth(session, *waits) for name, session in sessions.items()}, gate),
        IntegrationSecrets(redis, sealer, public),
        template,
        settings.redirect_uri,
        client_id,
    )
    look_up = PacedLookUp({name: KommoAccountClient(session, *waits) for name, session in sessions.items()}, gate)
    renaming = Renaming(accounts, look_up, template)
    tokens = TokenKeeper(accounts, RedisLocks(redis), grants.for_refresh_token, relearned=renaming.relearned_soon)
    return Proving(accounts, look_up, tokens, renaming, template)


def _trial(settings: Settings, redis: Redis, session: PartnerSession) -> SettingsCheck:
    where = (session, settings.openai_base_url, settings.openai_connect_timeout, settings.openai_read_timeout)
    return SettingsCheck(
        {Api.RESPONSES: ResponsesEngine(*where), Api.ASSISTANTS: AssistantsEngine(*where)},
        OpenAiSetup(*where),
        RedisGates(redis),
        settings.openai_api,
        (settings.secret_key or "").encode(),
    )
