"""What every answer of the console forbids the browser."""

import re

import pytest

from tests.console_browser import Console

PATHS = [
    "/console/",
    "/console/login",
    "/console/log",
    "/console/turns",
    "/console/turns?lead=abc",
    "/console/replays",
    "/console/no/such/page",
    "/console/rq/",
    "/console/rq/0/view/jobs",
    "/console/rq/0/view/workers",
    "/console/rq/0/view/job/none",
    "/console/rq/0/data/queues.json",
    "/console/rq/0/data/job/none.json",
    "/console/rq/static/js/jquery-3.5.1.min.js",
    "/console/rq/static/none",
    "/console/static/console.css",
    "/console/logout",
]
SAME_EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex, nofollow",
}
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}


def checked(console: Console, path: str) -> None:
    answer = console.get(path)
    assert {name: answer.headers.getlist(name) for name in SAME_EVERYWHERE} == {
        name: [value] for name, value in SAME_EVERYWHERE.items()
    }
    (policy,) = answer.headers.getlist("Content-Security-Policy")
    assert dict(directive.split(" ", 1) for directive in policy.split("; ")) == POLICY
    if "static" not in path:
        assert answer.headers.getlist("Cache-Control") == ["no-store"]
    assert "Strict-Transport-Security" not in answer.headers


@pytest.mark.parametrize("path", PATHS)
def test_to_a_stranger(console: Console, path: str) -> None:
    checked(console, path)


@pytest.mark.parametrize("path", PATHS)
def test_to_an_operator(operator: Console, path: str) -> None:
    checked(operator, path)


def test_over_https_browsers_are_told_to_stay_with_it(operator: Console) -> None:
    console = Console(operator.redis, public_url="https://bot.example.com", base_url="https://bot.example.com")
    assert console.get("/console/login").headers["Strict-Transport-Security"] == "max-age=31536000"


def test_files_of_the_dashboard_are_kept_by_the_browser_alone(operator: Console) -> None:
    answer = operator.get("/console/rq/static/css/main.css")
    assert answer.headers.getlist("Cache-Control") == ["private, max-age=3600"]


# What the policy would block must not stand in a page: inline scripts and styles, handlers, frames, other hosts.
FORBIDDEN = re.compile(
    r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=|<iframe|<object|<embed|<base|javascript:"
    r"|(?:src|href|action)=[\"'](?:https?:)?//",
    re.IGNORECASE,
)


@pytest.mark.parametrize("path", [path for path in PATHS if "static" not in path and not path.endswith(".json")])
def test_no_page_needs_what_the_policy_forbids(operator: Console, path: str) -> None:
    assert not FORBIDDEN.findall(operator.get(path).text)


def test_neither_does_the_login(console: Console) -> None:
    for page in (console.get("/console/login"), console.log_in("x", "y")):
        assert not FORBIDDEN.findall(page.text)
