"""What a worker process is built from, once; the only place where its parts are put together."""

import secrets
import socket
import time
import traceback
from contextlib import suppress
from functools import partial

import structlog
from redis import Redis

from app.clients.http import PartnerSession, Timeouts
from app.clients.kommo import KommoClient
from app.clients.openai_assistants import AssistantsEngine
from app.clients.openai_responses import ResponsesEngine
from app.domain.acceptance import StoreUnavailable
from app.domain.assistants import Api
from app.domain.failures import Failure
from app.domain.return_url import account_origin
from app.domain.turn import Hold, Timing, TurnLost
from app.services.answering import Answering
from app.services.asking import Asking
from app.services.delivering import Delivering
from app.services.forwarding import Forwarder
from app.services.metering import Counting
from app.services.noting import Noting
from app.services.retention import EVERY_SECONDS as RETENTION_EVERY_SECONDS
from app.services.retention import Retention
from app.services.switching import ProfileSwitching
from app.storage.accounts import RedisAccounts
from app.storage.connection import connect
from app.storage.gates import RedisGates
from app.storage.locks import RedisLocks
from app.storage.metrics import RedisMetrics
from app.storage.notes import RedisNotes
from app.storage.pacing import KommoPace, RedisPace
from app.storage.presence import RedisPresence
from app.storage.remembered import AccountsByVersion
from app.storage.sealing import Sealer
from app.storage.taking import RawTurn, RedisTaking
from app.storage.texts import RedisTexts
from app.storage.turns import RedisTurns
from config.prices import read_prices
from config.settings import Settings
from workers.departures import Departures
from workers.kommo_access import ENLIST_EVERY_SECONDS, HOOKS_EVERY_SECONDS, TOKENS_EVERY_SECONDS, KommoAccess
from workers.leases import Every, Leases
from workers.slots import Slots

log = structlog.get_logger(__name__)

NOTES_EVERY_SECONDS = 1.0
PRESENCE_EVERY_SECONDS = 3.0
# Seconds for one call to Kommo (the vendor's own client: 5 and 20, kommo.md 9.2).
KOMMO_TIMEOUTS = Timeouts(connect=5.0, silence=15.0)
# How often the answers to changes are read that nobody waited for, so that what a broken connection lost is told again.
ANSWERS_EVERY_SECONDS = 0.25
# How often turns are looked for whose worker is lost, whose wait is over, whose deadline is near or whose key opens.
SWEEP_SECONDS = 0.2
FEWEST_CALLERS = 8
DRAIN_LOOK_SECONDS = 0.05


class JobFailed(Exception):
    """A job ended in an error of ours. Only its kind is told: RQ keeps the text where operators see it."""


