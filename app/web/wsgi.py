"""What gunicorn runs: the only module of app/web that reads the settings."""

import atexit
from zoneinfo import ZoneInfo

from flask import Flask
from redis import Redis

from app.clients.http import PartnerSession, Timeouts
from app.clients.kommo_account import KommoAccountClient
from app.clients.kommo_oauth import KommoOAuth
from app.clients.openai_assistants import AssistantsEngine
from app.clients.openai_responses import ResponsesEngine
from app.clients.openai_setup import OpenAiSetup
from app.domain.assistants import Api
from app.domain.turn import Timing
from app.jobpanel.panel import JobPanel
from app.services.administration import Administration, Defaults
from app.services.batches import BatchWorker
from app.services.company_settings import CompanySettings
from app.services.doctor import AccountDoctor
from app.services.forwarding import Forwarder
from app.services.grants import Grants
from app.services.installing import Installing
from app.services.intake import Intake
from app.services.kommo_hooks import KommoHooks
from app.services.metering import Counting
from app.services.operators import Operators
from app.services.paced import Gate, PacedLookUp, PacedTokenEndpoint
from app.services.ports import Engine
from app.services.proving import Proving
from app.services.relearning import Relearning
from app.services.renaming import Renaming
from app.services.reporting import Reporting
from app.services.revoking import Revoking
from app.services.settings_check import SettingsCheck
from app.services.setup_look import SetupLook
from app.services.tokens import TokenKeeper
from app.services.usage_reporting import UsageReporting
from app.storage.accounts import RedisAccounts
from app.storage.audit_log import RedisAuditLog
from app.storage.connection import connect
from app.storage.gates import RedisGates
from app.storage.hooks import RedisHooks
from app.storage.inspection import RedisInspection
from app.storage.integrations import IntegrationSecrets
from app.storage.ledger import RedisLedger, RedisPlanChange
from app.storage.locks import RedisLocks
from app.storage.metrics import RedisMetrics
from app.storage.oauth_states import RedisStates
from app.storage.operator_sessions import RedisLoginAttempts, RedisOperatorSessions
from app.storage.pacing import KommoPace, RedisPace
from app.storage.plans import RedisPlans
from app.storage.presence import RedisPresence
from app.storage.readiness import Readiness
from app.storage.remembered import directories
from app.storage.sealing import Sealer
from app.storage.turns import RedisTurns
from app.storage.usage import RedisUsage
from app.storage.widget_use import RedisWidgetUse
from app.web.console.passwords import PasswordCheck, credentials_digest
from app.web.console_stores import account_flows, overview_flows, turn_flows
from app.web.deps import (
    AccountFlows,
    ConsoleFlows,
    KommoFlows,
    Measuring,
    OverviewFlows,
    TurnFlows,
    WebDeps,
    WidgetFlows,
)
from app.web.factory import create_app
from app.web.oauth import THREADS
from app.web.widget import MOST_AT_ONCE
from config.error_reports import start_error_reports
from config.prices import read_prices
from config.settings import Settings, load_settings

# gunicorn runs 8 threads a process (config/gunicorn.py), and each uses one connection at a time.
CONNECTIONS = 16
# Seconds for one call to Kommo (the vendor's own client: 5 and 20, kommo.md 9.2), and how long calls about accounts
# wait for their place among all others: an installation may, a webhook must not.
KOMMO_TIMEOUTS = Timeouts(connect=5.0, silence=15.0)
BACKGROUND_WAIT = 10.0
DOOR_WAIT = 0.3
# Of accounts that were installed or looked for lately; connections to others are opened anew.
HOSTS_REMEMBERED = 16


def create() -> Flask:
    """Build the application from the environment, in each of gunicorn's processes. Raises ConfigError."""
    settings = load_settings(redis_required=True)
    start_error_reports(settings.sentry_dsn, "web")
    counting = Counting()
    deps = deps_of(settings, counting)
    app = create_app(deps)
    batches = BatchWorker(deps.console.turns.batches, deps.console.turns.replaying)
    batches.start()
    atexit.register(batches.stop)
    forwarder = Forwarder(counting.taken, RedisMetrics(_connected(settings, 1)))
    forwarder.start()
    atexit.register(forwarder.stop)
    return app


def _connected(settings: Settings, connections: int) -> Redis:
    return connect(settings.redis_url or "", for_web=True, max_connections=connections)


def deps_of(settings: Settings, counting: Counting) -> WebDeps:
    """Everything the views need, from complete settings."""
    redis = _connected(settings, CONNECTIONS)
    sealer = Sealer(settings.encryption_keys)
    accounts = RedisAccounts(redis, sealer)
    client_id = settings.kommo_client_id
    public = (client_id, settings.kommo_client_secrets) if client_id else None
    integrations = IntegrationSecrets(redis, sealer, public)
    timing = Timing(settings.turn_deadline, settings.delivery_patience)
    administration, trial = _settings_tools(settings, redis, accounts, integrations)
    proving, kommo = _kommo_flows(settings, redis, sealer, accounts, integrations)
    doctor = AccountDoctor(accounts, proving, trial, RedisLedger(redis), settings.kommo_base_url)
    return WebDeps(
        kommo_base_url=settings.kommo_base_url,
        public_url=settings.public_url,
        default_locale=settings.default_locale,
        public_client_id=client_id,
        directories=directories(accounts, integrations),
        accept=Intake(RedisTurns(redis, sealer, timing), timing, meter=counting).accept,
        readiness=Readiness(redis, RedisPresence(redis)).reasons,
        widget=_widget_flows(settings, redis, sealer, accounts, administration, trial),
        kommo=kommo,
        console=_console_flows(
            settings,
            redis,
            overview_flows(redis, accounts, settings.turn_deadline),
            account_flows(redis, accounts, administration, doctor.findings),
            turn_flows(redis, sealer, accounts, timing, read_prices()),
        ),
        measuring=Measuring(counting, RedisMetrics(redis).totals, RedisInspection(redis).state),
    )


