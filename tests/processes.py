"""Looking at processes in tests."""

import os
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Whether that process still runs; one that has ended and waits to be collected does not."""
    state = Path(f"/proc/{pid}/stat")  # on Linux
    try:
        os.kill(pid, 0)
        return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
