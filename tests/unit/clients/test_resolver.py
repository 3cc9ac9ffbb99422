import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from app.clients import resolver
from app.clients.resolver import Resolver

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", 443))]


class NameServer:
    """Stands in for the operating system's lookups, which no test may depend on."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers = threading.Event()
        self.answers.set()
        self.result: Any = FOUND

    def __call__(self, host: str, port: int, **_: Any) -> Any:
        self.asked += 1
        self.answers.wait()
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> NameServer:
    server = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", server)
    return server


def test_addresses_are_remembered(names: NameServer) -> None:
    known = Resolver()
    assert known.addresses("api.example", 443, 5.0) == ("192.0.2.7",)
    assert known.addresses("api.example", 443, 5.0) == ("192.0.2.7",)
    assert names.asked == 1


def test_addresses_are_looked_up_again_when_they_are_old(names: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    known = Resolver()
    known.addresses("api.example", 443, 5.0)
    monkeypatch.setattr(resolver, "KEPT_SECONDS", 0.0)
    known.addresses("api.example", 443, 5.0)
    assert names.asked == 2


def test_addresses_are_looked_up_again_when_none_of_them_answered(names: NameServer) -> None:
    known = Resolver()
    known.addresses("api.example", 443, 5.0)
    known.forget("api.example", 443)
    known.forget("never.asked", 443)
    known.addresses("api.example", 443, 5.0)
    assert names.asked == 2


def test_a_failure_is_not_remembered(names: NameServer) -> None:
    known = Resolver()
    names.result = socket.gaierror(socket.EAI_NONAME, "unknown")
    with pytest.raises(socket.gaierror, match="unknown"):
        known.addresses("api.example", 443, 5.0)
    names.result = FOUND
    assert known.addresses("api.example", 443, 5.0) == ("192.0.2.7",)


def test_a_malformed_name_is_a_failure_like_any_other(names: NameServer) -> None:
    names.result = UnicodeError("label empty or too long")
    with pytest.raises(socket.gaierror):
        Resolver().addresses("x" * 64, 443, 5.0)


def test_nobody_waits_longer_than_they_want(names: NameServer) -> None:
    known = Resolver()
    names.answers.clear()
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        known.addresses("api.example", 443, 0.05)
    assert time.monotonic() - begun < 5.0
    names.answers.set()
    assert known.addresses("api.example", 443, 5.0) == ("192.0.2.7",)
    assert names.asked == 1, "the lookup that hung served the next caller"


def test_everyone_who_wants_a_host_waits_for_the_same_lookup(names: NameServer) -> None:
    known = Resolver()
    names.answers.clear()
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(known.addresses, "api.example", 443, 10.0) for _ in range(8)]
        names.answers.set()
        assert {one.result() for one in waiting} == {("192.0.2.7",)}
    assert names.asked == 1


def test_each_address_is_given_once(names: NameServer) -> None:
    names.result = FOUND * 2
    assert Resolver().addresses("api.example", 443, 5.0) == ("192.0.2.7",)


@pytest.mark.parametrize(
    "result", [FOUND, socket.gaierror(socket.EAI_NONAME, "no such name")], ids=["known", "unknown"]
)
def test_hosts_that_a_stranger_names_do_not_pile_up(
    names: NameServer, monkeypatch: pytest.MonkeyPatch, result: object
) -> None:
    names.result = result
    monkeypatch.setattr(resolver, "KEPT_SECONDS", 0.0)
    known = Resolver()
    for number in range(50):
        with suppress(socket.gaierror):
            known.addresses(f"x{number}.example", 443, 5.0)
    assert len(known._lookups) == 1
