"""The widget's API: which pages may read it."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.builders import an_account
from tests.webhooks import (
    ISSUER,
)
from tests.widget_calls import CHECK, SETTINGS, USAGE, Page, any_call


@pytest.fixture
def page() -> Page:
    return Page()


@pytest.mark.parametrize(
    ("path", "methods"),
    [(SETTINGS, "GET, PUT, OPTIONS"), (CHECK, "POST, OPTIONS"), (USAGE, "GET, OPTIONS")],
)
@pytest.mark.parametrize("origin", [ISSUER, "https://any-account.kommo.com"])
def test_a_browser_that_asks_first_is_let_through_to_its_account(
    page: Page, path: str, methods: str, origin: str
) -> None:
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-auth-token"}
    with capture_logs() as logs:
        answer = page.call("OPTIONS", path, token="", origin=origin, headers=asked)
    assert (answer.status_code, answer.get_data()) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert answer.headers["Access-Control-Allow-Methods"] == methods
    assert answer.headers["Access-Control-Allow-Headers"] == "X-Auth-Token, Content-Type, X-Requested-With"
    assert answer.headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert logs == []


NO_PAGES = [
    "https://evil.example",
    "https://acme.kommo.com.evil.example",
    "https://kommo.com",
    "https://evilkommo.com",
    "https://a.b.kommo.com",
    "http://acme.kommo.com",
    "https://acme.kommo.com:8443",
    "null",
    "*",
    "",
    None,
]


@pytest.mark.parametrize("origin", NO_PAGES)
@pytest.mark.parametrize("path", [SETTINGS, CHECK, USAGE])
def test_a_browser_elsewhere_is_let_through_to_nothing(page: Page, path: str, origin: str | None) -> None:
    answer = page.call("OPTIONS", path, token="", origin=origin)
    assert answer.status_code == 403
    assert not [name for name in answer.headers.keys() if name.startswith("Access-Control")]  # noqa: SIM118


@pytest.mark.parametrize("origin", [one for one in NO_PAGES if one])
@any_call
def test_no_answer_is_readable_elsewhere(page: Page, origin: str, method: str, path: str, body: Any) -> None:
    answer = page.call(method, path, body, origin=origin)
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.headers["Vary"] == "Origin"


@any_call
@pytest.mark.parametrize("token", [None, ""], ids=["an answer", "a refusal"])
def test_the_account_s_page_can_read_answers_and_refusals(
    page: Page, token: str | None, method: str, path: str, body: Any
) -> None:
    answer = page.call(method, path, body, token=token)
    assert answer.headers["Access-Control-Allow-Origin"] == ISSUER
    assert answer.headers["Access-Control-Expose-Headers"] == "Retry-After"
    assert answer.headers["Vary"] == "Origin"
    assert answer.headers["Cache-Control"] == "no-store"


def test_another_account_s_page_cannot_read_what_is_not_its_own(page: Page) -> None:
    answer = page.call("GET", SETTINGS, origin="https://beta.kommo.com")
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_where_no_browser_asks_the_token_is_enough(page: Page) -> None:
    answer = page.call("GET", SETTINGS, origin=None)
    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "status"), [("DELETE", SETTINGS, 405), ("GET", CHECK, 405), ("GET", "/widget/nothing", 404)]
)
def test_what_there_is_not_is_readable_too(page: Page, method: str, path: str, status: int) -> None:
    answer = page.call(method, path)
    assert answer.status_code == status
    assert answer.headers["Access-Control-Allow-Origin"] == ISSUER


def test_other_routes_are_readable_by_no_page(page: Page) -> None:
    answer = page.call("GET", "/healthz")
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_accounts_live_where_the_template_says() -> None:
    origin = "http://127.0.0.1:9301"
    page = Page(an_account(subdomain="9301"), kommo_base_url="http://127.0.0.1:{subdomain}")
    assert page.call("OPTIONS", SETTINGS, token="", origin=origin).status_code == 204
    answer = page.call("GET", SETTINGS, origin=origin, iss=origin)
    assert answer.headers["Access-Control-Allow-Origin"] == origin
