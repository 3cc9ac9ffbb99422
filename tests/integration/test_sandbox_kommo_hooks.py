"""The simulated Kommo's hooks of OAuth, its shared host and its renamed accounts (kommo.md 5.2 to 5.4)."""

import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from sandbox.kommo_accounts import Account
from sandbox.kommo_faults import Route
from sandbox.kommo_hooks import HOOK_SECONDS, USER_AGENT
from sandbox.kommo_server import KommoSimulator


class Listener:
    """Takes one hook after the other; answers with bytes, or with nothing."""

    def __init__(self) -> None:
        self.answer: bytes | None = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        self.heads: list[bytes] = []
        self._held: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/hook"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.heads.append(connection.recv(65536))
            if self.answer is None:
                self._held.append(connection)
            else:
                connection.sendall(self.answer)
                connection.close()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)
        for connection in self._held:
            connection.close()

    def query(self) -> dict[str, str]:
        """Of the newest hook."""
        target = self.heads[-1].split(b" ")[1].decode()
        return dict(parse_qsl(urlsplit(target).query))


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


@pytest.fixture
def kommo(listener: Listener) -> Iterator[KommoSimulator]:
    with KommoSimulator(rate=None, public_redirect_uri=listener.url) as kommo:
        kommo.public_integration.revoked_uri = listener.url
        yield kommo


@pytest.fixture
def account(kommo: KommoSimulator) -> Account:
    return kommo.add_account("Acme", private=False)


def ask(account: Account, **fields: Any) -> requests.Response:
    body = {
        "client_id": account.integration.client_id,
        "client_secret": account.integration.secret,
        "redirect_uri": account.integration.redirect_uri,
        **fields,
    }
    return requests.post(f"{account.url}/oauth2/access_token", json=body, timeout=10)


def test_an_installation_calls_the_redirect_uri_with_a_code_that_works_once(
    kommo: KommoSimulator, account: Account, listener: Listener
) -> None:
    sent = kommo.install(account)
    assert (sent.status, sent.body) == (200, "ok")
    query = listener.query()
    assert query == sent.query
    assert (query["referer"], query["client_id"]) == (account.host, account.integration.client_id)
    assert f"User-Agent: {USER_AGENT}".encode() in listener.heads[0]
    codes = {"grant_type": "authorization_code", "code": query["code"]}
    assert [ask(account, **codes).status_code for _ in range(2)] == [200, 400]


def test_a_user_who_comes_back_from_the_window_brings_the_state(
    kommo: KommoSimulator, account: Account, listener: Listener
) -> None:
    kommo.install(account, state="abc")
    assert listener.query()["state"] == "abc"


@pytest.mark.parametrize("answer", [b"HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n", b"", b"nonsense\r\n\r\n"])
def test_the_answer_does_not_matter_and_nothing_is_sent_again(
    kommo: KommoSimulator, account: Account, listener: Listener, answer: bytes
) -> None:
    listener.answer = answer
    kommo.install(account)
    assert len(listener.heads) == 1


def test_after_three_seconds_it_is_waited_no_longer(
    kommo: KommoSimulator, account: Account, listener: Listener
) -> None:
    listener.answer = None
    sent = kommo.install(account)
    assert sent.status is None
    assert HOOK_SECONDS <= sent.seconds < HOOK_SECONDS + 2


def test_an_integration_without_a_redirect_uri_tells_nobody(kommo: KommoSimulator, listener: Listener) -> None:
    private = kommo.add_account("Privada")
    with pytest.raises(ValueError, match="redirect"):
        kommo.install(private)
    assert kommo.uninstall(private) is None
    assert listener.heads == []


def test_uninstalling_ends_the_tokens_and_tells_it(kommo: KommoSimulator, account: Account, listener: Listener) -> None:
    query = account.install_query()
    access = ask(account, grant_type="authorization_code", code=query["code"]).json()["access_token"]
    sent = kommo.uninstall(account)
    assert sent is not None
    assert sent.query == listener.query() == account.revocation_query()
    assert account.tokens.access_of(access) is None


def test_the_shared_host_knows_accounts_by_their_tokens(kommo: KommoSimulator, account: Account) -> None:
    private = kommo.add_account("Privada")
    shared = kommo.base_url.replace("{subdomain}", str(kommo._server.port))
    token = private.long_lived_token()
    found = requests.get(f"{shared}/api/v4/account", headers={"Authorization": f"Bearer {token}"}, timeout=10)
    assert (found.json()["id"], found.json()["subdomain"]) == (private.account_id, private.subdomain)
    assert requests.get(f"{shared}/api/v4/account", timeout=10).status_code == 401
    assert [call.route for call in kommo.calls] == [Route.SHARED_ACCOUNT] * 2


@pytest.mark.parametrize(("admin", "status"), [(True, 200), (False, 403)])
def test_users_are_shown_to_administrators(account: Account, admin: bool, status: int) -> None:
    code = account.install_query(admin=admin)["code"]
    access = ask(account, grant_type="authorization_code", code=code).json()["access_token"]
    headers = {"Authorization": f"Bearer {access}"}
    itself = requests.get(f"{account.url}/api/v4/account", headers=headers, timeout=10).json()
    user = requests.get(f"{account.url}/api/v4/users/{itself['current_user_id']}", headers=headers, timeout=10)
    assert user.status_code == status
    if admin:
        assert user.json()["rights"]["is_admin"] is True


@pytest.mark.parametrize("answers", [301, 307, 401, 404])
def test_the_old_address_of_a_renamed_account_answers_as_it_is_told(
    kommo: KommoSimulator, account: Account, answers: int
) -> None:
    old = account.url
    kommo.rename(account, old_answers=answers)
    response = requests.get(f"{old}/api/v4/account", timeout=10, allow_redirects=False)
    assert response.status_code == answers
    assert response.headers.get("Location") == (f"{account.url}/api/v4/account" if answers < 400 else None)
    assert (
        requests.post(f"{old}/oauth2/access_token", json={}, timeout=10, allow_redirects=False).status_code == answers
    )
