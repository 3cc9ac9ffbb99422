"""The rest of the API: OAuth, account, leads, contacts, notes."""

import hashlib
import hmac
import threading
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import requests

from sandbox.flows import recommended_flow
from sandbox.kommo_accounts import Account
from sandbox.kommo_chat import Client
from sandbox.kommo_server import KommoSimulator

REDIRECT = "https://bot.example.com/kommo/oauth/callback"


@pytest.fixture
def kommo() -> Iterator[KommoSimulator]:
    with KommoSimulator(rate=None, public_redirect_uri=REDIRECT) as kommo:
        yield kommo


@pytest.fixture
def account(kommo: KommoSimulator) -> Account:
    return kommo.add_account("Acme")


@pytest.fixture
def installed(kommo: KommoSimulator) -> Account:
    """An account with the public integration."""
    return kommo.add_account("Zenit", private=False)


@pytest.fixture
def client(account: Account) -> Client:
    account.add_bot(recommended_flow("http://127.0.0.1:1/"))
    return account.client("Ana", phone="+5511999990000")


def get(account: Account, path: str, token: str | None = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {token or account.long_lived_token()}"}
    return requests.get(account.url + path, headers=headers, timeout=10)


def ask_token(account: Account, **fields: Any) -> requests.Response:
    body = {
        "client_id": account.integration.client_id,
        "client_secret": account.integration.secret,
        "redirect_uri": account.integration.redirect_uri,
        **fields,
    }
    return requests.post(f"{account.url}/oauth2/access_token", json=body, timeout=10)


def by_code(account: Account, **fields: Any) -> requests.Response:
    return ask_token(account, **{"grant_type": "authorization_code", "code": account.install_query()["code"], **fields})


def by_refresh(account: Account, token: str) -> requests.Response:
    return ask_token(account, grant_type="refresh_token", refresh_token=token)


# --- OAuth ----------------------------------------------------------------------------------------------------------


def test_an_installation_ends_with_a_token_that_opens_the_account(installed: Account) -> None:
    query = installed.install_query()
    assert set(query) == {"code", "referer", "client_id", "from_widget"}
    assert query["referer"] == f"127.0.0.1:{installed.subdomain}"
    answer = by_code(installed, code=query["code"]).json()
    assert set(answer) == {"token_type", "expires_in", "server_time", "access_token", "refresh_token"}
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 86400)
    assert get(installed, "/api/v4/account", answer["access_token"]).json()["id"] == installed.account_id


def test_the_oauth_window_returns_the_state(installed: Account) -> None:
    query = installed.install_query(state="abc")
    assert query["state"] == "abc"
    assert "from_widget" not in query


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"client_secret": "x"}, 401, "Client authentication failed"),
        ({"client_id": "x"}, 400, "Check the `client_id` parameter"),
        ({"redirect_uri": "https://evil.example"}, 400, "Check the `redirect_uri` parameter"),
        ({"code": "x"}, 400, "Cannot decrypt the authorization code"),
        ({"grant_type": "password"}, 400, "Check the `grant_type` parameter"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 400, "Token has been revoked"),
    ],
    ids=["secret", "client", "redirect", "code", "grant", "refresh"],
)
def test_a_wrong_token_request_is_refused(installed: Account, fields: dict[str, str], status: int, said: str) -> None:
    response = by_code(installed, **fields)
    assert response.status_code == status
    assert response.headers["Content-Type"].startswith("application/problem+json")
    assert said in (response.json().get("hint"), response.json()["detail"])


def test_a_token_request_that_is_no_json_is_refused(installed: Account) -> None:
    assert requests.post(f"{installed.url}/oauth2/access_token", data=b"[", timeout=10).status_code == 400


def test_the_secret_before_a_change_no_longer_gets_tokens(installed: Account, kommo: KommoSimulator) -> None:
    access = by_code(installed).json()["access_token"]
    kommo.change_public_secret(delete_authorizations=False)
    assert by_code(installed, client_secret=installed.integration.previous_secret).status_code == 401
    assert by_code(installed).status_code == 200
    assert get(installed, "/api/v4/account", access).status_code == 200
    kommo.change_public_secret(delete_authorizations=True)
    assert get(installed, "/api/v4/account", access).status_code == 401


