"""Turns in Redis: accepted, held, changed and closed, every time in one atomic step (design 1)."""

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import structlog
from redis import Redis

from app.domain.acceptance import StoreUnavailable
from app.domain.assistants import Api
from app.domain.failures import Failure
from app.domain.turn import (
    AcceptResult,
    AcceptStatus,
    Change,
    Charge,
    Hold,
    NewTurn,
    Status,
    Timing,
    Turn,
    TurnLost,
)
from app.storage import keys
from app.storage.availability import availability
from app.storage.scripts import script
from app.storage.sealing import Sealer
from app.storage.usage import usage_arguments

log = structlog.get_logger(__name__)

# A Kommo that sends the same webhook again is recognised for at least 48 hours (contract 4); a day more costs little.
RETURN_URL_KEPT_MS = 72 * 3600 * 1000
# A closed turn, with its sealed texts, is kept for as long as an operator may be asked about it.
CLOSED_KEPT_MS = 30 * 24 * 3600 * 1000
DAY_MS = 24 * 3600 * 1000
SWEPT_AT_ONCE = 100
# Guards against bots gone wild (kommo.md 1.9), far above what people do: webhooks a minute of one account, and of one
# text for one lead.
MOST_A_MINUTE = 12_000
MOST_OF_A_TEXT_A_MINUTE = 300
# Fields that hold sealed texts.
_SEALED = (b"sealed", b"answer")
# How long an acceptance may be on its way to a Redis that hangs: a little more than the door waits (connection.py).
ACCEPTED_WITHIN = 1.5
# How long the distance between our clock and that of Redis counts as known.
DISTANCE_KNOWN = 60.0


