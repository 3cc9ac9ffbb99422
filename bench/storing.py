"""Filling a Redis with turns that are over: a few are made by the real scripts, and the others are copies of those.

A copy has an id, an account, a client and a moment of its own. It is listed by the very Lua that lists real turns, and
written into the ledger by the very Lua that writes entries.
"""

import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from zoneinfo import ZoneInfo

from redis import Redis

from app.domain.answers import Answer, Conversation, Usage
from app.domain.assistants import Api
from app.domain.delivery import CallOutcome, Verdict
from app.domain.failures import AskError, Failure
from app.domain.quota import day_of, period_of
from app.domain.turn import Hold, NewTurn, Status, Timing, new_request_id
from app.services.held import HeldTurn
from app.storage import keys
from app.storage.pacing import KommoPace
from app.storage.sealing import Sealer
from app.storage.taking import RedisTaking
from app.storage.turns import RedisTurns
from config.prices import read_prices
from sandbox.stack import Company, Stack

TIMING = Timing(50.0, 120.0)
# Of the copies: how they ended, and how often.
ENDS = {"answered": 0.9, "failed": 0.05, "undeliverable": 0.01, "not_waiting": 0.04}
AT_ONCE = 1000
# Turns of one client.
TURNS_A_CLIENT = 10
SPAN_MS = 29 * 24 * 3600 * 1000

_COPY = """
local p = cjson.decode(ARGV[1])
for _, one in ipairs(p.turns) do
  local key = 'bytegpt:turn:' .. one.id
  redis.call('COPY', 'bytegpt:turn:' .. one.of, key)
  redis.call('COPY', 'bytegpt:turn:' .. one.of .. ':steps', key .. ':steps')
  redis.call('HSET', key, 'account_id', one.account, 'accepted_at', one.at, 'line', one.line, 'note_lead_id', one.lead)
  redis.call('ZADD', 'bytegpt:turns:' .. one.account, one.at, one.id)
  list_accepted(one.account, one.lead, one.line, one.id, one.at, nil)
  local found = redis.call('HMGET', key, 'status', 'error_code', 'charge')
  list_ended(one.account, one.id, one.at, found[1], found[2], found[3])
  write_entry(one.account, p.period, one.at, 'reserve', one.id, -1, '')
  write_entry(one.account, p.period, one.at, found[2] and 'release' or 'settle', one.id, found[2] and 1 or 0, 'bench')
end
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """What was stored. turns: ids, the newest last. lead: of a client of the company that is looked at."""

    turns: Sequence[str]
    failed: str
    company: Company
    lead: int


def stored(stack: Stack, companies: Sequence[Company], count: int) -> Stored:
    """Store so many turns of these companies, spread over a month."""
    originals = {how: _original(stack, companies[0], how) for how in ENDS}
    copy = stack.redis.register_script("\n".join([_part("ledger"), _part("listing"), _COPY]))
    period = period_of(datetime.now(ZoneInfo("UTC")), ZoneInfo("UTC"))
    ids: list[str] = []
    for turns in _copies(originals, [company.account.account_id for company in companies], count):
        copy(args=[json.dumps({"period": period, "turns": turns})])
        ids += [turn["id"] for turn in turns]
    return Stored(ids, originals["failed"], companies[0], lead=1)


def _copies(originals: dict[str, str], accounts: Sequence[int], count: int) -> Iterator[list[dict[str, str]]]:
    """What tells the copies from each other, some at a time; the oldest first."""
    chance = random.Random(count)
    now = int(time.time() * 1000)
    for begin in range(0, count, AT_ONCE):
        turns = []
        for number in range(begin, min(begin + AT_ONCE, count)):
            at = now - SPAN_MS + number * SPAN_MS // count
            client = str(1 + number // len(accounts) % max(1, count // len(accounts) // TURNS_A_CLIENT))
            (how,) = chance.choices(list(ENDS), list(ENDS.values()))
            turns.append(
                {
                    "id": new_request_id(at),
                    "of": originals[how],
                    "account": str(accounts[number % len(accounts)]),
                    "at": str(at),
                    "line": f"contact-{client}",
                    "lead": client,
                }
            )
        yield turns


def _original(stack: Stack, company: Company, how: str) -> str:
    """A turn from its acceptance to its end, as a worker brings it there; its id."""
    turns = RedisTurns(stack.redis, stack.sealer, TIMING, pace=KommoPace(("default",), 1000.0, 1000.0))
    new = _new(company)
    turns.accept(new)
    held = _held(stack.redis, stack.sealer, turns, new)
    held.asking(Conversation(Api.RESPONSES, "conv_bench"), "gpt-6-luna", None)
    held.answer_begun("resp_bench")
    if how == "failed":
        held.failed(Failure.OPENAI_TIMEOUT, AskError(Failure.OPENAI_TIMEOUT, status=504))
    else:
        usage = Usage(1200, 200, 90, 0)
        held.answered(Answer("Custa 5 reais. " * 20, "resp_bench", model="gpt-6-luna", usage=usage))
    held.departure()
    status = {"undeliverable": Status.UNDELIVERABLE, "not_waiting": Status.NOT_WAITING}.get(how, Status.DELIVERED)
    held.closed(status, CallOutcome(Verdict.ACCEPTED, 202))
    for key in (keys.turn(new.request_id), keys.turn_steps(new.request_id)):
        stack.redis.persist(key)
    return new.request_id


def _new(company: Company) -> NewTurn:
    account, now = company.account, int(time.time() * 1000)
    moment = datetime.fromtimestamp(now / 1000, account.zone)
    request_id = new_request_id(now)
    return NewTurn(
        request_id=request_id,
        account_id=account.account_id,
        account_version=account.version,
        accepted_at=now,
        deadline_at=now + 50_000,
        period=period_of(moment, account.zone),
        day=day_of(moment, account.zone),
        hour=moment.hour,
        weight=1,
        return_url=f"https://bench.kommo.com/api/v4/salesbot/1/continue/{int(request_id[-12:], 16)}",
        line=f"contact-of-{request_id}",
        handler="ai_reply",
        origin="whatsapp",
        note_lead_id=1,
        message="Boa tarde, quanto custa o bolo de chocolate para 20 pessoas?",
    )


def _held(redis: Redis, sealer: Sealer, turns: RedisTurns, new: NewTurn) -> HeldTurn:
    taking = RedisTaking(redis, sealer, TIMING, KommoPace(("default",), 1000.0, 1000.0), "bench")
    raw = taking.one(Hold(new.request_id, "bench"))
    if raw is None:
        raise RuntimeError("somebody else has taken the turn")
    return HeldTurn(turns, taking.read(raw), read_prices())


def _part(name: str) -> str:
    return (files("app.storage") / "lua" / f"{name}.lua").read_text()
