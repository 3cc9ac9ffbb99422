"""The Lua scripts of this folder, each with the parts it stands on."""

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from redis import Redis
from redis.exceptions import NoScriptError, ResponseError
from redis.typing import EncodableT

from app.storage.lasting import lasting_answer
from app.storage.lines import Line, Told, connections_of
from app.storage.trips import AskAll, Question
from app.together import answer_for, is_served_together

_MONEY = ("ledger", "boosts", "month")
_QUEUE = ("fair", "queue", "jobs", "holding")
_PARTS = {
    "accept": ("fair", "queue", *_MONEY, "contact", "usage", "listing"),
    "replay": ("fair", "queue", *_MONEY, "contact", "listing"),
    "take": _QUEUE,
    "claim": _QUEUE,
    "depart": (*_QUEUE, "pacing"),
    "advance": (*_QUEUE, "pacing", "gates", *_MONEY, "usage", "listing"),
    "begun": ("fair", "queue", "gates"),
    "sweep": (*_QUEUE, "gates"),
    "wake": (*_QUEUE, "gates"),
    "renew": ("fair", "queue"),
    "give_back": _QUEUE,
    "pass_gate": ("fair", "queue", "gates"),
    "close_gate": ("fair", "queue", "gates"),
    "free_gate": ("fair", "queue", "gates"),
    "leave": ("fair", "pacing"),
    "hold_account": ("pacing",),
    "recount": _MONEY,
    "boost_add": _MONEY,
    "boost_void": _MONEY,
    "take_note": (),
    "forget_begin": (),
    "forget_turns": ("listing",),
    "forget_counters": ("listing",),
    "remove_begin": (),
    "remove_turns": ("listing",),
    "remove_keys": (),
    "erase_texts": (),
}


def collect_answers(redis: "Redis") -> None:
    """Read the answers to what was told on this client's connections (StoredScript.tell). Raises redis.RedisError."""
    connections_of(redis).collect()


class StoredScript:
    """A Lua script that the server keeps, run by its hash. For many threads; retries as the client does."""

    def __init__(self, redis: "Redis", source: str) -> None:
        self._redis = redis
        self._connections = connections_of(redis)
        self._ask_all = AskAll(self._connections)
        self.source = source
        self.sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
        self.known = False

    def __call__(self, keys: Sequence[str] = (), args: Sequence[EncodableT] = (), *, lasting: bool = False) -> Any:
        """Run it and return what it answers. Raises redis.RedisError.

        lasting: what follows from the answer cannot be taken back, so under Sentinel it counts only once a replica has
        what it rests on (lasting.py). Else it is run again, at whichever server is the master then.
        """
        if is_served_together():
            return answer_for(self._ask_all, Question(self, (len(keys), *keys, *args), lasting))
        command = ("EVALSHA", self.sha, len(keys), *keys, *args)
        return self._connections.ask(lambda line: self._run(line, command, lasting))

    def tell(self, keys: Sequence[str], args: Sequence[EncodableT], heard: Callable[[Any], None]) -> None:
        """Have it run, and wait for nothing: half of what a round trip costs is to come back from it.

        It may be run a moment after what is asked next, for that may go by another connection. heard: gets the answer,
        or a ResponseError, when this one is used again or collect_answers() comes by. Raises redis.RedisError where it
        cannot be sent.
        """
        if self.known:
            self._connections.tell(Told(self, (len(keys), *keys, *args), heard))
            return
        # The server may have to be given it first.
        try:
            heard(self(keys, args))
        except ResponseError as refusal:
            heard(refusal)

    def _run(self, line: Line, command: tuple[EncodableT, ...], lasting: bool) -> Any:
        ask = lasting_answer if lasting and line.replaceable else _answer
        try:
            return ask(line, command)
        except NoScriptError:
            # Not loaded first: it may be forgotten between the two.
            return ask(line, ("EVAL", self.source, *command[2:]))
        finally:
            self.known = True


def _answer(line: Line, command: tuple[EncodableT, ...]) -> Any:
    line.send(command)
    return line.read()


class Bell:
    """A list of strokes: whoever waits takes one."""

    def __init__(self, redis: "Redis", key: str) -> None:
        self._redis = redis
        self._connections = connections_of(redis)
        self._key = key

    def wait(self, seconds: float) -> None:
        """Return with a stroke, or after so many seconds, less than the client's patience. Raises redis.RedisError."""
        self._connections.ask(lambda line: _answer(line, ("BLPOP", self._key, seconds)))


def script(redis: "Redis", name: str) -> StoredScript:
    """A script of this folder with the parts it stands on; loaded again where the server has forgotten it."""
    return StoredScript(redis, _source(name))


@cache
def _source(name: str) -> str:
    folder = files("app.storage") / "lua"
    return "\n".join((folder / f"{part}.lua").read_text() for part in (*_PARTS[name], name))
