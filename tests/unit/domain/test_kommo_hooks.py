"""Where a hook may come from, and whose signature it bears (kommo.md 5.2, 5.4, 9.2)."""

import hashlib
import hmac
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.account_addresses import subdomain_at
from app.domain.kommo_hooks import is_genuine_revocation, origin_of_host
from app.domain.return_url import AddressInvalid, Origin

KOMMO = "https://{subdomain}.kommo.com"
WITH_PORT = "http://{subdomain}.kommo.test:8443"
BY_PORT = "http://127.0.0.1:{subdomain}"
FIXED = "http://localhost:9000"

ALLOWED = [
    (KOMMO, "acme.kommo.com", "https://acme.kommo.com"),
    (KOMMO, "ACME.Kommo.Com", "https://acme.kommo.com"),
    (KOMMO, "acme.kommo.com:443", "https://acme.kommo.com"),
    (KOMMO, "31000001.kommo.com", "https://31000001.kommo.com"),
    (KOMMO, "api-c.kommo.com", "https://api-c.kommo.com"),
    (WITH_PORT, "acme.kommo.test:8443", "http://acme.kommo.test:8443"),
    (BY_PORT, "127.0.0.1:9123", "http://127.0.0.1:9123"),
    (BY_PORT, "127.0.0.1", "http://127.0.0.1"),
    (FIXED, "localhost:9000", "http://localhost:9000"),
]
FOREIGN = [
    (KOMMO, "evil.example"),
    (KOMMO, "kommo.com"),
    (KOMMO, "evilkommo.com"),
    (KOMMO, "acme.evilkommo.com"),
    (KOMMO, "kommo.com.evil.example"),
    (KOMMO, "acme.kommo.com.evil.example"),
    (KOMMO, "acme.kommo.com@evil.example"),
    (KOMMO, "evil@acme.kommo.com"),
    (KOMMO, "evil:x@acme.kommo.com"),
    (KOMMO, "a.b.kommo.com"),
    (KOMMO, ".kommo.com"),
    (KOMMO, "acme.kommo.com."),
    (KOMMO, "acme.kommo.com:80"),
    (KOMMO, "acme.kommo.com:8443"),
    (KOMMO, "acme.kommo.com:443:443"),
    (KOMMO, "acme.kommo.com:"),
    (KOMMO, "acme.kommo.com:99999"),
    (KOMMO, "acme.kommo.com/x"),
    (KOMMO, "acme.kommo.com/../x"),
    (KOMMO, "evil.example/acme.kommo.com"),
    (KOMMO, "evil.example?acme.kommo.com"),
    (KOMMO, "evil.example#acme.kommo.com"),
    (KOMMO, "evil.example\\.kommo.com"),
    (KOMMO, "evil.example%2f.kommo.com"),
    (KOMMO, "https://acme.kommo.com"),
    (KOMMO, "//acme.kommo.com"),
    (KOMMO, " acme.kommo.com"),
    (KOMMO, "acme.kommo.com\n"),
    (KOMMO, "acme\t.kommo.com"),
    (KOMMO, "ac\u0000me.kommo.com"),
    (KOMMO, "\u0430cme.kommo.com"),
    (KOMMO, "acme.k\u1d0fmmo.com"),
    (KOMMO, "acme\u3002kommo.com"),
    (KOMMO, "127.0.0.1"),
    (KOMMO, "[::1]"),
    (KOMMO, "169.254.169.254"),
    (KOMMO, "localhost"),
    (KOMMO, ""),
    (KOMMO, "{subdomain}.kommo.com"),
    (WITH_PORT, "acme.kommo.test"),
    (WITH_PORT, "acme.kommo.test:443"),
    (BY_PORT, "127.0.0.2:9123"),
    (BY_PORT, "localhost:9123"),
    (BY_PORT, "127.0.0.1:9123@evil.example"),
    (BY_PORT, "127.0.0.1:091"),
    (BY_PORT, "127.0.0.1:70000"),
    (FIXED, "localhost:9001"),
    (FIXED, "localhost"),
]


@pytest.mark.parametrize(("template", "host", "origin"), ALLOWED)
def test_a_host_of_kommos_is_an_address(template: str, host: str, origin: str) -> None:
    assert origin_of_host(template, host) == Origin.parse(origin)


@pytest.mark.parametrize(("template", "host"), FOREIGN, ids=[repr(host) for _, host in FOREIGN])
def test_no_other_host_is(template: str, host: str) -> None:
    with pytest.raises(AddressInvalid):
        origin_of_host(template, host)


@given(st.text(alphabet=string.ascii_letters + string.digits + ".-_:@/\\?#%[] \t\nkom{}", max_size=40))
def test_whatever_is_written_the_host_stays_kommos(host: str) -> None:
    for text in (host, f"{host}.kommo.com", f"acme.kommo.com{host}"):
        try:
            origin = origin_of_host(KOMMO, text)
        except AddressInvalid:
            continue
        assert subdomain_at(KOMMO, origin) == origin.host.removesuffix(".kommo.com")
        assert (origin.scheme, origin.port, origin.host.count(".")) == ("https", 443, 2)


SECRETS = ("new-secret", "old-secret")


def signature(secret: str, message: str = "integration|31000001") -> str:
    return hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    "written",
    [signature("new-secret"), signature("old-secret"), signature("new-secret").upper()],
    ids=["newest", "the one before", "in capitals"],
)
def test_a_revocation_is_signed_with_a_secret_of_the_integration(written: str) -> None:
    assert is_genuine_revocation(written, "integration", 31000001, SECRETS)


@pytest.mark.parametrize(
    "written",
    [
        signature("another-secret"),
        signature("new-secret", "integration|31000002"),
        signature("new-secret", "other|31000001"),
        signature("new-secret", "integration31000001"),
        signature("new-secret", "31000001|integration"),
        signature("new-secret")[:-1],
        signature("new-secret") + "0",
        "0" * 64,
        "",
        "é" * 64,
    ],
    ids=["secret", "account", "integration", "no pipe", "order", "short", "long", "zeros", "empty", "letters"],
)
def test_any_other_signature_is_forged(written: str) -> None:
    assert not is_genuine_revocation(written, "integration", 31000001, SECRETS)


def test_an_integration_without_secrets_signs_nothing() -> None:
    assert not is_genuine_revocation(signature(""), "integration", 31000001, [])
