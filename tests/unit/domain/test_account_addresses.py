"""Which addresses some account can have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.account_addresses import subdomain_at
from app.domain.return_url import Origin, account_origin

KOMMO = "https://{subdomain}.kommo.com"


@pytest.mark.parametrize(
    ("template", "address", "subdomain"),
    [
        (KOMMO, "https://acme.kommo.com", "acme"),
        (KOMMO, "https://ACME.kommo.com", "acme"),
        (KOMMO, "https://12345.kommo.com:443", "12345"),
        (KOMMO, "https://a-1.kommo.com", "a-1"),
        (f"{KOMMO}/", "https://acme.kommo.com", "acme"),
        (f"{KOMMO}:443", "https://acme.kommo.com", "acme"),
        ("HTTPS://{subdomain}.Kommo.com", "https://acme.kommo.com", "acme"),
        ("https://{subdomain}.kommo.com:8443", "https://acme.kommo.com:8443", "acme"),
        ("http://127.0.0.1:{subdomain}", "http://127.0.0.1:9301", "9301"),
        ("http://127.0.0.1:{subdomain}", "http://127.0.0.1", "80"),
        ("http://127.0.0.{subdomain}:8100", "http://127.0.0.2:8100", "2"),
        ("https://{subdomain}.{subdomain}.example", "https://acme.acme.example", "acme"),
        ("http://127.0.0.1:8100", "http://127.0.0.1:8100", ""),
    ],
)
def test_an_address_of_an_account_has_its_subdomain(template: str, address: str, subdomain: str) -> None:
    assert subdomain_at(template, Origin.parse(address)) == subdomain


@pytest.mark.parametrize(
    ("template", "address"),
    [
        (KOMMO, "https://kommo.com"),
        (KOMMO, "https://www.acme.kommo.com"),
        (KOMMO, "http://acme.kommo.com"),
        (KOMMO, "https://acme.kommo.com:8443"),
        (KOMMO, "https://acme.kommo.com.evil.example"),
        (KOMMO, "https://evilkommo.com"),
        (KOMMO, "https://acme-kommo.com"),
        (KOMMO, "https://acmexkommo.com"),
        ("https://{subdomain}.{subdomain}.example", "https://acme.other.example"),
        ("http://127.0.0.1:{subdomain}", "http://127.0.0.2:9301"),
        ("http://127.0.0.1:8100", "http://127.0.0.1:8101"),
        (KOMMO, f"https://{'a' * 64}.kommo.com"),
    ],
)
def test_no_account_lives_elsewhere(template: str, address: str) -> None:
    assert subdomain_at(template, Origin.parse(address)) is None


@given(
    st.sampled_from([KOMMO, f"{KOMMO}:443", "http://crm-{subdomain}.example:8100", "https://{subdomain}"]),
    st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True),
)
def test_every_account_is_found_at_its_address(template: str, subdomain: str) -> None:
    assert subdomain_at(template, account_origin(template, subdomain)) == subdomain
