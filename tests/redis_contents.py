"""Everything that stands in a Redis, as bytes in which a test can look for what must not be there."""

import re

import redis

from app.storage.sealing import Sealer

# A Fernet token: its version, 0x80, and the first zeros of its time.
_SEALED = re.compile(rb"gAAAA[A-Za-z0-9_-]+=*")


def everything_in(client: redis.Redis) -> bytes:
    """All keys and all their values. Not by DUMP: that compresses, and would hide what is looked for."""
    return b"\n".join(key + b" " + _value(client, key) for key in client.keys("*") if isinstance(key, bytes))


def everything_unsealed(client: redis.Redis, sealer: Sealer) -> bytes:
    """The same, and behind it all that was sealed in it, opened."""
    found = everything_in(client)
    return b"\n".join([found, *(sealer.unseal(sealed).encode() for sealed in _SEALED.findall(found))])


def _value(client: redis.Redis, key: bytes) -> bytes:
    match client.type(key):
        case b"string":
            return _flat(client.get(key))
        case b"hash":
            return _flat(client.hgetall(key))
        case b"set":
            return _flat(client.smembers(key))
        case b"list":
            return _flat(client.lrange(key, 0, -1))
        case b"zset":
            return _flat(client.zrange(key, 0, -1))
        case b"stream":
            return _flat(client.xrange(key))
        case b"none":
            return b""  # it has just ended
        case other:
            raise AssertionError(f"{key!r} is of a type this does not read: {other!r}")


def _flat(value: object) -> bytes:
    match value:
        case bytes():
            return value
        case dict():
            return b" ".join(_flat(part) for pair in value.items() for part in pair)
        case list() | set() | tuple():
            return b" ".join(_flat(part) for part in value)
        case other:
            return str(other).encode()
