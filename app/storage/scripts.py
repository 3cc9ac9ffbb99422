"""The Lua scripts of this folder, each with the parts it stands on."""

from importlib.resources import files

from redis import Redis
from redis.commands.core import Script

_PARTS = {
    "accept": ("queue", "ledger", "usage"),
    "claim": ("queue",),
    "advance": ("queue", "ledger", "usage"),
    "sweep": ("queue",),
    "renew": ("queue",),
    "give_back": ("queue",),
    "recount": ("ledger",),
    "pace": (),
    "take_note": (),
}


def script(redis: "Redis", name: str) -> Script:
    """The script as redis-py runs it: by its hash, loaded again where the server has forgotten it."""
    folder = files("app.storage") / "lua"
    return redis.register_script("\n".join((folder / f"{part}.lua").read_text() for part in (*_PARTS[name], name)))
