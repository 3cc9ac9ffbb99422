"""A disk that is full under the append-only file of Redis."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

from app.storage.embedded import EmbeddedRedis
from sandbox.stack import Stack
from tests.faults.soak.kind import Kind
from tests.faults.soak.scene import SETTINGS, Scene, kommo, openai, service
from tests.faults.soak.store import LATE

SIZE = "96m"
LONGEST_FULL = 4.0
END_SECONDS = 10.0
_PIECE = bytes(1 << 16)


def why_no_disk() -> str | None:
    """Why no small disk can be made here."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs Linux, and root to mount a small tmpfs"
    return None


@contextmanager
def disk_scene(directory: Path, rate: float) -> Iterator[Scene]:
    """A service whose Redis writes to a small file system of its own."""
    disk = directory / "disk"
    disk.mkdir()
    with ExitStack() as context:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(disk)], check=True)
        context.callback(subprocess.run, ["umount", "--lazy", str(disk)], check=True)
        server = EmbeddedRedis(disk / "redis")
        stack = context.enter_context(
            Stack(directory, kommo=kommo(), openai=openai(), server=server, settings=SETTINGS)
        )
        yield context.enter_context(service(stack, rate))


def fill_disk(scene: Scene, dice: Random) -> None:
    """Redis keeps what it could not write in memory, refuses to write anything more, and goes on when there is room."""
    scene.mark()
    ballast = _filled(scene)
    scene.linger(dice, LONGEST_FULL)
    ballast.unlink()


def fill_disk_that_syncs_always(scene: Scene, dice: Random) -> None:
    """Redis ends itself, and is started again when there is room."""
    scene.stack.redis.config_set("appendfsync", "always")
    scene.mark()
    ballast = _filled(scene)
    scene.linger(dice, LONGEST_FULL)
    ballast.unlink()
    scene.stack.server.kill()
    scene.stack.server.start()


def _filled(scene: Scene) -> Path:
    ballast = scene.stack.server.data_dir.parent / "ballast"
    with ballast.open("wb", buffering=0) as file:
        piece = _PIECE
        while piece:
            try:
                file.write(piece)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                piece = piece[: len(piece) // 2]
    return ballast


DISK = (
    Kind("disk-full", "disk full, `everysec`", fill_disk, 10, 3, 2.0, LATE, disk_scene, why_no_disk),
    Kind(
        "disk-full-always", "disk full, `always`", fill_disk_that_syncs_always, 6, 2, 2.0, LATE, disk_scene, why_no_disk
    ),
)
