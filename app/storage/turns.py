"""Turns in Redis: accepted, held, changed and closed, every time in one atomic step (design 1)."""

import itertools
import json
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import structlog
from redis import Redis
from redis.exceptions import ResponseError

from app.domain.acceptance import StoreUnavailable
from app.domain.failures import Failure
from app.domain.quota import ContactLimit
from app.domain.turn import (
    AcceptResult,
    AcceptStatus,
    Advanced,
    Change,
    Departure,
    GateClosed,
    Hold,
    NewTurn,
    Status,
    Timing,
    Turn,
    TurnLost,
    is_request_id,
)
from app.storage import keys
from app.storage.availability import availability
from app.storage.pacing import KommoPace
from app.storage.scripts import collect_answers, script
from app.storage.sealing import Sealer
from app.storage.turn_record import turn_of
from app.storage.usage import usage_arguments
from app.together import no_waiting_together

log = structlog.get_logger(__name__)

# A Kommo that sends the same webhook again is recognised for at least 48 hours (contract 4); a day more costs little.
RETURN_URL_KEPT_MS = 72 * 3600 * 1000
# A closed turn, with its sealed texts, is kept for as long as an operator may be asked about it.
CLOSED_KEPT_MS = 30 * 24 * 3600 * 1000
DAY_MS = 24 * 3600 * 1000
# Guards against bots gone wild (kommo.md 1.9), far above what people do: webhooks a minute of one account, and of one
# text for one lead.
MOST_A_MINUTE = 12_000
MOST_OF_A_TEXT_A_MINUTE = 300
# How long an acceptance may be on its way to a Redis that hangs: a little more than the door waits (connection.py).
ACCEPTED_WITHIN = 1.5
# What RQ's dashboard shows as the result of a job, for each state in which a worker may let go of its turn; as RQ
# stores a result (rq/results.py).
_RESULTS = {status: b64encode(json.dumps({"status": status}).encode()).decode() for status in Status}
# Numbers of changes; with the owner's token each is the only one of its name.
_changes = itertools.count()
# How long the distance between our clock and that of Redis counts as known.
DISTANCE_KNOWN = 60.0


