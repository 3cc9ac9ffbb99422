"""Backup and restore as docs/en/operations.md tells them: what starts from the copy holds what the first Redis held.

While the copy is made, work goes on.
"""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis

from app.storage.embedded import EmbeddedRedis
from tests.redis_contents import everything_in
from tests.waiting import wait_until

SECONDS = 20.0
KEPT = "bytegpt:backup:test"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(tmp_path / "first") as server:
        with redis.Redis.from_url(server.url) as client:
            for number in range(2000):
                client.hset(f"{KEPT}:{number}", mapping={"record": "x" * 200, "number": number})
            client.zadd(f"{KEPT}:open", {str(number): number for number in range(500)})
        yield server


@contextmanager
def work_going_on(url: str) -> Iterator[None]:
    """Somebody who goes on writing."""
    over = threading.Event()

    def write() -> None:
        with redis.Redis.from_url(url) as client:
            number = 0
            while not over.is_set():
                number += 1
                client.rpush(f"{KEPT}:meanwhile", number)

    worker = threading.Thread(target=write)
    worker.start()
    try:
        yield
    finally:
        over.set()
        worker.join()


def lasting(url: str) -> bytes:
    """Everything but what is written while the copy is made."""
    with redis.Redis.from_url(url) as client:
        client.delete(f"{KEPT}:meanwhile")
        return b"\n".join(sorted(everything_in(client).split(b"\n")))


def assert_is_the_beginning_of_a_list(url: str) -> None:
    """What was written meanwhile is cut off somewhere, and has no hole."""
    with redis.Redis.from_url(url) as client:
        found = [int(number) for number in client.lrange(f"{KEPT}:meanwhile", 0, -1)]
    assert found == list(range(1, len(found) + 1))
    assert found


def copied_append_only_folder(server: EmbeddedRedis, target: Path) -> None:
    """No rewrite may run meanwhile: it would take away files that are being copied."""
    with redis.Redis.from_url(server.url) as client:
        before = client.config_get("auto-aof-rewrite-percentage")["auto-aof-rewrite-percentage"]
        client.config_set("auto-aof-rewrite-percentage", 0)
        wait_until(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0, SECONDS)
        shutil.copytree(server.data_dir / "appendonlydir", target / "appendonlydir")
        client.config_set("auto-aof-rewrite-percentage", before)


def copied_snapshot(server: EmbeddedRedis, target: Path) -> None:
    with redis.Redis.from_url(server.url) as client:
        earlier = client.lastsave()
        wait_until(lambda: datetime.now(UTC).timestamp() >= earlier.timestamp() + 1.01, SECONDS)  # it counts in seconds
        client.bgsave()
        wait_until(lambda: client.lastsave() > earlier, SECONDS)
    target.mkdir()
    shutil.copy(server.data_dir / "dump.rdb", target)


def started_from_append_only_folder(folder: Path) -> EmbeddedRedis:
    server = EmbeddedRedis(folder)
    server.start()
    return server


def started_from_snapshot(folder: Path) -> EmbeddedRedis:
    """First without an append-only file, else the empty one would count; then with one, made of what was loaded."""
    first = EmbeddedRedis(folder, arguments=["--appendonly", "no"])
    with first, redis.Redis.from_url(first.url) as client:
        client.config_set("appendonly", "yes")
        wait_until(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0, SECONDS)
        wait_until(lambda: client.info("persistence")["aof_last_bgrewrite_status"] == "ok", SECONDS)
        wait_until(lambda: client.info("persistence")["aof_rewrite_scheduled"] == 0, SECONDS)
    return started_from_append_only_folder(folder)


@pytest.mark.parametrize(
    ("copy", "start"),
    [(copied_append_only_folder, started_from_append_only_folder), (copied_snapshot, started_from_snapshot)],
    ids=["the append-only folder", "a snapshot"],
)
def test_a_redis_from_the_copy_holds_what_the_first_one_held(
    server: EmbeddedRedis,
    tmp_path: Path,
    copy: Callable[[EmbeddedRedis, Path], None],
    start: Callable[[Path], EmbeddedRedis],
) -> None:
    with work_going_on(server.url):
        with redis.Redis.from_url(server.url) as client:
            wait_until(lambda: client.exists(f"{KEPT}:meanwhile") == 1, SECONDS)
        copy(server, tmp_path / "copy")
    second = start(tmp_path / "copy")
    try:
        assert_is_the_beginning_of_a_list(second.url)
        assert lasting(second.url) == lasting(server.url)
    finally:
        second.stop()


def test_a_snapshot_beside_an_append_only_file_that_is_switched_on_is_not_loaded(
    server: EmbeddedRedis, tmp_path: Path
) -> None:
    """The trap that the instructions go round: it looks like a restore, and the service is empty."""
    copied_snapshot(server, tmp_path / "copy")
    with EmbeddedRedis(tmp_path / "copy") as second, redis.Redis.from_url(second.url) as client:
        assert client.dbsize() == 0