def test_a_change_of_a_private_secret_revokes_its_tokens(account: Account, installed: Account) -> None:
    token = account.long_lived_token()
    account.change_private_secret()
    assert get(account, "/api/v4/account", token).status_code == 401
    with pytest.raises(ValueError, match="public"):
        installed.change_private_secret()


def test_refresh_tokens_rotate_with_the_overlap_of_the_documentation(installed: Account) -> None:
    first = by_code(installed).json()["refresh_token"]
    assert by_refresh(installed, first).status_code == 200
    second = by_refresh(installed, first).json()["refresh_token"]
    assert by_refresh(installed, second).status_code == 200
    assert by_refresh(installed, first).json()["hint"] == "Token has been revoked"


def test_a_code_of_one_account_opens_no_other(kommo: KommoSimulator, installed: Account) -> None:
    other = kommo.add_account("Other", private=False)
    assert by_code(other, code=installed.install_query()["code"]).status_code == 400


@pytest.mark.parametrize("renamed", [False, True])
def test_a_renamed_account_is_found_by_its_refresh_token(
    installed: Account, kommo: KommoSimulator, renamed: bool
) -> None:
    tokens = by_code(installed).json()
    old = installed.url
    if renamed:
        kommo.rename(installed)
        assert requests.post(f"{old}/oauth2/access_token", json={}, timeout=10).status_code == 404
    api_domain = jwt.decode(tokens["access_token"], options={"verify_signature": False})["api_domain"]
    path = "/oauth2/account/current/subdomain"
    for host in (f"http://{api_domain}", installed.url):
        response = requests.get(host + path, headers={"X-Refresh-Token": tokens["refresh_token"]}, timeout=10)
        assert response.json() == {
            "id": installed.account_id,
            "subdomain": installed.subdomain,
            "domain": installed.host,
            "top_level_domain": installed.host,
        }
    assert by_refresh(installed, tokens["refresh_token"]).status_code == 200


def test_an_unknown_refresh_token_finds_no_account(installed: Account) -> None:
    url = f"{installed.url}/oauth2/account/current/subdomain"
    assert requests.get(url, headers={"X-Refresh-Token": "x"}, timeout=10).status_code == 401
    assert requests.get(url, timeout=10).status_code == 401


def test_uninstalling_takes_the_access_and_signs_the_hook(installed: Account) -> None:
    access = by_code(installed).json()["access_token"]
    genuine = installed.revocation_query()
    assert get(installed, "/api/v4/account", access).status_code == 200
    assert installed.uninstall() == genuine
    assert get(installed, "/api/v4/account", access).status_code == 401
    client_id, secret = installed.integration.client_id, installed.integration.secret
    message = f"{client_id}|{installed.account_id}".encode()
    assert genuine == {
        "client_uuid": client_id,
        "account_id": str(installed.account_id),
        "signature": hmac.new(secret.encode(), message, hashlib.sha256).hexdigest(),
    }


def test_the_record_of_a_private_account_opens_it(account: Account, installed: Account) -> None:
    record = account.record()
    assert set(record) == {"account_id", "subdomain", "client_id", "client_secret", "access_token"}
    assert get(account, "/api/v4/account", record["access_token"]).json()["subdomain"] == record["subdomain"]
    assert installed.record() == {"account_id": installed.account_id, "subdomain": installed.subdomain}


# --- resources ------------------------------------------------------------------------------------------------------


def test_the_account_describes_itself(account: Account) -> None:
    response = get(account, "/api/v4/account?with=amojo_id")
    assert response.headers["Content-Type"].startswith("application/hal+json")
    body = response.json()
    assert (body["id"], body["name"], body["subdomain"]) == (account.account_id, "Acme", account.subdomain)
    assert body["_links"]["self"]["href"].startswith(account.url)


