"""What may be shown of a traceback: where an error was raised and of which kind it is, never what its text says."""

import re

_BEGIN = "Traceback (most recent call last):"
_BETWEEN = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
# No spaces in path and function: a message that imitates a frame cannot carry a sentence through.
_FRAME = re.compile(r'  File "[\w./<>@+~-]{1,300}", line \d{1,7}, in [\w.<>]{1,100}')
_KIND = re.compile(r"(?:[^\W\d]\w*\.)*[^\W\d]\w*(?=:|$)")
# What RQ writes where a job's worker was lost.
_MOVED = re.compile(r"Moved to \w+, due to \w+, at [\d :.+-]+")


def without_texts(traceback: str) -> str:
    """The frames and the kinds of error of a traceback as Python prints it; empty where nothing of it may be shown."""
    told: list[str] = []
    in_message = False
    for line in traceback.splitlines():
        if line == _BEGIN or line in _BETWEEN:
            in_message = False
            told.append(line)
        elif in_message:
            continue
        elif _FRAME.fullmatch(line) or _MOVED.fullmatch(line):
            told.append(line)
        elif line and not line.startswith(" "):
            in_message = True
            if kind := _KIND.match(line):
                told.append(kind[0])
    return "\n".join(told)
