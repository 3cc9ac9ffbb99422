"""What the demo prints: lines for people, at most 80 columns, with a moving line only on a terminal."""

import shutil
import sys
import textwrap
import threading
import time
from collections.abc import Iterable, Sequence

WIDTH = 80
_TICK_SECONDS = 0.2
_CLEAR = "\r\x1b[K"


class Stage:
    """Prints from many threads. On a terminal a last line tells what is waited for; elsewhere all is plain text."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._width = min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._waiting = ""
        self._ended = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> "Stage":
        if self._terminal:
            self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._terminal:
            self._ticker.join()
            self._write("")

    def say(self, text: str = "") -> None:
        """A line of its own."""
        self._write(f"{text}\n")

    def title(self, text: str) -> None:
        """The beginning of a part."""
        self.say()
        self.say(f"{text}\n{'-' * len(text)}")

    def told(self, who: str, arrow: str, to: str, text: str) -> None:
        """One message of a dialogue, folded to the width, with the seconds since the beginning."""
        head = f"{time.monotonic() - self._began:5.1f}s  {who:<6} {arrow} {to:<8} "
        body = textwrap.wrap(text or "(sem texto)", max(20, self._width - len(head))) or [""]
        lines = [head + body[0], *(" " * len(head) + line for line in body[1:])]
        self.say("\n".join(lines))

    def aside(self, text: str) -> None:
        """What the client does not see."""
        indent = " " * 8
        self.say("\n".join(textwrap.wrap(text, self._width, initial_indent=indent, subsequent_indent=indent)))

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Columns of plain text; numbers to the right."""
        lines = [[str(heading) for heading in headings], *([str(cell) for cell in row] for row in rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
        for number, line in enumerate(lines):
            cells = [
                cell.rjust(width) if number and cell.replace(".", "").isdigit() else cell.ljust(width)
                for cell, width in zip(line, widths, strict=True)
            ]
            self.say("  ".join(cells).rstrip())

    def waiting(self, what: str) -> None:
        """What is being waited for; "" for nothing."""
        self._waiting = what

    def _tick(self) -> None:
        while not self._ended.wait(_TICK_SECONDS):
            if self._waiting:
                seconds = time.monotonic() - self._began
                self._write(f"{seconds:5.1f}s  … {self._waiting}"[: self._width - 1])

    def _write(self, text: str) -> None:
        with self._lock:
            sys.stdout.write((_CLEAR if self._terminal else "") + text)
            sys.stdout.flush()
