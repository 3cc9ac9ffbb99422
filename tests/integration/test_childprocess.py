"""Child processes: how they end, and what they leave behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from queue import SimpleQueue

import pytest

from app.childprocess import ChildProcess
from tests.processes import is_alive
from tests.waiting import wait_until

SLEEP = "import signal; print('up', flush=True); signal.pause()"
# Starts a grandchild that ignores SIGTERM, tells its pid, and waits.
PARENT_OF_ONE = f"""
import subprocess, sys, signal
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.signal(15, signal.SIG_IGN); " + {SLEEP!r}])
print(child.pid, flush=True)
signal.pause()
"""


def python(program: str, **options: object) -> ChildProcess:
    return ChildProcess([sys.executable, "-c", program], **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("program", "code"),
    [("pass", 0), ("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", -9)],
    ids=["done", "exit code", "signal"],
)
def test_its_end_is_told_once_with_its_code(program: str, code: int) -> None:
    told: SimpleQueue[int] = SimpleQueue()
    child = python(program, on_exit=told.put)
    assert told.get(timeout=10) == code
    assert (told.empty(), child.returncode, child.wait(0)) == (True, code, True)


def test_it_reads_what_it_is_given_and_writes_where_it_is_told(tmp_path: Path) -> None:
    with (tmp_path / "output").open("wb") as output:
        child = python(
            "import sys; print(sys.stdin.read(), flush=True); print('!', file=sys.stderr)", stdin="Olá", output=output
        )
    assert child.wait(10)
    assert (tmp_path / "output").read_text().split() == ["Olá", "!"]


def test_a_program_that_cannot_be_executed_says_why(tmp_path: Path) -> None:
    with (tmp_path / "output").open("wb") as output:
        child = ChildProcess([str(tmp_path / "missing")], output=output)
    assert child.wait(10)
    assert child.returncode == 1
    assert "missing: No such file or directory" in (tmp_path / "output").read_text()


def test_it_has_a_session_of_its_own_so_ctrl_c_does_not_reach_it() -> None:
    child = python(SLEEP, output=subprocess.DEVNULL)
    try:
        wait_until(lambda: os.getsid(child.pid) == child.pid)
        assert os.getsid(child.pid) != os.getsid(0)
    finally:
        child.kill_group()


def test_killing_its_group_takes_its_own_children_along(tmp_path: Path) -> None:
    with (tmp_path / "output").open("wb") as output:
        child = python(PARENT_OF_ONE, output=output)
    wait_until(lambda: (tmp_path / "output").read_text().endswith("up\n"))
    grandchild = int((tmp_path / "output").read_text().split()[0])
    child.kill_group()
    assert child.wait(10)
    assert child.returncode == -signal.SIGKILL
    wait_until(lambda: not is_alive(grandchild))
    child.kill_group()
    child.send_signal(signal.SIGTERM)
