"""Redis clients against servers that hang, go away and move."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from app.storage.connection import connect, connect_blocking
from app.storage.embedded import EmbeddedRedis
from app.storage.scripts import script
from tests.sentinels import a_sentinel


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A server of the test's own, to stop and kill."""
    with EmbeddedRedis(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def sentinel_url(tmp_path: Path) -> Iterator[str]:
    """A master with a password and two addresses of sentinels, of which only the second is alive."""
    with EmbeddedRedis(tmp_path / "master", tcp=True) as master, a_sentinel(tmp_path, master) as port:
        password = urlsplit(master.url).password
        yield f"redis+sentinel://:{password}@127.0.0.1:1,127.0.0.1:{port}/bots/3"


def test_the_web_client_gives_up_on_a_hung_server_in_little_more_than_a_second(server: EmbeddedRedis) -> None:
    with connect(server.url, for_web=True, max_connections=2) as client:
        client.ping()
        os.kill(server.pid, signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        assert time.monotonic() - began < 1.8


def test_the_web_client_gives_up_at_once_on_a_server_that_is_away(server: EmbeddedRedis) -> None:
    with connect(server.url, for_web=True, max_connections=2) as client:
        client.ping()
        server.stop()
        began = time.monotonic()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        assert time.monotonic() - began < 0.5


def test_the_web_client_works_again_after_a_restart(server: EmbeddedRedis) -> None:
    with connect(server.url, for_web=True, max_connections=2) as client:
        client.set("kept", 1)
        server.stop()
        server.start()
        assert client.get("kept") == b"1"


def test_the_workers_client_rides_out_a_restart(server: EmbeddedRedis) -> None:
    with connect(server.url, for_web=False, max_connections=2) as client:
        client.set("kept", 1)
        server.stop()
        restart = threading.Timer(0.5, server.start)
        restart.start()
        try:
            assert client.get("kept") == b"1"
        finally:
            restart.join()


def test_more_threads_than_connections_is_an_error_and_not_a_silent_wait(server: EmbeddedRedis) -> None:
    with connect(server.url, for_web=True, max_connections=1) as client, client.pubsub() as busy:
        busy.subscribe("channel")
        with pytest.raises(redis.MaxConnectionsError):
            client.ping()


def test_the_blocking_client_waits_longer_than_any_command_may_take(server: EmbeddedRedis) -> None:
    with connect_blocking(server.url, max_connections=2) as client:
        assert client.connection_pool.connection_kwargs["socket_timeout"] is None
        later = threading.Timer(0.7, lambda: client.rpush("queue", "job"))
        later.start()
        try:
            assert client.blpop(["queue"], timeout=5) == (b"queue", b"job")
        finally:
            later.join()


@pytest.mark.parametrize("for_web", [True, False], ids=["web", "worker"])
def test_a_sentinel_url_leads_to_its_master_past_a_sentinel_that_is_away(sentinel_url: str, for_web: bool) -> None:
    with connect(sentinel_url, for_web=for_web, max_connections=2) as client:
        client.set("kept", 1)
        assert client.get("kept") == b"1"
        assert client.client_info()["db"] == 3


def test_a_script_finds_the_master_and_finds_it_again_when_it_was_cut_off(sentinel_url: str) -> None:
    with connect(sentinel_url, for_web=True, max_connections=2) as client:
        hold = script(client, "hold_account")
        assert hold(args=[31000001, 1000]) is None
        client.client_kill_filter(skipme=True, _type="normal")
        assert hold(args=[31000001, 1000]) is None


def test_the_sentinel_is_believed_that_knows_of_the_latest_change(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("replaced", "present")]
    with ExitStack() as context:
        replaced, present = [context.enter_context(EmbeddedRedis(folder, tcp=True)) for folder in folders]
        ports = [
            context.enter_context(a_sentinel(*known)) for known in ((folders[0], replaced, 4), (folders[1], present, 5))
        ]
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        with connect(
            f"redis+sentinel://:{urlsplit(present.url).password}@{hosts}/bots/0", for_web=True, max_connections=1
        ) as client:
            assert client.config_get("port")["port"] == str(urlsplit(present.url).port)


def test_the_blocking_client_takes_a_sentinel_url_too(sentinel_url: str) -> None:
    with connect_blocking(sentinel_url, max_connections=2) as client:
        assert client.blpop(["queue"], timeout=1) is None
