"""The Lua scripts of this folder, each with the parts it stands on."""

from importlib.resources import files

from redis import Redis
from redis.commands.core import Script

_MONEY = ("ledger", "boosts", "month")
_PARTS = {
    "accept": ("queue", *_MONEY, "usage"),
    "claim": ("queue",),
    "advance": ("queue", *_MONEY, "usage"),
    "sweep": ("queue",),
    "renew": ("queue",),
    "give_back": ("queue",),
    "recount": _MONEY,
    "boost_add": _MONEY,
    "boost_void": _MONEY,
    "pace": (),
    "take_note": (),
}


def script(redis: "Redis", name: str) -> Script:
    """The script as redis-py runs it: by its hash, loaded again where the server has forgotten it."""
    folder = files("app.storage") / "lua"
    return redis.register_script("\n".join((folder / f"{part}.lua").read_text() for part in (*_PARTS[name], name)))
