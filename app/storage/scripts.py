"""The Lua scripts of this folder, each with the parts it stands on."""

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from redis import Redis
from redis.exceptions import NoScriptError
from redis.typing import EncodableT

_MONEY = ("ledger", "boosts", "month")
_QUEUE = ("fair", "queue", "jobs", "holding")
_PARTS = {
    "accept": ("fair", "queue", *_MONEY, "contact", "usage"),
    "replay": ("fair", "queue", *_MONEY, "contact"),
    "take": _QUEUE,
    "claim": _QUEUE,
    "depart": (*_QUEUE, "pacing"),
    "advance": (*_QUEUE, "pacing", "gates", *_MONEY, "usage"),
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
    "forget_turns": (),
    "forget_counters": (),
    "remove_begin": (),
    "remove_turns": (),
    "remove_keys": (),
    "erase_texts": (),
}


class StoredScript:
    """A Lua script that the server keeps, run by its hash. Safe to use from many threads.

    It speaks over the client's own pool and retries as the client does. redis-py's own way there (`Script`, `evalsha`,
    `execute_command`) costs as much CPU as all the rest of a round trip, and a turn is made of round trips.
    """

    def __init__(self, redis: "Redis", source: str) -> None:
        self._pool: Any = redis.connection_pool
        self.source = source
        self.sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[str] = (), args: Sequence[EncodableT] = ()) -> Any:
        """Run it and return what it answers. Raises redis.RedisError."""
        connection = self._pool.get_connection()
        command = ("EVALSHA", self.sha, len(keys), *keys, *args)
        try:
            return connection.retry.call_with_retry(
                lambda: self._run(connection, command), lambda _: connection.disconnect()
            )
        finally:
            self._pool.release(connection)

    def _run(self, connection: Any, command: tuple[EncodableT, ...]) -> Any:
        connection.send_command(*command)
        try:
            return connection.read_response()
        except NoScriptError:
            connection.send_command("SCRIPT LOAD", self.source)
            connection.read_response()
            connection.send_command(*command)
            return connection.read_response()


def script(redis: "Redis", name: str) -> StoredScript:
    """A script of this folder with the parts it stands on; loaded again where the server has forgotten it."""
    folder = files("app.storage") / "lua"
    return StoredScript(redis, "\n".join((folder / f"{part}.lua").read_text() for part in (*_PARTS[name], name)))
