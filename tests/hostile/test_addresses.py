"""Addresses that a stranger sends: nobody is called, looked up or sent a token but hosts that KOMMO_BASE_URL allows."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.accounts import Account, Secrets
from sandbox.stack import Stack
from tests.hostile.outgoing import watched
from tests.hostile.tally import ADDRESSES, tried
from tests.hostile.target import FORM_TYPE, Target, effort
from tests.webhooks import a_token, some_claims

# A name that is reserved for not existing: nothing leaves this machine even where the rules fail.
DOMAIN = "kommo.invalid"
OURS = re.compile(rf"[a-z0-9_-]{{1,63}}\.{re.escape(DOMAIN)}")
CLIENT, SECRET, ACCOUNT = "private-integration", "s" * 64, 31000099
PATH = "/api/v4/salesbot/1/continue/2"
SCHEMES = ("https://", "http://", "//", "file://", "gopher://", "HTTPS:/\\", "")
HOSTS = (
    *("127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"),
    *("169.254.169.254", "metadata.google.internal", "10.0.0.1", "redis", "evil.example", "evil.example."),
    *(f"acme.{DOMAIN}.evil.example", f"evil.example/.{DOMAIN}", f"evil.example#.{DOMAIN}", f"evil.example?.{DOMAIN}"),
    *(f"evil.example\\.{DOMAIN}", f"acme.{DOMAIN}@evil.example", f"evil.example@acme.{DOMAIN}", f"acme.{DOMAIN}:22"),
    *(f"acme.{DOMAIN}%00.evil.example", f"evil.example%23.{DOMAIN}", f"a.b.{DOMAIN}", f".{DOMAIN}", DOMAIN, ""),
    *(f"acme\u3002{DOMAIN}", f"\uff41cme.{DOMAIN}", f"acme.{DOMAIN}\r\nHost: evil.example", f"acme.{DOMAIN} a.b"),
    *(f"acme.{DOMAIN}:80443", f"acme.{DOMAIN}:-1", f"acme.{DOMAIN}:443:80", f"{'a' * 64}.{DOMAIN}", f"acme.{DOMAIN}:0"),
)  # fmt: skip


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The application with accounts at a domain that does not exist, one of them of an attacker's own integration."""
    settings = {
        "KOMMO_BASE_URL": f"https://{{subdomain}}.{DOMAIN}",
        "KOMMO_CLIENT_ID": "public-integration",
        "KOMMO_CLIENT_SECRET": SECRET,
        "KOMMO_REDIRECT_URI": "https://bot.example.com/kommo/oauth/callback",
        "PUBLIC_URL": "https://bot.example.com",
    }
    with Stack(tmp_path_factory.mktemp("elsewhere"), settings=settings) as stack:
        secrets = Secrets(openai_api_key="sk-key-of-the-account", access_token="access-token-of-the-account")
        stack.accounts.add(Account(ACCOUNT, "acme", client_id=CLIENT, secrets=secrets), SECRET)
        yield Target(stack, 0)


def a_door_token(issuer: object = f"https://acme.{DOMAIN}", subdomain: object = "acme") -> str:
    said = some_claims(iss=issuer, subdomain=subdomain, account_id=ACCOUNT, client_uuid=CLIENT)
    return a_token(said, secret=SECRET)


def webhook(target: Target, token: str, return_url: str) -> int:
    form = {"token": token, "return_url": return_url, "data[message]": "Oi"}
    return target.client().post("/kommo/salesbot", data=form, content_type=FORM_TYPE).status_code


def assert_only_ours(hosts: list[str]) -> None:
    assert not [host for host in hosts if not OURS.fullmatch(host)]


@pytest.mark.parametrize("host", HOSTS)
def test_a_return_url_or_issuer_elsewhere_is_forbidden_and_called_by_nobody(elsewhere: Target, host: str) -> None:
    before = elsewhere.contents()
    for scheme in SCHEMES:
        tried(ADDRESSES)
        address = f"{scheme}{host}"
        with watched() as hosts:
            assert webhook(elsewhere, a_door_token(), f"{address}{PATH}") == 403
            assert webhook(elsewhere, a_door_token(issuer=address), f"{address}{PATH}") == 403
        assert hosts == []
    assert elsewhere.contents() == before


@pytest.mark.parametrize("host", HOSTS)
def test_no_install_hook_leads_us_anywhere_but_to_an_account(elsewhere: Target, host: str) -> None:
    tried(ADDRESSES)
    query = {"code": f"def502{host[:5]}".encode("ascii", "replace").decode().replace(" ", ""), "referer": host}
    with watched() as hosts:
        answer = elsewhere.client().get("/kommo/oauth/callback", query_string=query)
    assert answer.status_code in (400, 403)
    assert hosts == []


@pytest.mark.parametrize("host", HOSTS)
def test_no_page_elsewhere_may_read_or_be_asked(elsewhere: Target, host: str) -> None:
    tried(ADDRESSES)
    claims = some_claims(iss=f"https://acme.{DOMAIN}", account_id=ACCOUNT, client_uuid=CLIENT, is_admin=True)
    token = a_token(claims, secret=SECRET, algorithm="HS256", digest="sha256")
    origin = f"https://{host}".encode("latin-1", "replace").decode("latin-1").replace("\r\n", "")
    with watched() as hosts:
        answer = elsewhere.client().get("/widget/settings", headers={"X-Auth-Token": token, "Origin": origin})
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert hosts == []


@effort(0.4)
@given(
    pieces=st.lists(
        st.one_of(
            st.sampled_from(
                (*HOSTS, DOMAIN, "acme", ".", "/", "\\", "@", ":", "#", "?", "%", "https:", "//", PATH, "\t")
            ),
            st.text(max_size=4),
        ),
        max_size=8,
    ).map("".join),
    subdomain=st.one_of(st.just("acme"), st.text(max_size=20)),
)
def test_whatever_addresses_are_sent_only_hosts_of_accounts_are_asked(
    elsewhere: Target, pieces: str, subdomain: str
) -> None:
    tried(ADDRESSES)
    with watched() as hosts:
        webhook(elsewhere, a_door_token(), pieces)
        webhook(elsewhere, a_door_token(issuer=pieces, subdomain=subdomain), f"https://acme.{DOMAIN}{PATH}")
        elsewhere.client().get("/kommo/oauth/start", query_string={"client_id": pieces, "redirect_uri": pieces})
        elsewhere.client().options("/widget/settings", headers={"Origin": "".join(filter(str.isprintable, pieces))})
    assert_only_ours(hosts)


def test_what_is_watched_here_would_be_seen(elsewhere: Target) -> None:
    query = {"code": "def502", "referer": f"acme.{DOMAIN}", "client_id": "public-integration"}
    with watched() as hosts:
        elsewhere.client().get("/kommo/oauth/callback", query_string=query)
    assert set(hosts) == {f"acme.{DOMAIN}"}
