"""Which addresses the console sends a visitor to."""

import pytest

from app.web.console.addresses import in_console, safe_target, target_of_login

OURS = [
    "/console/",
    "/console/log",
    "/console/log?older_than=1-1",
    "/console/rq/0/view/jobs/turns/failed/25/asc/1",
    "/console/accounts/31000001?from=2026-11-01&to=2026-11-22#".removesuffix("#"),
    "/console/search?q=caf%C3%A9",
    "/console/search?next=/console/log",
]
NOT_OURS = {
    "another site": "https://evil.example/console/",
    "a host without scheme": "//evil.example/console/",
    "a host behind backslashes": "/\\evil.example/console/",
    "a backslash later on": "/console/\\evil.example",
    "a script": "javascript:alert(1)//console/",
    "our name within another's": "https://bot.example.com.evil.example/console/",
    "credentials": "https://bot.example.com@evil.example/console/",
    "a line break": "/console/\r\nSet-Cookie: a=b",
    "a tab before the host": "/\t/evil.example/console/",
    "a blank in front": " https://evil.example/console/",
    "out of the console": "/console/../kommo/salesbot",
    "out of it, encoded": "/console/%2e%2E/kommo/salesbot",
    "beside the console": "/consoles/",
    "the console without its slash": "/console",
    "another page of ours": "/help",
    "a fragment": "/console/#/evil.example",
    "letters that a browser may read otherwise": "/console/\u3002/\uff0f",
    "too long": "/console/" + "a" * 3000,
    "nothing": "",
}


@pytest.mark.parametrize("wanted", OURS)
def test_a_page_of_the_console_is_where_it_leads(wanted: str) -> None:
    assert safe_target(wanted) == target_of_login(wanted) == wanted


@pytest.mark.parametrize("wanted", NOT_OURS.values(), ids=NOT_OURS)
def test_whatever_leads_elsewhere_leads_to_the_first_page(wanted: str) -> None:
    assert safe_target(wanted) == target_of_login(wanted) == "/console/"


def test_no_target_is_the_first_page() -> None:
    assert safe_target(None) == "/console/"


@pytest.mark.parametrize("wanted", ["/console/login", "/console/login?next=/console/log"])
def test_the_login_never_leads_to_the_login(wanted: str) -> None:
    assert safe_target(wanted) == wanted
    assert target_of_login(wanted) == "/console/"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/console", True),
        ("/console/", True),
        ("/console/rq/static/js/jquery-3.5.1.min.js", True),
        ("/console/no/such/page", True),
        ("/consoles", False),
        ("/help", False),
        ("/", False),
        ("/kommo/console/", False),
    ],
)
def test_the_console_is_what_stands_below_its_prefix(path: str, expected: bool) -> None:
    assert in_console(path) is expected
