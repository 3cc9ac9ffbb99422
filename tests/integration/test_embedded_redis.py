"""EmbeddedRedis with real servers."""

import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.storage.embedded import EmbeddedRedis, EmbeddedRedisError, running_url, server_binary
from tests.processes import is_alive
from tests.waiting import wait_until

# Loads so slowly (2 ms a key) that a client meets the server while it still loads.
SLOW_LOADING = ["--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024"]
EVERY_WRITE_ON_DISK = ["--appendfsync", "always"]

# A parent that starts a server in a thread, which ends, and then waits to be killed.
PARENT = """
import sys, threading, time
from pathlib import Path
from app.storage.embedded import EmbeddedRedis
server = EmbeddedRedis(Path(sys.argv[1]))
starter = threading.Thread(target=server.start)
starter.start()
starter.join()
print(server.pid, flush=True)
sys.stdin.read()
"""


def client_of(server: EmbeddedRedis) -> redis.Redis:
    return redis.Redis.from_url(server.url)


@pytest.mark.parametrize(
    ("name", "value"),
    [("appendonly", "yes"), ("appendfsync", "everysec"), ("save", ""), ("maxmemory-policy", "noeviction")],
)
def test_the_server_keeps_everything_and_evicts_nothing(redis_client: redis.Redis, name: str, value: str) -> None:
    assert redis_client.config_get(name)[name] == value


def test_data_and_address_survive_an_orderly_restart(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path)
    with server, client_of(server) as client:
        first_url = server.url
        client.set("kept", "1")
    with server, client_of(server) as client:
        assert server.url == first_url
        assert client.get("kept") == b"1"


def test_what_reached_the_disk_survives_a_killed_server(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path, arguments=EVERY_WRITE_ON_DISK)
    with server:
        with client_of(server) as client:
            client.set("kept", "1")
        server.kill()
        server.start()
        with client_of(server) as client:
            assert client.get("kept") == b"1"


def test_start_waits_until_the_data_are_loaded(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as server, client_of(server) as client:
        client.mset({f"key:{number}": "x" * 100 for number in range(200)})
        for number in range(200):
            client.set(f"key:{number}", number)
    with EmbeddedRedis(tmp_path, arguments=SLOW_LOADING) as server, client_of(server) as client:
        assert client.info("persistence")["loading"] == 0
        assert client.dbsize() == 200


def test_a_server_that_takes_too_long_to_load_is_stopped_and_named(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as server, client_of(server) as client:
        for number in range(2000):
            client.set(f"key:{number}", number)
    slow = EmbeddedRedis(tmp_path, arguments=SLOW_LOADING, start_seconds=0.3)
    with pytest.raises(EmbeddedRedisError, match="has not loaded"):
        slow.start()
    with pytest.raises(EmbeddedRedisError, match="not running"):
        _ = slow.pid


def test_a_directory_in_use_is_refused_and_the_first_server_stays(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as server:
        with pytest.raises(EmbeddedRedisError, match="in use by another Redis server"):
            EmbeddedRedis(tmp_path).start()
        with client_of(server) as client:
            assert client.ping()


def test_the_directory_is_free_again_after_stop(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path):
        pass
    with EmbeddedRedis(tmp_path) as server, client_of(server) as client:
        assert client.ping()


def test_a_long_path_puts_only_the_socket_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / "data"
    with EmbeddedRedis(deep) as server, client_of(server) as client:
        assert client.ping()
        assert (deep / "appendonlydir").is_dir()
        assert str(deep) not in server.url


def test_the_tcp_server_wants_its_password(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path, tcp=True) as server, client_of(server) as client:
        assert client.ping()
        port = client.connection_pool.connection_kwargs["port"]
        with redis.Redis(port=port, retry=Retry(NoBackoff(), 0)) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()


@pytest.mark.skipif(sys.platform != "linux", reason="reads the process table of Linux")
def test_the_password_is_not_in_the_process_table(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path, tcp=True) as server:
        password = urlsplit(server.url).password
        assert password
        arguments = Path(f"/proc/{server.pid}/cmdline").read_text()
        assert "127.0.0.1" in arguments
        assert password not in arguments


def test_a_server_that_refuses_its_arguments_is_reported_with_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedRedisError, match="no-such-option"):
        EmbeddedRedis(tmp_path, arguments=["--no-such-option", "1"]).start()


def test_others_find_the_running_server_and_only_that(tmp_path: Path) -> None:
    assert running_url(tmp_path) is None
    with EmbeddedRedis(tmp_path) as server:
        assert running_url(tmp_path) == server.url
    assert running_url(tmp_path) is None


def test_an_address_left_by_a_crash_is_not_taken_for_a_server(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as server:
        server_url = server.url
    (tmp_path / "redis.url").write_text(server_url)
    assert running_url(tmp_path) is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent has died")
def test_the_server_dies_with_a_killed_parent_but_not_with_the_thread_that_started_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        try:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            url = running_url(tmp_path)
            assert url is not None
            with redis.Redis.from_url(url) as client:
                assert client.ping()
        finally:
            parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not is_alive(pid))
    with EmbeddedRedis(tmp_path) as successor, client_of(successor) as client:
        assert client.ping()


@pytest.mark.parametrize(
    ("name", "printed", "taken"),
    [
        ("redis-server", "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", True),
        ("redis-server", "Redis server v=6.2.0 sha=00000000:0 malloc=libc bits=64", True),
        ("redis-server", "Redis server v=6.0.16 sha=00000000:0 malloc=libc bits=64", False),
        ("valkey-server", "Valkey server v=8.1.1 sha=00000000:0 malloc=libc bits=64", True),
        ("redis-server", "something else", False),
    ],
)
def test_an_installed_server_comes_first_unless_it_is_too_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, printed: str, taken: bool
) -> None:
    installed = tmp_path / name
    installed.write_text(f"#!/bin/sh\necho '{printed}'\n")
    installed.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (server_binary() == str(installed)) is taken
