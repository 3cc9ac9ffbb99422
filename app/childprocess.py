"""Child processes that do not outlive us, even when we are killed with SIGKILL."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import IO

# Runs in the child before the program itself: asks Linux for a signal when its parent dies (prctl(2),
# PR_SET_PDEATHSIG, which exec keeps), looks whether that has happened already, and becomes the program.
_TETHER = """
import os, sys
parent, parent_death_signal, *argv = sys.argv[1:]
if sys.platform == "linux":
    import ctypes
    if ctypes.CDLL(None, use_errno=True).prctl(1, int(parent_death_signal), 0, 0, 0) != 0:
        sys.exit("prctl: " + os.strerror(ctypes.get_errno()))
    if os.getppid() != int(parent):
        sys.exit("the parent is gone")
try:
    os.execvp(argv[0], argv)
except OSError as error:
    sys.exit(argv[0] + ": " + error.strerror)
"""


class ChildProcess:
    """One child in a session of its own: a Ctrl-C in the terminal reaches it only through us.

    On Linux it gets `parent_death_signal` when this process dies, however that happens. macOS has nothing of the
    kind: there a SIGKILL of this process leaves its children running.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        stdin: str = "",
        output: int | IO[bytes] | None = None,
        inherit: Collection[int] = (),
        parent_death_signal: signal.Signals = signal.SIGKILL,
        on_exit: Callable[[int], None] | None = None,
    ) -> None:
        """Start it.

        output: where its stdout and stderr go; None: to ours.
        inherit: file descriptors it keeps.
        on_exit: called in another thread with its return code, negative where a signal ended it.
        Raises OSError where no process can be started; a program that cannot be executed ends with code 1.
        """
        tethered = [sys.executable, "-I", "-S", "-c", _TETHER, str(os.getpid()), str(int(parent_death_signal)), *argv]
        self._started = threading.Event()
        self._ended = threading.Event()
        self._failure: OSError | None = None
        # Linux sends the signal when the *thread* that started the child ends, so one thread starts it and stays.
        threading.Thread(
            target=self._run,
            args=(tethered, environment, stdin, output, tuple(inherit), on_exit),
            name=f"child {os.path.basename(argv[0])}",
            daemon=True,
        ).start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure

    def _run(
        self,
        argv: list[str],
        environment: Mapping[str, str] | None,
        stdin: str,
        output: int | IO[bytes] | None,
        inherit: tuple[int, ...],
        on_exit: Callable[[int], None] | None,
    ) -> None:
        try:
            self._process = subprocess.Popen(
                argv,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=None if output is None else subprocess.STDOUT,
                pass_fds=inherit,
                start_new_session=True,
            )
        except OSError as error:
            self._failure = error
            return
        finally:
            self._started.set()
        self._process.communicate(stdin.encode())
        self._ended.set()
        if on_exit is not None:
            on_exit(self._process.returncode)

    @property
    def pid(self) -> int:
        """Its process id, which is also the id of its process group."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs."""
        return self._process.returncode if self._ended.is_set() else None

    def wait(self, seconds: float) -> bool:
        """Wait until it has ended, at most so long, and say whether it has."""
        return self._ended.wait(seconds)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process itself; nothing happens when it has ended."""
        if not self._ended.is_set():
            self._process.send_signal(number)

    def kill_group(self) -> None:
        """End it and everything it has started in its session, at once."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # macOS: EPERM where only zombies are left
            return
