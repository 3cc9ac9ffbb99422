"""Which addresses belong to the console, and which of them a visitor may be sent to."""

import re

from flask import Request

PREFIX = "/console"
LOGIN_PATH = f"{PREFIX}/login"
INDEX_PATH = f"{PREFIX}/"

# Characters of a URL that browsers read as we do; no backslash, no control character, no fragment.
_ONE = r"(?:[\w.~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})"
_TARGET = re.compile(rf"{PREFIX}/{_ONE}*(?:\?(?:{_ONE}|\?)*)?", re.ASCII)
_LONGEST_TARGET = 2000


def in_console(path: str) -> bool:
    """Whether a path is one of the console's, whether or not there is anything at it."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def safe_target(wanted: str | None) -> str:
    """A page of the console to go to: the wanted one, or the first where that leads elsewhere or nowhere."""
    if wanted is None or len(wanted) > _LONGEST_TARGET or not _TARGET.fullmatch(wanted):
        return INDEX_PATH
    path = wanted.partition("?")[0]
    leaves = ".." in path.replace("%2e", ".").replace("%2E", ".").split("/")
    return INDEX_PATH if leaves else wanted


def target_of_login(wanted: str | None) -> str:
    """Where to go after the login: as safe_target, but never to the login again."""
    target = safe_target(wanted)
    return INDEX_PATH if target.partition("?")[0] == LOGIN_PATH else target


def here(request: Request) -> str:
    """The address of this request, for coming back to it: the first page where it was no plain look."""
    if request.method not in ("GET", "HEAD"):
        return INDEX_PATH
    return safe_target(request.full_path.removesuffix("?"))
