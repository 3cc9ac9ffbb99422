"""What the lists cost by which the console finds turns: bytes of each turn, and time of the scripts that keep them."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis import Redis

from app.storage import keys

LISTED = 20_000

_COST = """
for number = 1, tonumber(ARGV[1]) do
  if ARGV[2] == 'accepted' then
    list_accepted('1', tostring(number), 'contact-' .. number, 'turn-' .. number, number + 1e12, nil)
  else
    list_ended('1', 'turn-' .. number, number + 1e12, 'undeliverable', false, 'settled')
  end
end
"""


def costs(redis: Redis, turns: int) -> dict[str, Any]:
    """Bytes of one turn in each list, beside the turn itself; and microseconds that listing adds to its scripts."""
    patterns = {
        "all turns": "bytegpt:turns",
        "turns of an account": "bytegpt:turns:*",
        "lead": "bytegpt:lead:*",
        "contact": "bytegpt:contact:*",
        "ended, of an account": "bytegpt:ended:*",
        "ended, of all": "bytegpt:all_ended:*",
    }
    found: dict[str, Any] = {name: round(_bytes(redis, pattern) / turns, 1) for name, pattern in patterns.items()}
    some = [key for _, key in zip(range(1000), redis.scan_iter(f"{keys.turn('')}*", count=1000), strict=False)]
    turn = sum(int(redis.memory_usage(key, samples=0) or 0) for key in some) / len(some) * 2
    script = redis.register_script("\n".join([_listing(), _COST]))
    accepted = _microseconds(lambda: script(args=[LISTED, "accepted"])) / LISTED
    ended = _microseconds(lambda: script(args=[LISTED, "ended"])) / LISTED
    return {
        "bytes_a_turn": found,
        "bytes_of_the_turn": round(turn),
        "bytes_added": round(sum(found.values()) - found["turns of an account"], 1),
        "us_at_acceptance": round(accepted, 2),
        "us_at_an_unhappy_end": round(ended, 2),
    }


def _bytes(redis: Redis, pattern: str) -> int:
    return sum(int(redis.memory_usage(key, samples=0) or 0) for key in redis.scan_iter(pattern, count=1000))


def _microseconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1_000_000


def _listing() -> str:
    return (Path(keys.__file__).parent / "lua" / "listing.lua").read_text()
