"""The supervisor with real processes: a parent under test and small children that write down what happens to them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from tests.processes import is_alive
from tests.waiting import wait_until

# argv: journal, name, what to do after the start, seconds that stopping takes.
CHILD = """
import os, signal, sys, time
journal, name, behaviour, stop_seconds = sys.argv[1:]

def note(what):
    line = f"{name} {what} {os.getpid()}\\n".encode()
    file = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line)
    os.close(file)

def stop(*_):
    note("stopping")
    time.sleep(float(stop_seconds))
    note("stopped")
    sys.exit(0)

signal.signal(signal.SIGTERM, signal.SIG_IGN if behaviour == "deaf" else stop)
note("started")
if behaviour.startswith("exit"):
    sys.exit(int(behaviour.removeprefix("exit")))
while True:
    time.sleep(0.1)
"""

# argv: journal, stages of [name, behaviour, stop_seconds, patience] as JSON, file that makes it ready.
PARENT = """
import json, os, signal, sys
from app.cli.supervisor import Program, Supervisor
from config.logs import configure_logs
configure_logs("INFO", "json")
journal, stages, ready = sys.argv[1:]
# The tests may run under nohup.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
supervisor = Supervisor(
    [
        [
            Program(name, (sys.executable, "-c", CHILD, journal, name, behaviour, seconds), dict(os.environ), patience)
            for name, behaviour, seconds, patience in stage
        ]
        for stage in json.loads(stages)
    ],
    is_ready=lambda: os.path.exists(ready),
    when_ready=lambda: print("ready", flush=True),
)
sys.exit(supervisor.run())
""".replace("CHILD", repr(CHILD))

# A signal that another thread gets, while the supervisor waits: nothing cuts that wait short.
ELSEWHERE = """
import os, signal, sys, threading
from app.cli.supervisor import Program, Supervisor
main = threading.get_ident()

def signal_ourselves():
    while sys._current_frames()[main].f_code.co_name != "_take_events":
        pass
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

program = Program("web", (sys.executable, "-c", "import signal; signal.sigwait([])"), dict(os.environ), 5.0)
sys.exit(Supervisor([[program]], when_ready=threading.Thread(target=signal_ourselves).start).run())
"""

Stage = list[tuple[str, str, str, float]]


class Journal:
    """What the children wrote: lines of `name event pid`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def events(self) -> list[str]:
        return [line.rpartition(" ")[0] for line in self._lines()]

    def pids(self, name: str) -> list[int]:
        return [int(line.split()[2]) for line in self._lines() if line.startswith(f"{name} started")]

    def wait_for(self, event: str, times: int = 1) -> None:
        wait_until(lambda: self.events().count(event) >= times)

    def _lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []


@contextmanager
def supervised(
    folder: Path, stages: list[Stage], *, ready: bool = True
) -> Iterator[tuple[subprocess.Popen[str], Journal]]:
    """A supervisor over such children; whatever is left of them is killed in the end."""
    journal = Journal(folder / "journal")
    if ready:
        (folder / "ready").touch()
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(journal.path), json.dumps(stages), str(folder / "ready")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as parent:
        try:
            yield parent, journal
        finally:
            parent.kill()
            for stage in stages:
                for name, *_ in stage:
                    for pid in journal.pids(name):
                        kill(pid)


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def finish(parent: "subprocess.Popen[str]") -> tuple[int, list[dict[str, object]]]:
    """Wait for the supervisor's end; its exit code and its log."""
    _, errors = parent.communicate(timeout=20)
    return parent.returncode, [json.loads(line) for line in errors.splitlines()]


def has_ended_after_another_sigint(parent: "subprocess.Popen[str]") -> bool:
    parent.send_signal(signal.SIGINT)
    return parent.poll() is not None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_one_signal_stops_stage_after_stage_and_waits_for_each(tmp_path: Path, number: signal.Signals) -> None:
    stages: list[Stage] = [[("web", "run", "0.3", 5)], [("one", "run", "0.3", 5), ("two", "run", "0.1", 5)]]
    with supervised(tmp_path, stages) as (parent, journal):
        for name in ("web", "one", "two"):
            journal.wait_for(f"{name} started")
        parent.send_signal(number)
        code, _ = finish(parent)
    assert code == 0
    events = journal.events()
    assert events.index("web stopped") < min(events.index("one stopping"), events.index("two stopping"))
    # Both were asked at once, so the quicker one is not kept waiting by the other.
    assert events.index("two stopping") < events.index("one stopped")


def test_a_signal_that_does_not_cut_the_wait_short_is_heard_all_the_same() -> None:
    done = subprocess.run([sys.executable, "-c", ELSEWHERE], timeout=20, check=False)
    assert done.returncode == 0


