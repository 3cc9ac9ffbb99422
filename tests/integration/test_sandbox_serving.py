"""A simulated service in a thread of its own."""

import asyncio
import threading

import pytest
import requests
from aiohttp import web

from sandbox.serving import Server


def application() -> web.Application:
    app = web.Application()
    app.router.add_get("/", hello)
    app.router.add_get("/silence", silence)
    return app


async def hello(_request: web.Request) -> web.Response:
    return web.Response(text=threading.current_thread().name)


async def silence(_request: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError("nobody ends the silence")


def test_it_serves_from_its_own_thread_while_it_is_open() -> None:
    with Server(application()) as server:
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert requests.get(server.url, timeout=10).text == "sandbox-server"
    with pytest.raises(requests.ConnectionError):
        requests.get(server.url, timeout=10)
    server.stop()


def test_a_given_port_is_taken_or_the_start_fails() -> None:
    with Server(application()) as server:
        second = Server(application(), port=server.port)
        with pytest.raises(OSError, match=r"(?i)address already in use"):
            second.start()
        second.stop()
        port = server.port
    with Server(application(), port=port) as again:
        assert again.port == port


def test_a_server_that_is_shut_refuses_connections_until_it_is_opened_at_the_same_port() -> None:
    with Server(application()) as server, requests.Session() as session:
        assert session.get(server.url, timeout=10).ok
        server.shut()
        with pytest.raises(requests.ConnectionError):
            session.get(server.url, timeout=10)
        server.open()
        assert session.get(server.url, timeout=10).ok


def test_stopping_cuts_off_who_still_waits() -> None:
    outcome: list[BaseException] = []

    def wait(url: str) -> None:
        try:
            requests.get(url + "/silence", timeout=30)
        except requests.RequestException as error:
            outcome.append(error)

    with Server(application()) as server:
        client = threading.Thread(target=wait, args=(server.url,))
        client.start()
        requests.get(server.url, timeout=10)
    client.join(10)
    assert isinstance(outcome[0], requests.ConnectionError)


def test_functions_run_on_the_servers_thread_while_it_serves_and_on_the_callers_otherwise() -> None:
    server, mine = Server(application()), threading.current_thread().name

    def here() -> str:
        return threading.current_thread().name

    def fail() -> str:
        raise KeyError("x")

    assert server.call(here) == mine
    with server:
        assert server.call(here) == "sandbox-server"
        assert server.call(lambda: server.call(here)) == "sandbox-server"
        with pytest.raises(KeyError):
            server.call(fail)
    assert server.call(here) == mine


async def broken(_app: web.Application) -> None:
    raise OSError("no database")


def test_an_application_that_cannot_start_is_an_error_of_start() -> None:
    app = application()
    app.on_startup.append(broken)
    with pytest.raises(OSError, match="no database"):
        Server(app).start()
