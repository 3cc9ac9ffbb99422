"""What a worker process is built from, once; the only place where its parts are put together."""

import secrets
import socket
import time
import traceback

import structlog
from redis import Redis

from app.clients.http import PartnerSession, Timeouts
from app.clients.kommo import KommoClient
from app.clients.kommo_oauth import KommoOAuth
from app.clients.openai_assistants import AssistantsEngine
from app.clients.openai_responses import ResponsesEngine
from app.domain.accounts import Account
from app.domain.answers import Deadline
from app.domain.assistants import Api
from app.domain.oauth_tokens import OAuthIntegration, Tokens
from app.domain.return_url import account_origin
from app.domain.turn import Timing, TurnLost
from app.services.answering import Answering
from app.services.asking import Asking
from app.services.delivering import Delivering
from app.services.noting import Noting
from app.services.switching import ProfileSwitching
from app.services.tokens import TokenKeeper
from app.storage.accounts import RedisAccounts
from app.storage.connection import connect
from app.storage.conversations import RedisConversations
from app.storage.gates import RedisGates
from app.storage.integrations import IntegrationSecrets
from app.storage.locks import RedisLocks
from app.storage.notes import RedisNotes
from app.storage.pacing import RedisPace
from app.storage.presence import RedisPresence
from app.storage.sealing import Sealer
from app.storage.turns import RedisTurns
from config.prices import read_prices
from config.settings import Settings
from workers.leases import Every, Leases, sweep

log = structlog.get_logger(__name__)

NOTES_EVERY_SECONDS = 1.0
PRESENCE_EVERY_SECONDS = 3.0
# Seconds for one call to Kommo (the vendor's own client: 5 and 20, kommo.md 9.2).
KOMMO_TIMEOUTS = Timeouts(connect=5.0, silence=15.0)
REFRESH_SECONDS = 20.0


class JobFailed(Exception):
    """A job ended in an error of ours. Only its kind is told: RQ keeps the text where operators see it."""


class Runtime:
    """One worker process: the flow of turns, what keeps its leases, and the note writer."""

    def __init__(self, settings: Settings, name: str) -> None:
        slots = settings.worker_concurrency
        # Each turn uses one connection at a time; the threads below have their own.
        self.redis: Redis = connect(settings.redis_url or "", for_web=False, max_connections=2 * slots + 10)
        self.name = name
        sealer = Sealer(settings.encryption_keys)
        timing = Timing(settings.turn_deadline, settings.delivery_patience)
        accounts = RedisAccounts(self.redis, sealer)
        tokens = _token_keeper(settings, self.redis, accounts, sealer)
        egress = settings.kommo_egress[0]
        session = PartnerSession(slots, hosts=slots, source_address=egress.source_ip)
        kommo = KommoClient(session, KOMMO_TIMEOUTS.connect, KOMMO_TIMEOUTS.silence)
        pace = RedisPace(
            self.redis,
            egress=egress.name,
            rate=settings.kommo_rate,
            account_rate=settings.kommo_account_rate,
        )
        self._turns = RedisTurns(self.redis, sealer, timing)
        self._leases = Leases(self._turns)
        self._answering = Answering(
            turns=self._turns,
            accounts=accounts,
            asking=_asking(settings, self.redis, accounts),
            delivering=Delivering(crm=kommo, tokens=tokens, pace=pace, timing=timing),
            timing=timing,
            prices=read_prices(),
        )
        noting = Noting(
            notes=RedisNotes(self.redis),
            turns=self._turns,
            accounts=accounts,
            tokens=tokens,
            pace=pace,
            crm=kommo,
            address_of=lambda account: str(account_origin(settings.kommo_base_url, account.subdomain)),
        )
        presence = RedisPresence(self.redis)
        self._presence = presence
        self._threads = [
            Every("leases", timing.lease / 4, self._leases.renew),
            Every("sweep", timing.lease / 4, lambda: sweep(self._turns)),
            Every("presence", PRESENCE_EVERY_SECONDS, lambda: presence.say(name)),
            Every("notes", NOTES_EVERY_SECONDS, lambda: _write_all(noting)),
        ]

    def answer(self, request_id: str) -> dict[str, str]:
        """Bring one turn to its end; what is returned stands on the RQ dashboard."""
        with structlog.contextvars.bound_contextvars(turn_id=request_id), self._leases.hold(request_id) as hold:
            try:
                outcome = self._answering.run(hold)
            except TurnLost:
                log.info("turn_lost")
                return {"status": "taken over by another worker"}
            except Exception as error:  # noqa: BLE001 - told as a failed job, and the lease lets another worker go on
                # Where it happened, and not what it says: a text may stand in the message of an exception.
                frames = traceback.format_tb(error.__traceback__)
                log.error("turn_broken_off", kind=type(error).__name__, frames=frames)  # noqa: TRY400
                raise JobFailed(type(error).__name__) from None
            if outcome is None:
                return {"status": "nothing to do"}
            log.info("turn_closed", status=outcome.status, error_code=outcome.error_code)
            return {"status": outcome.status, "error_code": outcome.error_code or ""}

    def start(self) -> None:
        """Begin to look after leases, presence and notes."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads and sign off; every turn has been finished before."""
        for thread in self._threads:
            thread.stop()
        self._presence.leave(self.name)

    def give_back(self) -> None:
        """Put the turns that are still held back on the queue, for other workers."""
        self._leases.give_back()


