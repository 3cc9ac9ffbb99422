"""Outages and limits of the simulated Kommo, felt through requests."""

import asyncio
import gc
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import requests
from aiohttp import web
from requests.adapters import HTTPAdapter

from sandbox import kommo_faults
from sandbox.kommo_accounts import Account
from sandbox.kommo_faults import Fault, Route
from sandbox.kommo_server import KommoSimulator, close_hosts
from sandbox.serving import Door

# macOS has 127.0.0.1 alone unless told otherwise.
more_loopback_addresses = pytest.mark.skipif(sys.platform == "darwin", reason="needs 127.0.0.2")


@pytest.fixture
def kommo() -> Iterator[KommoSimulator]:
    with KommoSimulator(rate=None) as kommo:
        yield kommo


@pytest.fixture
def account(kommo: KommoSimulator) -> Account:
    return kommo.add_account("Acme")


def pause(account: Account) -> str:
    """Where a waiting bot can be continued. Nobody is behind the webhook's address."""
    return account.send_webhook("http://127.0.0.1:1/", {"message": "Oi"}).return_url


def proceed(account: Account, url: str, timeout: float = 10) -> requests.Response:
    headers = {"Authorization": f"Bearer {account.long_lived_token()}"}
    return requests.post(url, json={"data": {}}, headers=headers, timeout=timeout, allow_redirects=False)


@pytest.mark.parametrize("after_effect", [False, True], ids=["before the effect", "answer lost"])
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (kommo_faults.reset, requests.ConnectionError),
        (kommo_faults.hang, requests.ReadTimeout),
        (kommo_faults.garbage, requests.ConnectionError),
    ],
    ids=["reset", "hang", "garbage"],
)
def test_a_connection_fails(
    account: Account, kommo: KommoSimulator, fault: Callable[..., Fault], error: type[Exception], after_effect: bool
) -> None:
    account.faults.add(fault(after_effect=after_effect), Route.CONTINUE)
    url = pause(account)
    with pytest.raises(error):
        proceed(account, url, timeout=1)
    (call,) = kommo.continues_of(url)
    assert (call.status, call.accepted) == (None, after_effect)
    assert proceed(account, url).status_code == (404 if after_effect else 202)