class Runtime:
    """One worker process: the flow of turns, what keeps its leases, and the note writer."""

    def __init__(self, settings: Settings, name: str) -> None:
        slots = settings.worker_concurrency
        # Each thread uses one connection at a time: those of turns, of continue calls, and the few below.
        connections = slots + max(FEWEST_CALLERS, slots) + 20
        self.redis: Redis = connect(settings.redis_url or "", for_web=False, max_connections=connections)
        self.name = name
        sealer = Sealer(settings.encryption_keys)
        timing = Timing(settings.turn_deadline, settings.delivery_patience)
        accounts = RedisAccounts(self.redis, sealer)
        sessions = {
            egress.name: PartnerSession(slots, hosts=slots, source_address=egress.source_ip)
            for egress in settings.kommo_egress
        }
        kommo = KommoClient(sessions, KOMMO_TIMEOUTS.connect, KOMMO_TIMEOUTS.silence)
        kommo_pace = KommoPace(tuple(sessions), settings.kommo_rate, settings.kommo_account_rate)
        pace = RedisPace(self.redis, kommo_pace)
        access = KommoAccess(settings, self.redis, accounts, sealer, pace, KOMMO_TIMEOUTS)
        tokens = access.tokens
        self._turns = RedisTurns(self.redis, sealer, timing, pace=kommo_pace)
        self._leases = Leases(self._turns)
        self.taking = RedisTaking(self.redis, sealer, timing, kommo_pace, name)
        self.threads = Slots(slots, "turn")
        self._callers = Slots(max(FEWEST_CALLERS, slots), "call")
        self._departures = Departures(self.taking, self._callers, self._call_for)
        self._patience = timing.patience
        counting = Counting()
        self._forwarder = Forwarder(counting.taken, RedisMetrics(self.redis))
        self._answering = Answering(
            turns=self._turns,
            accounts=AccountsByVersion(accounts),
            asking=_asking(settings, self.redis, accounts, counting),
            delivering=Delivering(crm=kommo, tokens=tokens, pace=pace, timing=timing, meter=counting),
            timing=timing,
            prices=read_prices(),
            meter=counting,
        )
        noting = Noting(
            notes=RedisNotes(self.redis),
            turns=self._turns,
            accounts=accounts,
            tokens=tokens,
            pace=pace,
            crm=kommo,
            address_of=lambda account: str(account_origin(settings.kommo_base_url, account.subdomain)),
            public_url=settings.public_url,
            meter=counting,
        )
        retention = Retention(RedisTexts(self.redis), RedisLocks(self.redis))
        presence = RedisPresence(self.redis)
        self._presence = presence
        self._sweeping = Every("sweep", SWEEP_SECONDS, self._sweep)
        self._threads = [
            self._sweeping,
            Every("leases", timing.lease / 4, self._leases.renew),
            Every("answers", ANSWERS_EVERY_SECONDS, self._turns.collect_answers),
            Every("presence", PRESENCE_EVERY_SECONDS, lambda: presence.say(name, self.threads.load())),
            Every("notes", NOTES_EVERY_SECONDS, lambda: _write_all(noting)),
            Every("hooks", HOOKS_EVERY_SECONDS, access.resume_hooks),
            Every("enlist", ENLIST_EVERY_SECONDS, access.health.enlist),
            Every("tokens", TOKENS_EVERY_SECONDS, access.health.look_round),
            Every("retention", RETENTION_EVERY_SECONDS, lambda: _erase_texts(retention)),
        ]

    def work_on(self, taken: RawTurn) -> None:
        """Bring one turn as far as it goes. Raises JobFailed; the lease lets another worker go on."""
        with structlog.contextvars.bound_contextvars(turn_id=taken.hold.request_id):
            self._brought_on(taken)

    def _call_for(self, taken: RawTurn) -> None:
        with suppress(JobFailed):  # it has been logged
            self.work_on(taken)

    def answer(self, request_id: str) -> dict[str, str]:
        """Bring a certain turn as far as it goes; what is returned stands on the RQ dashboard."""
        with structlog.contextvars.bound_contextvars(turn_id=request_id):
            taken = self.taking.one(Hold(request_id, secrets.token_hex(8)))
            return {"status": self._brought_on(taken) if taken else "nothing to do"}

    def _brought_on(self, taken: RawTurn) -> str:
        try:
            with self._leases.kept(taken.hold):
                outcome = self._answering.run(self.taking.read(taken))
        except TurnLost:
            log.info("turn_lost")
            return "taken over by another worker"
        except StoreUnavailable as error:
            log.warning("store_unavailable", during="a turn", reason=str(error))
            raise JobFailed(type(error).__name__) from None
        except Exception as error:  # noqa: BLE001 - told as a failed job, and the lease lets another worker go on
            # Where it happened, and not what it says: a text may stand in the message of an exception.
            frames = traceback.format_tb(error.__traceback__)
            log.error("turn_broken_off", kind=type(error).__name__, frames=frames)  # noqa: TRY400
            raise JobFailed(type(error).__name__) from None
        if outcome.parked:
            self._departures.look()
            log.debug("turn_waits", status=outcome.status)
        else:
            log.info("turn_closed", status=outcome.status, error_code=outcome.error_code)
        return outcome.status

    def _sweep(self) -> None:
        found = self.taking.due(self._callers.wait_for_some(0.0))
        for request_id in found.lost:
            log.info("turn_put_back", turn_id=request_id)
        for taken in found.overdue:
            self._callers.run(taken.account_id, partial(self._call_for, taken))
        if found.moved:
            self._departures.look()
        if found.gates:
            self.taking.wake()

    def start(self) -> None:
        """Begin to look after leases, presence and notes."""
        self._departures.start()
        self._forwarder.start()
        for thread in self._threads:
            thread.start()

    def drain(self) -> None:
        """Let the continue calls leave that wait for their moment, until there are none, or no more patience."""
        end = time.monotonic() + self._patience
        with suppress(StoreUnavailable):
            while time.monotonic() < end and self.taking.any_ready():
                time.sleep(DRAIN_LOOK_SECONDS)

    def stop(self) -> None:
        """End the threads and sign off."""
        self._departures.stop()
        self._sweeping.stop()  # what it takes from now on, nobody would call for
        self._callers.finish()
        for thread in self._threads:
            thread.stop()
        self._forwarder.stop()
        with suppress(StoreUnavailable):  # the leases run out, and other workers go on
            self._turns.collect_answers()
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


def _asking(settings: Settings, redis: Redis, accounts: RedisAccounts, counting: Counting) -> Asking:
    session = PartnerSession(settings.worker_concurrency)
    waits = (settings.openai_connect_timeout, settings.openai_read_timeout)
    gates = RedisGates(redis)

    def exhausted(api_key: str, seconds: float) -> None:
        gates.close(gates.name(api_key), seconds, Failure.OPENAI_QUOTA)

    return Asking(
        engines={
            Api.RESPONSES: ResponsesEngine(session, settings.openai_base_url, *waits, exhausted=exhausted),
            Api.ASSISTANTS: AssistantsEngine(session, settings.openai_base_url, *waits, exhausted=exhausted),
        },
        gates=gates,
        profile_switch=ProfileSwitching(accounts),
        choice=settings.openai_api,
        identifier_key=(settings.secret_key or "").encode(),
        meter=counting,
    )


def _erase_texts(retention: Retention) -> None:
    erased = retention.sweep()
    if erased:
        log.info("texts_erased", turns=erased)


def _write_all(noting: Noting) -> None:
    while noting.write_one():
        pass
