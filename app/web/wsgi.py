"""What gunicorn runs: the only module of app/web that reads the settings."""

from flask import Flask

from app.domain.turn import Timing
from app.services.intake import Intake
from app.storage.accounts import RedisAccounts
from app.storage.connection import connect
from app.storage.integrations import IntegrationSecrets
from app.storage.presence import RedisPresence
from app.storage.readiness import Readiness
from app.storage.remembered import directories
from app.storage.sealing import Sealer
from app.storage.turns import RedisTurns
from app.web.deps import WebDeps
from app.web.factory import create_app
from config.settings import Settings, load_settings

# gunicorn runs 8 threads a process (config/gunicorn.py), and each uses one connection at a time.
CONNECTIONS = 16


def create() -> Flask:
    """Build the application from the environment. Raises ConfigError."""
    return create_app(deps_of(load_settings(redis_required=True)))


def deps_of(settings: Settings) -> WebDeps:
    """Everything the views need, from complete settings."""
    redis = connect(settings.redis_url or "", for_web=True, max_connections=CONNECTIONS)
    sealer = Sealer(settings.encryption_keys)
    accounts = RedisAccounts(redis, sealer)
    client_id = settings.kommo_client_id
    public = (client_id, settings.kommo_client_secrets) if client_id else None
    timing = Timing(settings.turn_deadline, settings.delivery_patience)
    return WebDeps(
        kommo_base_url=settings.kommo_base_url,
        public_url=settings.public_url,
        public_client_id=client_id,
        directories=directories(accounts, IntegrationSecrets(redis, sealer, public)),
        accept=Intake(RedisTurns(redis, sealer, timing), timing).accept,
        readiness=Readiness(redis, RedisPresence(redis)).reasons,
    )