@pytest.mark.parametrize("path", ["/api/v4/account", "/api/v4/leads/1", "/api/v4/contacts/1"])
def test_resources_need_a_token(account: Account, path: str) -> None:
    assert requests.get(account.url + path, timeout=10).status_code == 401


def test_a_lead_names_its_contact_when_asked(account: Account, client: Client) -> None:
    path = f"/api/v4/leads/{client.lead_id}"
    assert "contacts" not in get(account, path).json()["_embedded"]
    lead = get(account, f"{path}?with=contacts").json()
    assert lead["id"] == client.lead_id
    assert lead["_embedded"]["contacts"] == [{"id": client.contact_id, "is_main": True}]


@pytest.mark.parametrize("phone", ["+5511999990000", None])
def test_a_contact_has_its_phone_where_there_is_one(account: Account, client: Client, phone: str | None) -> None:
    contact = get(account, f"/api/v4/contacts/{account.client('Bia', phone=phone).contact_id}").json()
    assert contact["name"] == "Bia"
    fields = contact["custom_fields_values"] or []
    phones = [field["values"][0]["value"] for field in fields if field["field_code"] == "PHONE"]
    assert phones == ([phone] if phone else [])


@pytest.mark.parametrize("path", ["/api/v4/leads/1", "/api/v4/contacts/1"])
def test_what_is_not_found_is_empty(account: Account, path: str) -> None:
    response = get(account, path)
    assert (response.status_code, response.content) == (204, b"")


def post_notes(account: Account, lead_id: int, body: Any, token: str | None = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {token or account.long_lived_token()}"}
    return requests.post(f"{account.url}/api/v4/leads/{lead_id}/notes", json=body, headers=headers, timeout=10)


def note(text: str, **fields: str) -> dict[str, Any]:
    return {"note_type": "common", "params": {"text": text}, **fields}


def test_notes_are_written_in_order(account: Account, client: Client, kommo: KommoSimulator) -> None:
    response = post_notes(account, client.lead_id, [note("um", request_id="a"), note("dois")])
    assert response.status_code == 200
    written = response.json()["_embedded"]["notes"]
    assert [entry["request_id"] for entry in written] == ["a", None]
    assert [(one.lead_id, one.text) for one in account.notes] == [(client.lead_id, "um"), (client.lead_id, "dois")]
    assert [entry["id"] for entry in written] == [one.note_id for one in account.notes]
    assert kommo.notes == account.notes


@pytest.mark.parametrize(
    ("body", "status"),
    [([note("x" * 20_001)], 400), (note("a"), 400), ([note("x" * 20_000)], 200)],
    ids=["too long", "no list", "just short enough"],
)
def test_notes_are_checked(account: Account, client: Client, body: Any, status: int) -> None:
    assert post_notes(account, client.lead_id, body).status_code == status
    assert len(account.notes) == (status == 200)


def test_notes_need_a_lead_and_a_token(account: Account, client: Client) -> None:
    assert post_notes(account, 1, [note("a")]).status_code == 404
    assert post_notes(account, client.lead_id, [note("a")], token="x").status_code == 401
    assert account.notes == []


def test_a_test_can_wait_for_a_note(account: Account, client: Client, kommo: KommoSimulator) -> None:
    sender = threading.Thread(target=post_notes, args=(account, client.lead_id, [note("enfim")]))
    sender.start()
    (found,) = kommo.wait_for(lambda: account.notes)
    sender.join()
    assert found.text == "enfim"
    with pytest.raises(TimeoutError):
        kommo.wait_for(lambda: False, timeout=0.01)


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/api/v4/nothing", 404), ("DELETE", "/api/v4/account", 405)]
)
def test_what_the_api_does_not_have_is_a_problem(account: Account, method: str, path: str, status: int) -> None:
    response = requests.request(method, account.url + path, timeout=10)
    assert response.status_code == response.json()["status"] == status