def test_the_last_stage_starts_first(tmp_path: Path) -> None:
    with supervised(tmp_path, [[("web", "run", "0", 5)], [("worker", "run", "0", 5)]]) as (_, journal):
        journal.wait_for("web started")
        journal.wait_for("worker started")
        assert journal.pids("worker")[0] < journal.pids("web")[0]


def test_it_says_once_that_it_is_ready(tmp_path: Path) -> None:
    with supervised(tmp_path, [[("web", "run", "0", 5)]], ready=False) as (parent, journal):
        journal.wait_for("web started")
        (tmp_path / "ready").touch()
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        parent.terminate()
        assert parent.communicate(timeout=10)[0] == ""


def test_a_child_that_dies_is_restarted_and_its_fault_is_logged(tmp_path: Path) -> None:
    with supervised(tmp_path, [[("web", "run", "0", 5)], [("worker", "run", "0", 5)]]) as (parent, journal):
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        journal.wait_for("worker started")
        os.kill(journal.pids("worker")[0], signal.SIGKILL)
        journal.wait_for("worker started", times=2)
        parent.terminate()
        code, log = finish(parent)
    assert code == 0
    assert journal.events().count("web started") == 1
    deaths = [line for line in log if line["event"] == "child_died"]
    assert [(line["child"], line["exit"]) for line in deaths] == [("worker", "signal SIGKILL")]


def test_restarts_come_further_and_further_apart(tmp_path: Path) -> None:
    with supervised(tmp_path, [[("worker", "exit0", "0", 5)]]) as (parent, journal):
        journal.wait_for("worker started", times=3)
        parent.terminate()
        code, log = finish(parent)
    assert code == 0
    restarts = [str(line["timestamp"]) for line in log if line["event"] in ("child_died", "child_restarted")]
    waits = [seconds_between(*restarts[index : index + 2]) for index in (0, 2)]
    assert 0.4 < waits[0] < waits[1]


def seconds_between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


@pytest.mark.parametrize(
    ("behaviour", "code"), [("exit1", 1), ("exit0", 1), ("exit2", 2)], ids=["fault", "no reason", "settings wrong"]
)
def test_a_child_that_dies_before_all_is_ready_ends_everything(tmp_path: Path, behaviour: str, code: int) -> None:
    stages: list[Stage] = [[("web", behaviour, "0", 5)], [("worker", "run", "0", 5)]]
    with supervised(tmp_path, stages, ready=False) as (parent, journal):
        assert finish(parent)[0] == code
        wait_until(lambda: not any(is_alive(pid) for pid in journal.pids("worker")))


def test_a_child_that_finds_its_settings_wrong_is_not_restarted(tmp_path: Path) -> None:
    with supervised(tmp_path, [[("web", "run", "0", 5), ("late", "exit2", "0", 5)]]) as (parent, journal):
        assert finish(parent)[0] == 2
    assert journal.events().count("late started") == 1


def test_a_child_that_does_not_stop_in_its_time_is_killed(tmp_path: Path) -> None:
    with supervised(tmp_path, [[("web", "deaf", "0", 0.5)], [("worker", "run", "0", 5)]]) as (parent, journal):
        journal.wait_for("web started")
        journal.wait_for("worker started")
        parent.terminate()
        code, log = finish(parent)
    assert code == 1
    assert [line["child"] for line in log if line["event"] == "child_killed"] == ["web"]
    assert journal.events()[-1] == "worker stopped"


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    with supervised(tmp_path, [[("web", "run", "60", 120)], [("worker", "run", "60", 120)]]) as (parent, journal):
        journal.wait_for("web started")
        journal.wait_for("worker started")
        parent.send_signal(signal.SIGINT)
        journal.wait_for("web stopping")
        # The same Ctrl-C, passed on by make or timeout, counts once: so it takes until a later one is heard.
        wait_until(lambda: has_ended_after_another_sigint(parent))
        assert finish(parent)[0] == 1
        wait_until(lambda: not any(is_alive(pid) for name in ("web", "worker") for pid in journal.pids(name)))


def test_a_ctrl_c_that_arrives_twice_at_once_is_still_an_orderly_stop(tmp_path: Path) -> None:
    with supervised(tmp_path, [[("web", "run", "0.5", 5)]]) as (parent, journal):
        journal.wait_for("web started")
        parent.send_signal(signal.SIGINT)
        journal.wait_for("web stopping")
        parent.send_signal(signal.SIGINT)
        assert finish(parent)[0] == 0
    assert journal.events()[-1] == "web stopped"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent has died")
def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    with supervised(tmp_path, [[("web", "run", "60", 5)]]) as (parent, journal):
        journal.wait_for("web started")
        parent.kill()
        wait_until(lambda: not is_alive(journal.pids("web")[0]))