class RedisTurns:
    """The turns of all accounts.

    clock: seconds since the epoch; the service's, as contract 7 wants it, not that of Redis.
    Every method raises StoreUnavailable when Redis is away.
    """

    def __init__(
        self,
        redis: "Redis",
        sealer: Sealer,
        timing: Timing,
        clock: Callable[[], float] = time.time,
        pace: KommoPace | None = None,
    ) -> None:
        """pace: of the calls to Kommo that leave from here; None where none does."""
        self._redis = redis
        self._pace = pace.arguments() if pace else None
        self._sealer = sealer
        self._timing = timing
        self._clock = clock
        self._redis_ahead: tuple[float, float] | None = None
        self._accept = script(redis, "accept")
        self._advance = script(redis, "advance")
        self._begun = script(redis, "begun")
        self._renew = script(redis, "renew")
        self._give_back = script(redis, "give_back")

    def accept(self, new: NewTurn) -> AcceptResult:
        """Accept a turn or say why not; nothing is written unless the answer is ACCEPTED.

        A Redis that hung and wakes up after the door has given up does nothing either: the acceptance says until when
        it counts, by the clock of Redis. Raises WouldWait where nobody may wait for that clock.
        """
        account, minute = new.account_id, new.accepted_at // 60_000
        note_lead_id = "" if new.note_lead_id is None else new.note_lead_id
        spans = contact_spans(account, new.line, new.contact_limits)
        # Text by text: for a dict Python makes an encoder first.
        texts = f'{{"message": {json.dumps(new.message)}, "instructions": {json.dumps(new.instructions)}}}'
        # In the order of lua/accept.lua: as JSON this would be a twentieth of what the door costs.
        told = (
            new.request_id,
            account,
            new.account_version,
            new.accepted_at,
            self._redis_clock() + ACCEPTED_WITHIN,
            iso(new.accepted_at),
            new.period,
            new.day,
            new.hour,
            new.deadline_at,
            new.deadline_at - int(self._timing.reserve * 1000),
            new.accepted_at + self._lease_ms,
            new.weight,
            new.return_url,
            new.refusal or "",
            new.line or "",
            note_lead_id,
            new.handler or "",
            new.origin or "",
            json.dumps(spans) if spans else "",
            self._sealer.seal(texts),
            MOST_A_MINUTE,
            MOST_OF_A_TEXT_A_MINUTE,
            RETURN_URL_KEPT_MS,
        )
        with availability():
            status, *rest = self._accept(
                keys=[
                    keys.return_url(account, new.return_url),
                    keys.account(account),
                    keys.plans(),
                    keys.turn(new.request_id),
                    keys.line(account, new.line or ""),
                    keys.turns_of(account),
                    keys.account_minute(account, minute),
                    keys.text_minute(account, minute, f"{new.note_lead_id} {new.line} {new.message}"),
                    keys.usage_day(account, new.day),
                ],
                args=told,
                lasting=True,
            )
        if status == b"late":
            self._redis_ahead = None
            raise StoreUnavailable("Redis took too long")
        refusal = rest[1].decode() if len(rest) > 1 else ""
        return AcceptResult(
            AcceptStatus(status.decode()), rest[0].decode() if rest else "", Failure(refusal) if refusal else None
        )

    def advance(self, hold: Hold, turn: Turn, change: Change) -> Advanced:
        """Change a held turn and prolong the lease.

        Raises TurnLost when another worker holds it, or when it stands elsewhere than expected, and GateClosed.
        A change that closes the turn is told and not waited for: there is nothing left to do. Should it not come
        about, the lease runs out, and another worker finds at Kommo that the call had arrived.
        """
        now = self._now()
        sealed = {name: self._sealer.seal(text) for name, text in change.sealed.items()}
        told = [
            keys.turn(hold.request_id),
            keys.line(turn.account_id, turn.line or ""),
            keys.conversation(turn.account_id, turn.line or ""),
            keys.past_conversations(turn.account_id, turn.line or ""),
        ]
        parameters = json.dumps(self._parameters(hold, turn, change, now))
        args = [parameters, *_pairs({**change.fields, **sealed})]
        with availability():
            if change.close:
                self._advance.tell(told, args, _hearing(hold.request_id))
                return Advanced(turn.remaining, watched=False, departure=None)
            outcome, *rest = self._advance(told, args, lasting=change.leave or change.status is Status.ASKING)
        if outcome == b"lost":
            raise TurnLost(hold.request_id)
        if outcome == b"gate":
            raise GateClosed(rest[0] / 1000, Failure(rest[1].decode()))
        left, crossed, watched, egress, wait = rest
        for mark, used, limit in crossed:
            log.warning("plan_mark_crossed", account_id=turn.account_id, mark=mark, used=used, limit=limit)
        departure = Departure(egress.decode(), wait / 1_000_000) if egress else None
        return Advanced(int(left), bool(watched), departure)

    def begun(self, hold: Hold, attempt: int, answer_id: str, gate: str | None = None) -> None:
        """Remember which response or run will hold the answer of a turn that is asking, and prolong the lease.

        gate: fingerprint of a key that OpenAI has begun to answer again. Without one it is told and not waited for: a
        turn that is lost finds out at its next change.
        """
        now = self._now()
        args = (hold.request_id, hold.token, now, now + self._lease_ms, attempt, answer_id, gate or "")
        with availability():
            if gate:  # others wait behind it
                self._begun([keys.turn(hold.request_id)], args)
            else:
                self._begun.tell([keys.turn(hold.request_id)], args, _hearing(hold.request_id))

    def collect_answers(self) -> None:
        """Hear what became of what was told."""
        with availability():
            collect_answers(self._redis)

    def _parameters(self, hold: Hold, turn: Turn, change: Change, now: int) -> dict[str, Any]:
        """What lua/advance.lua is told: only what this change has."""
        parameters: dict[str, Any] = {
            "turn_id": hold.request_id,
            "token": hold.token,
            "change": f"{hold.token}-{next(_changes)}",
            "now": now,
            "lease_until": now + self._lease_ms,
            "expect": change.expect,
            "steps": change.steps,
            "account": str(turn.account_id),
            "period": turn.period,
        }
        if change.status:
            parameters["status"] = change.status
        if change.charge:
            parameters |= {"charge": change.charge, "reason": change.reason, "marks": change.marks}
        if change.usage:
            parameters["usage"] = usage_arguments(turn.account_id, change.usage, now)
            parameters["attempt"] = change.fields.get("attempts")
        if change.gate:
            parameters["gate"] = change.gate
        if change.gate_holds:
            parameters["gate_holds"] = change.gate_holds
        if change.conversation and turn.line:
            told = change.conversation
            parameters["conversation"] = {"api": told.api, "conversation_id": told.conversation_id}
            if told.last_item:
                parameters["conversation"]["last_item"] = told.last_item
        self._add_waits_and_ends(parameters, turn, change, now)
        return parameters

    def _add_waits_and_ends(self, parameters: dict[str, Any], turn: Turn, change: Change, now: int) -> None:
        if change.leave or change.park or change.close:
            parameters |= {"result": _RESULTS[change.status or turn.status], "now_iso": iso(now)}
        if change.leave:
            parameters |= {"leave": True, "pace": self._pace}
        if change.park:
            parameters["park"] = _present({"until": change.park.until, "gate": change.park.gate})
        if change.close:
            # One that was replayed late must not outlive the index of its account, by which it is found.
            kept = min(CLOSED_KEPT_MS, turn.accepted_at + CLOSED_KEPT_MS + DAY_MS - now)
            parameters |= _present({"close_ttl": kept, "note": change.note or None, "line": turn.line})

    def renew(self, holds: list[Hold]) -> list[str]:
        """Prolong the leases of held turns. Returns the ids that are not ours any more."""
        with availability():
            lost = self._renew(args=[self._now() + self._lease_ms, *_hold_arguments(holds)])
        return [turn_id.decode() for turn_id in lost]

    def give_back(self, holds: list[Hold]) -> None:
        """Put held turns back on the queue at once, because this worker stops."""
        now = self._now()
        with availability():
            self._give_back(args=[now, iso(now), now + self._lease_ms, *_hold_arguments(holds)])

    def read(self, request_id: str) -> Turn | None:
        """The turn as it stands, None when it is unknown or no longer kept, or the id is none."""
        if not is_request_id(request_id):
            return None
        with availability():
            found = cast("dict[bytes, bytes]", self._redis.hgetall(keys.turn(request_id)))
        return turn_of(request_id, found, self._sealer) if found else None

    def steps(self, request_id: str) -> list[dict[str, Any]]:
        """What happened to the turn, oldest first: `at` in milliseconds, `step`, details."""
        with availability():
            found = cast("list[bytes]", self._redis.lrange(keys.turn_steps(request_id), 0, -1))
        return [json.loads(step) for step in found]

    def _redis_clock(self) -> float:
        """Seconds on the clock of Redis, by our own steady one and their distance, which is asked for now and then."""
        now, ahead = time.monotonic(), self._redis_ahead
        if ahead is None or now > ahead[1]:
            no_waiting_together()
            with availability():
                seconds, microseconds = self._redis.time()
            ahead = self._redis_ahead = (seconds + microseconds / 1_000_000 - time.monotonic(), now + DISTANCE_KNOWN)
        return ahead[0] + time.monotonic()

    @property
    def _lease_ms(self) -> int:
        return int(self._timing.lease * 1000)

    def _now(self) -> int:
        return int(self._clock() * 1000)