def worker_name(process_id: int) -> str:
    """The name under which RQ's dashboard and `readyz` know a worker process.

    Never used twice: in a container a restarted process has the id of the killed one, whose name RQ still holds.
    """
    return f"{socket.gethostname()}-{process_id}-{secrets.token_hex(3)}"


_runtime: Runtime | None = None


def install(runtime: Runtime) -> None:
    """Make this the runtime of the jobs that RQ calls in this process."""
    global _runtime  # noqa: PLW0603 - RQ calls jobs by name and hands them nothing but their arguments
    _runtime = runtime


def current() -> Runtime:
    """The runtime of this process."""
    if _runtime is None:
        raise JobFailed("no runtime was installed in this process")
    return _runtime


def _asking(settings: Settings, redis: Redis, accounts: RedisAccounts) -> Asking:
    session = PartnerSession(settings.worker_concurrency)
    waits = (settings.openai_connect_timeout, settings.openai_read_timeout)
    return Asking(
        engines={
            Api.RESPONSES: ResponsesEngine(session, settings.openai_base_url, *waits),
            Api.ASSISTANTS: AssistantsEngine(session, settings.openai_base_url, *waits),
        },
        gates=RedisGates(redis),
        conversations=RedisConversations(redis),
        profile_switch=ProfileSwitching(accounts),
        choice=settings.openai_api,
        identifier_key=(settings.secret_key or "").encode(),
    )


def _token_keeper(settings: Settings, redis: Redis, accounts: RedisAccounts, sealer: Sealer) -> TokenKeeper:
    client_id = settings.kommo_client_id
    secrets = IntegrationSecrets(redis, sealer, (client_id, settings.kommo_client_secrets) if client_id else None)
    oauth = KommoOAuth(PartnerSession(4, hosts=4), KOMMO_TIMEOUTS.connect, KOMMO_TIMEOUTS.silence)

    def refresh(account: Account, refresh_token: str) -> Tokens:
        integration_id = account.client_id or client_id or ""
        integration = OAuthIntegration(
            integration_id, next(iter(secrets.of(integration_id)), ""), settings.kommo_redirect_uri or ""
        )
        origin = str(account_origin(settings.kommo_base_url, account.subdomain))
        return oauth.refresh(origin, integration, refresh_token, Deadline(time.time() + REFRESH_SECONDS))

    return TokenKeeper(accounts, RedisLocks(redis), refresh)


def _write_all(noting: Noting) -> None:
    while noting.write_one():
        pass
