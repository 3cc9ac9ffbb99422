"""Sees where this process wants to connect to, whichever library asks the operating system for it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_SEEN: list[str] = []
_watching = False


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if not _watching:
        return
    if event == "socket.getaddrinfo":
        _SEEN.append(str(arguments[0]))
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        _SEEN.append(str(arguments[1][0]))


sys.addaudithook(_hear)  # cannot be taken away again, so it is only heard while somebody asks


@contextmanager
def watched() -> Iterator[list[str]]:
    """The hosts that are looked up or connected to meanwhile; sockets of this machine's file system do not count."""
    global _watching  # noqa: PLW0603 - the hook has no other way to know
    _SEEN.clear()
    _watching = True
    try:
        yield _SEEN
    finally:
        _watching = False