def _console_flows(
    settings: Settings, redis: Redis, overview: OverviewFlows, accounts: AccountFlows, turns: TurnFlows
) -> ConsoleFlows:
    secret_key, username = settings.secret_key or "", settings.admin_username or ""
    password_hash = settings.admin_password_hash or ""
    audit_log = RedisAuditLog(redis)
    operators = Operators(
        username,
        credentials_digest(secret_key, username, password_hash),
        PasswordCheck(password_hash),
        RedisOperatorSessions(redis),
        RedisLoginAttempts(redis),
        audit_log,
    )
    return ConsoleFlows(
        operators=operators,
        audit_log=audit_log,
        jobs=JobPanel(redis),
        overview=overview,
        accounts=accounts,
        turns=turns,
        zone=ZoneInfo(settings.default_timezone),
        proxies=settings.trusted_proxies,
        secret_key=secret_key,
    )


def _kommo_flows(
    settings: Settings, redis: Redis, sealer: Sealer, accounts: RedisAccounts, integrations: IntegrationSecrets
) -> tuple[Proving, KommoFlows]:
    template = settings.kommo_base_url
    waits = (KOMMO_TIMEOUTS.connect, KOMMO_TIMEOUTS.silence)
    sessions = {
        egress.name: PartnerSession(THREADS, hosts=HOSTS_REMEMBERED, source_address=egress.source_ip)
        for egress in settings.kommo_egress
    }
    pace = RedisPace(redis, KommoPace(tuple(sessions), settings.kommo_rate, settings.kommo_account_rate))
    # Hooks take what continue calls leave; a webhook that waits for an answer cannot, and there are few of that kind.
    in_background, at_the_door = Gate(pace, BACKGROUND_WAIT), Gate(pace, DOOR_WAIT, ahead=True)
    look_ups = {name: KommoAccountClient(session, *waits) for name, session in sessions.items()}
    patient = PacedLookUp(look_ups, in_background)
    grants = Grants(
        PacedTokenEndpoint({name: KommoOAuth(session, *waits) for name, session in sessions.items()}, in_background),
        integrations,
        template,
        settings.redirect_uri,
        settings.kommo_client_id,
    )
    renaming = Renaming(accounts, patient, template)
    hasty = Renaming(accounts, PacedLookUp(look_ups, at_the_door), template)
    tokens = TokenKeeper(accounts, RedisLocks(redis), grants.for_refresh_token, relearned=renaming.relearned_soon)
    proving = Proving(accounts, patient, tokens, renaming, template)
    hooks = KommoHooks(
        Installing(
            accounts,
            grants,
            patient,
            template,
            Defaults(settings.default_timezone, settings.default_locale),
            settings.kommo_client_id,
        ),
        Revoking(accounts, proving, settings.kommo_client_id),
        RedisHooks(redis, sealer),
    )
    return proving, KommoFlows(
        received=hooks.received,
        secrets_of=integrations.of,
        use_state=RedisStates(redis).use,
        relearned=Relearning(accounts, hasty, template).relearned,
        secret_key=settings.secret_key or "",
    )


def _settings_tools(
    settings: Settings, redis: Redis, accounts: RedisAccounts, integrations: IntegrationSecrets
) -> tuple[Administration, SettingsCheck]:
    """What changes accounts, and what tries their settings at OpenAI."""
    session = PartnerSession(MOST_AT_ONCE)
    waits = (settings.openai_connect_timeout, settings.openai_read_timeout)
    setup = OpenAiSetup(session, settings.openai_base_url, *waits)
    administration = Administration(
        accounts,
        integrations,
        RedisPlans(redis),
        RedisPlanChange(redis, lambda account_id: _zone_of(accounts, account_id)),
        SetupLook(setup),
        Defaults(settings.default_timezone, settings.default_locale),
        settings.openai_api,
    )
    engines: dict[Api, Engine] = {
        Api.RESPONSES: ResponsesEngine(session, settings.openai_base_url, *waits),
        Api.ASSISTANTS: AssistantsEngine(session, settings.openai_base_url, *waits),
    }
    return administration, SettingsCheck(
        engines, setup, RedisGates(redis), settings.openai_api, (settings.secret_key or "").encode()
    )


def _widget_flows(
    settings: Settings,
    redis: Redis,
    sealer: Sealer,
    accounts: RedisAccounts,
    administration: Administration,
    trial: SettingsCheck,
) -> WidgetFlows:
    key = (settings.secret_key or "").encode()
    turns = RedisTurns(redis, sealer, Timing(settings.turn_deadline, settings.delivery_patience))
    use = RedisWidgetUse(redis)
    return WidgetFlows(
        settings=CompanySettings(administration, trial, settings.openai_api, key),
        usage=Reporting(accounts, RedisLedger(redis), turns, UsageReporting(RedisUsage(redis), key)).usage,
        first_use=use.first,
        seconds_to_wait=use.seconds_to_wait,
    )


def _zone_of(accounts: RedisAccounts, account_id: int) -> ZoneInfo | None:
    account = accounts.get(account_id)
    return account.zone if account else None
