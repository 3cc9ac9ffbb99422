"""Orders to mortal_worker.py, and what it answers."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

PROGRAM = Path(__file__).with_name("mortal_worker.py")
END_SECONDS = 10.0
Fate = Literal["killed", "frozen"]
Source = Literal["queue", "calls"]
# How each end of a worker looks from outside.
EXITS = {"killed": -signal.SIGKILL, "frozen": None, "in peace": 0}


@dataclass(frozen=True, slots=True)
class Generation:
    """Workers that are released at once, one for each moment. source: where each takes its turn from."""

    moments: Sequence[int | str]
    source: Source = "queue"


@dataclass(frozen=True, slots=True)
class Life:
    """A worker that was to end at a moment of its first turn.

    turn: the id of that turn. trail: the moments it lived to see, its last one at the end. ended: `killed`, `frozen`,
    or `in peace` where its turn was over before its moment came, or it has been thawed.
    """

    moment: int | str
    turn: str
    ended: str
    trail: tuple[str, ...]


class Nursery:
    """Real worker processes that end themselves, and their successor; a context manager.

    An order whose answer does not come kills nobody's patience: the workers have an alarm of their own.
    """

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        """environment: of the workers. log: the file that gets what they print."""
        with log.open("wb") as output:
            self._program = subprocess.Popen(
                [sys.executable, str(PROGRAM)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                start_new_session=True,
            )

    def breed(self, generations: Sequence[Generation], *, fate: Fate, thin: bool) -> None:
        """Start a worker for each moment; returns when all wait to be released."""
        told = [{"moments": list(each.moments), "from": each.source} for each in generations]
        self._order("breed", generations=told, fate=fate, thin=thin)

    def release(self) -> list[Life]:
        """Let each take one turn and live as long as it may. An ordinary worker is started that lives after them."""
        return self._lives("release")

    def thaw(self) -> list[Life]:
        """Let the frozen ones go on to their end."""
        return self._lives("thaw")

    def stop(self) -> int:
        """Send SIGTERM to the ordinary worker and return its exit code."""
        code: int = self._order("stop")["exit"]
        return code

    def _lives(self, order: str) -> list[Life]:
        lives = self._order(order)["lives"]
        assert [life for life in lives if life["exit"] != EXITS[life["ended"]]] == []
        return [Life(life["moment"], life["turn"], life["ended"], tuple(life["trail"])) for life in lives]

    def _order(self, order: str, **details: Any) -> dict[str, Any]:
        orders, answers = self._program.stdin, self._program.stdout
        assert orders is not None
        assert answers is not None
        print(json.dumps({"order": order, **details}), file=orders, flush=True)
        line = answers.readline()
        assert line, "the program has ended; its log says why"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(ProcessLookupError):  # where it has ended by itself
            os.killpg(self._program.pid, signal.SIGKILL)
        self._program.communicate(timeout=END_SECONDS)