def test_a_reset_is_a_reset(account: Account) -> None:
    account.faults.add(kommo_faults.reset())
    with socket.create_connection((account.host.split(":")[0], int(account.subdomain)), timeout=5) as raw:
        raw.sendall(b"GET /api/v4/account HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            raw.recv(100)


@pytest.mark.parametrize(
    ("fault", "content_type"),
    [
        (kommo_faults.status(400), "application/problem+json"),
        (kommo_faults.status(401), "application/problem+json"),
        (kommo_faults.status(402), "application/problem+json"),
        (kommo_faults.status(403), "text/plain"),
        (kommo_faults.status(404), "application/problem+json"),
        (kommo_faults.status(429, retry_after=3), "application/problem+json"),
        (kommo_faults.status(500), "application/problem+json"),
        (kommo_faults.status(502), "text/html"),
        (kommo_faults.status(503, retry_after=2), "text/html"),
        (kommo_faults.status(504), "text/html"),
        (kommo_faults.redirect("https://evil.example/"), None),
        (kommo_faults.redirect("/elsewhere", 307), None),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Fault) else "",
)
def test_an_error_status_is_answered_without_any_effect(
    account: Account, fault: Fault, content_type: str | None
) -> None:
    account.faults.add(fault, Route.CONTINUE)
    url = pause(account)
    response = proceed(account, url)
    assert response.status_code == fault.status
    assert (response.headers.get("Content-Type", "").split(";")[0] or None) == content_type
    assert response.headers.get("Retry-After") == (str(fault.retry_after) if fault.retry_after else None)
    assert response.headers.get("Location") == fault.location
    assert proceed(account, url).status_code == 202


def test_a_400_on_demand_has_validation_errors(account: Account) -> None:
    account.faults.add(kommo_faults.status(400))
    assert "validation-errors" in proceed(account, pause(account)).json()


def test_a_500_has_a_trace_id_and_a_429_the_seconds_to_wait(account: Account) -> None:
    account.faults.add(kommo_faults.status(500))
    account.faults.add(kommo_faults.status(429, retry_after=3))
    url = pause(account)
    assert "trace_id" in proceed(account, url).json()
    assert proceed(account, url).json()["retry_after"] == 3


def test_an_error_status_after_the_effect_hides_that_it_worked(account: Account, kommo: KommoSimulator) -> None:
    account.faults.add(kommo_faults.status(502, after_effect=True))
    url = pause(account)
    assert [proceed(account, url).status_code for _ in range(2)] == [502, 404]
    assert [call.status for call in kommo.accepted_continues(url)] == [502]


def test_a_slow_answer_comes_after_its_effect(account: Account, kommo: KommoSimulator) -> None:
    account.faults.add(kommo_faults.slow(0.3))
    url, before = pause(account), time.monotonic()
    assert proceed(account, url).status_code == 202
    assert time.monotonic() - before >= 0.3


def test_faults_keep_to_their_account_and_route(account: Account, kommo: KommoSimulator) -> None:
    other = kommo.add_account("Zenit")
    account.faults.add(kommo_faults.status(503), Route.ACCOUNT, times=None)
    urls = {each: f"{each.url}/api/v4/account" for each in (account, other)}
    headers = {each: {"Authorization": f"Bearer {each.long_lived_token()}"} for each in urls}
    statuses = [requests.get(url, headers=headers[each], timeout=10).status_code for each, url in urls.items()]
    assert statuses == [503, 200]
    assert proceed(account, pause(account)).status_code == 202
    assert account.faults.injected == {Route.ACCOUNT: 1}


def test_faults_of_the_simulator_meet_every_account(account: Account, kommo: KommoSimulator) -> None:
    other = kommo.add_account("Zenit")
    kommo.faults.add(kommo_faults.status(402), times=2)
    assert [proceed(each, pause(each)).status_code for each in (account, other, account)] == [402, 402, 202]


# --- limits ---------------------------------------------------------------------------------------------------------


def call(account: Account, session: requests.Session | None = None) -> requests.Response:
    return (session or requests).get(f"{account.url}/api/v4/account", timeout=10)


def test_the_limit_counts_all_accounts_of_one_address_together() -> None:
    with KommoSimulator(rate=3, retry_after=5, block_after=3) as kommo:
        accounts = [kommo.add_account(name) for name in ("Acme", "Zenit")]
        responses = [call(accounts[turn % 2]) for turn in range(7)]
        assert [response.status_code for response in responses] == [401] * 3 + [429] * 3 + [403]
        assert responses[3].headers["Retry-After"] == "5"
        assert responses[3].headers["Content-Type"].startswith("application/problem+json")
        assert (responses[3].json()["status"], responses[3].json()["retry_after"]) == (429, 5)
        assert responses[6].text == "403 Forbidden"
        assert kommo.busiest_second() == 7
        assert kommo.busiest_second(accounts[0]) == 4
        assert kommo.busiest_second(source="10.0.0.1") == 0


def test_a_call_beyond_the_limit_has_no_effect() -> None:
    with KommoSimulator(rate=1) as kommo:
        account = kommo.add_account("Acme")
        url = pause(account)
        assert [proceed(account, url).status_code for _ in range(2)] == [202, 429]
        assert [call.accepted for call in kommo.continues_of(url)] == [True, False]


def test_without_a_rate_nothing_is_limited(account: Account, kommo: KommoSimulator) -> None:
    with requests.Session() as session:
        assert {call(account, session).status_code for _ in range(30)} == {401}
    assert kommo.busiest_second() > 7


class From(HTTPAdapter):
    """Calls that leave from another local address."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **more: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, source_address=(self._address, 0), **more)


@more_loopback_addresses
def test_every_source_address_has_a_limit_of_its_own() -> None:
    with KommoSimulator(rate=2) as kommo:
        account = kommo.add_account("Acme")
        statuses = []
        for address in ("127.0.0.1", "127.0.0.2"):
            with requests.Session() as session:
                session.mount("http://", From(address))
                statuses += [call(account, session).status_code for _ in range(3)]
        assert statuses == [401, 401, 429] * 2
        assert kommo.busiest_second(source="127.0.0.2") == 3


@more_loopback_addresses
def test_accounts_can_share_a_port_on_addresses_of_their_own() -> None:
    with KommoSimulator(loopback_addresses=True) as kommo:
        accounts = [kommo.add_account(name) for name in ("Acme", "Zenit")]
        assert len({account.host.split(":")[0] for account in accounts}) == 2
        assert len({account.host.split(":")[1] for account in accounts}) == 1
        for account in accounts:
            assert account.url == kommo.base_url.replace("{subdomain}", account.subdomain)
            assert proceed(account, pause(account)).status_code == 202


def test_an_answer_can_trickle_for_ever(account: Account) -> None:
    account.faults.add(kommo_faults.trickle(), Route.CONTINUE)
    with requests.post(
        pause(account),
        json={"data": {}},
        headers={"Authorization": f"Bearer {account.long_lived_token()}"},
        timeout=10,
        stream=True,
    ) as answer:
        assert answer.status_code == 200
        assert [answer.raw.read(1) for _ in range(3)] == [b" "] * 3


def test_hosts_that_are_shut_refuse_connections_and_cut_off_those_that_stand(
    account: Account, kommo: KommoSimulator
) -> None:
    with requests.Session() as session:
        assert call(account, session).status_code == 401
        kommo.shut()
        with pytest.raises(requests.ConnectionError):
            call(account, session)
        kommo.open()
        assert call(account, session).status_code == 401


@pytest.mark.parametrize("turns", range(6))
def test_connections_of_the_very_last_moment_are_closed_too(turns: int) -> None:
    async def connect_and_close() -> socket.socket:
        runner = web.AppRunner(web.Application(), shutdown_timeout=0.05)
        await runner.setup()
        door = Door(runner, "127.0.0.1")
        await door.open()
        connection = socket.create_connection(("127.0.0.1", door.port), timeout=5)
        for _ in range(turns):
            await asyncio.sleep(0)
        await close_hosts(runner, [door])
        return connection

    with asyncio.run(connect_and_close()) as connection, suppress(ConnectionResetError):
        assert connection.recv(1) == b""
    gc.collect()  # what was left open would say so here, and warnings are errors