def _hearing(request_id: str) -> Callable[[Any], None]:
    """Hears what became of a change that nobody waited for."""

    def heard(answer: Any) -> None:
        if isinstance(answer, ResponseError):
            # Its lease runs out, and a worker goes on from the record. redis-py takes the code from what it knows.
            code = str(answer).split(" ")[0] if type(answer) is ResponseError else type(answer).__name__
            log.warning("step_refused", turn_id=request_id, code=code)
        elif answer in (0, [b"lost"]):
            log.info("turn_lost", turn_id=request_id)

    return heard


def contact_spans(account_id: int, line: str | None, limits: Iterable[ContactLimit]) -> list[dict[str, Any]]:
    """The limits of a contact as lua/contact.lua is told."""
    return [
        {
            "key": keys.contact_span(account_id, line or "", limit.span),
            "limit": limit.requests,
            "ttl": limit.days_kept * DAY_MS,
        }
        for limit in limits
    ]


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _pairs(fields: Mapping[str, Any]) -> list[Any]:
    return [part for pair in fields.items() for part in pair]


def _hold_arguments(holds: list[Hold]) -> list[str]:
    return [part for hold in holds for part in (hold.request_id, hold.token)]


def iso(milliseconds: int) -> str:
    """A time as RQ writes it (rq/utils.py, utcformat)."""
    return (
        datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    )