class RedisTurns:
    """The turns of all accounts.

    clock: seconds since the epoch; the service's, as contract 7 wants it, not that of Redis.
    Every method raises StoreUnavailable when Redis is away.
    """

    def __init__(self, redis: "Redis", sealer: Sealer, timing: Timing, clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._sealer = sealer
        self._timing = timing
        self._clock = clock
        self._redis_ahead: tuple[float, float] | None = None
        self._accept = script(redis, "accept")
        self._claim = script(redis, "claim")
        self._advance = script(redis, "advance")
        self._sweep = script(redis, "sweep")
        self._renew = script(redis, "renew")
        self._give_back = script(redis, "give_back")

    def accept(self, new: NewTurn) -> AcceptResult:
        """Accept a turn or say why not; nothing is written unless the answer is ACCEPTED.

        A Redis that hung and wakes up after the door has given up does nothing either: the acceptance says until when
        it counts, by the clock of Redis.
        """
        account, minute = new.account_id, new.accepted_at // 60_000
        parameters = {
            "turn_id": new.request_id,
            "now": new.accepted_at,
            "not_after": self._redis_clock() + ACCEPTED_WITHIN,
            "now_iso": _iso(new.accepted_at),
            "version": str(new.account_version),
            "period": new.period,
            "deadline_at": new.deadline_at,
            "weight": new.weight,
            "refusal": new.refusal,
            "handler": new.handler or "",
            "line": new.line,
            "account": str(account),
            "contact_spans": self._contact_spans(new),
            "most_a_minute": MOST_A_MINUTE,
            "most_of_a_text": MOST_OF_A_TEXT_A_MINUTE,
            "return_url_ttl": RETURN_URL_KEPT_MS,
            "turns_kept": CLOSED_KEPT_MS + DAY_MS,
            "lease_until": new.accepted_at + self._lease_ms,
            "wake_at": new.deadline_at - int(self._timing.reserve * 1000),
        }
        sealed = self._sealer.seal(json.dumps({"message": new.message, "instructions": new.instructions}))
        fields = {
            "account_id": account,
            "return_url": new.return_url,
            "day": new.day,
            "hour": new.hour,
            "line": new.line,
            "handler": new.handler,
            "origin": new.origin,
            "note_lead_id": new.note_lead_id,
        }
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
                args=[json.dumps(_present(parameters)), sealed, *_pairs(_present(fields))],
            )
        if status == b"late":
            self._redis_ahead = None
            raise StoreUnavailable("Redis took too long")
        refusal = rest[1].decode() if len(rest) > 1 else ""
        return AcceptResult(
            AcceptStatus(status.decode()), rest[0].decode() if rest else "", Failure(refusal) if refusal else None
        )

    def _contact_spans(self, new: NewTurn) -> list[dict[str, Any]]:
        return [
            {
                "key": keys.contact_span(new.account_id, new.line or "", limit.span),
                "limit": limit.requests,
                "ttl": limit.days_kept * DAY_MS,
            }
            for limit in new.contact_limits
        ]

    def take(self, hold: Hold) -> Turn | None:
        """Hold a turn; None when it is closed, unknown, or another worker holds it."""
        now = self._now()
        with availability():
            outcome, *rest = self._claim(
                keys=[keys.turn(hold.request_id)], args=[hold.request_id, hold.token, now, now + self._lease_ms]
            )
        if outcome != b"taken":
            return None
        flat = iter(rest[0])
        return self._decoded(hold.request_id, dict(zip(flat, flat, strict=True)))

    def advance(self, hold: Hold, turn: Turn, change: Change) -> int:
        """Change a held turn and prolong the lease. Returns the requests that remain in the turn's month.

        Raises TurnLost when another worker holds it, or when it stands elsewhere than expected.
        """
        now = self._now()
        parameters = {
            "turn_id": hold.request_id,
            "token": hold.token,
            "change": secrets.token_hex(6),
            "now": now,
            "now_iso": _iso(now),
            "lease_until": now + self._lease_ms,
            "expect": change.expect,
            "status": change.status,
            "charge": change.charge,
            "reason": change.reason,
            "steps": change.steps,
            "close_ttl": CLOSED_KEPT_MS if change.close else None,
            "note": change.note or None,
            "line": turn.line,
            "usage": usage_arguments(turn.account_id, change.usage, now) if change.usage else None,
            "attempt": change.fields.get("attempts"),
            "account": str(turn.account_id),
            "period": turn.period,
            "marks": change.marks,
        }
        if change.conversation and turn.line:
            told = change.conversation
            conversation = {"api": told.api, "conversation_id": told.conversation_id, "last_item": told.last_item}
            parameters["conversation"] = _present(conversation)
        sealed = {name: self._sealer.seal(text) for name, text in change.sealed.items()}
        with availability():
            done, left, crossed = self._advance(
                keys=[
                    keys.turn(hold.request_id),
                    keys.line(turn.account_id, turn.line or ""),
                    keys.conversation(turn.account_id, turn.line or ""),
                ],
                args=[json.dumps(_present(parameters)), *_pairs({**change.fields, **sealed})],
            )
        if not done:
            raise TurnLost(hold.request_id)
        for mark, used, limit in crossed:
            log.warning("plan_mark_crossed", account_id=turn.account_id, mark=mark, used=used, limit=limit)
        return int(left)

    def renew(self, holds: list[Hold]) -> list[str]:
        """Prolong the leases of held turns. Returns the ids that are not ours any more."""
        with availability():
            lost = self._renew(args=[self._now() + self._lease_ms, *_hold_arguments(holds)])
        return [turn_id.decode() for turn_id in lost]

    def sweep(self) -> list[str]:
        """Put every open turn without a living worker back on the queue. Returns their ids."""
        put_back: list[str] = []
        examined = SWEPT_AT_ONCE
        # Not more in one script: Redis does nothing else meanwhile.
        while examined == SWEPT_AT_ONCE:
            examined, some = self._sweep_some()
            put_back += some
        return put_back

    def _sweep_some(self) -> tuple[int, list[str]]:
        now = self._now()
        with availability():
            examined, put_back = self._sweep(args=[now, _iso(now), now + self._lease_ms, SWEPT_AT_ONCE])
        return int(examined), [turn_id.decode() for turn_id in put_back]

    def give_back(self, holds: list[Hold]) -> None:
        """Put held turns back on the queue at once, because this worker stops."""
        now = self._now()
        with availability():
            self._give_back(args=[now, _iso(now), now + self._lease_ms, *_hold_arguments(holds)])

    def read(self, request_id: str) -> Turn | None:
        """The turn as it stands, None when it is unknown or no longer kept."""
        with availability():
            found = cast("dict[bytes, bytes]", self._redis.hgetall(keys.turn(request_id)))
        return self._decoded(request_id, found) if found else None

    def steps(self, request_id: str) -> list[dict[str, Any]]:
        """What happened to the turn, oldest first: `at` in milliseconds, `step`, details."""
        with availability():
            found = cast("list[bytes]", self._redis.lrange(keys.turn_steps(request_id), 0, -1))
        return [json.loads(step) for step in found]

    def newest_first(self, account_id: int) -> Iterator[Turn]:
        """The turns of an account that are still kept."""
        with availability():
            ids = cast("list[bytes]", self._redis.zrevrange(keys.turns_of(account_id), 0, -1))
        for turn_id in ids:
            turn = self.read(turn_id.decode())
            if turn is not None:
                yield turn

    def _redis_clock(self) -> float:
        """Seconds on the clock of Redis, by our own steady one and their distance, which is asked for now and then."""
        now = time.monotonic()
        if self._redis_ahead is None or now > self._redis_ahead[1]:
            with availability():
                seconds, microseconds = self._redis.time()
            self._redis_ahead = (seconds + microseconds / 1_000_000 - time.monotonic(), now + DISTANCE_KNOWN)
        return self._redis_ahead[0] + time.monotonic()

    @property
    def _lease_ms(self) -> int:
        return int(self._timing.lease * 1000)

    def _now(self) -> int:
        return int(self._clock() * 1000)

    def _decoded(self, request_id: str, found: Mapping[bytes, bytes]) -> Turn:
        text = {name.decode(): value.decode() for name, value in found.items() if name not in _SEALED}
        told = self._turn_of(request_id, text)
        if told.worn_out:
            return told
        sealed = {name: self._sealer.unseal(found[name]) for name in _SEALED if name in found}
        texts = json.loads(sealed.get(b"sealed", "{}"))
        return replace(
            told,
            message=texts.get("message", ""),
            instructions=texts.get("instructions", ""),
            answer=sealed.get(b"answer"),
        )

    def _turn_of(self, request_id: str, text: Mapping[str, str]) -> Turn:
        return Turn(
            request_id=request_id,
            account_id=int(text["account_id"]),
            status=Status(text["status"]),
            accepted_at=int(text["accepted_at"]),
            deadline_at=int(text["deadline_at"]),
            return_url=text["return_url"],
            period=text["period"],
            day=text["day"],
            hour=int(text["hour"]),
            weight=int(text["weight"]),
            claims=int(text["claims"]),
            line=text.get("line"),
            error_code=Failure(text["error_code"]) if "error_code" in text else None,
            charge=Charge(text["charge"]),
            origin=text.get("origin"),
            handler=text.get("handler"),
            note_lead_id=int(text["note_lead_id"]) if "note_lead_id" in text else None,
            first_refusal="first_refusal" in text,
            asked=text.get("asked") == "1",
            attempts=int(text.get("attempts", 0)),
            api=Api(text["api"]) if "api" in text else None,
            conversation_id=text.get("conversation_id"),
            answer_id=text.get("answer_id") or None,
            maybe_delivered=text.get("maybe_delivered") == "1",
            remaining=int(text.get("remaining", 0)),
        )


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _pairs(fields: Mapping[str, Any]) -> list[Any]:
    return [part for pair in fields.items() for part in pair]


def _hold_arguments(holds: list[Hold]) -> list[str]:
    return [part for hold in holds for part in (hold.request_id, hold.token)]


def _iso(milliseconds: int) -> str:
    """As RQ writes times (rq/utils.py, utcformat)."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
