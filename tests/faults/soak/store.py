"""Redis killed, restarted, frozen, and out of memory."""

import os
import signal
from random import Random

from tests.faults.soak.books import Allowed
from tests.faults.soak.kind import Kind
from tests.faults.soak.scene import Scene

LONGEST_ABSENCE, LONGEST_FREEZE, LONGEST_FULL = 1.5, 10.0, 3.0


def kill_redis(scene: Scene, dice: Random) -> None:
    """What was written stands in the page cache of the kernel, which outlives the process."""
    scene.mark()
    scene.stack.server.kill()
    scene.linger(dice, LONGEST_ABSENCE)
    scene.stack.server.start()


def kill_redis_that_syncs_always(scene: Scene, dice: Random) -> None:
    scene.stack.redis.config_set("appendfsync", "always")
    scene.linger(dice, 1.5, 0.5)
    kill_redis(scene, dice)


def stop_redis(scene: Scene, dice: Random) -> None:
    scene.mark()
    scene.stack.server.stop()
    scene.linger(dice, LONGEST_ABSENCE)
    scene.stack.server.start()


def freeze_redis(scene: Scene, dice: Random) -> None:
    scene.mark()
    os.kill(scene.stack.server.pid, signal.SIGSTOP)
    scene.linger(dice, LONGEST_FREEZE)
    os.kill(scene.stack.server.pid, signal.SIGCONT)


def fill_memory(scene: Scene, dice: Random) -> None:
    """Every command that needs memory is refused until the limit is raised."""
    scene.mark()
    scene.stack.redis.config_set("maxmemory", 1_000_000)
    scene.linger(dice, LONGEST_FULL)
    scene.stack.redis.config_set("maxmemory", 0)


# One outage after the other may leave a turn no time.
LATE = Allowed(late=True)

STORE = (
    Kind("redis-kill", "SIGKILL of Redis, `everysec`", kill_redis, 40, batch=8, allowed=LATE),
    Kind("redis-kill-always", "SIGKILL of Redis, `always`", kill_redis_that_syncs_always, 20, batch=5, allowed=LATE),
    Kind("redis-restart", "restart of Redis", stop_redis, 15, batch=5, allowed=LATE),
    Kind("redis-freeze", "SIGSTOP of Redis, up to 10 s", freeze_redis, 8, batch=2, apart=1.0, allowed=LATE),
    Kind("redis-memory", "`maxmemory` reached", fill_memory, 20, batch=5, allowed=LATE),
)
