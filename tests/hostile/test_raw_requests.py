"""Requests that no client library would send: whatever comes, the answer is one of ours, and says nothing of it."""

import json
import string
from typing import Any
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from app.web.widget_caller import TOKEN_HEADER
from tests.hostile.target import FORM_TYPE, Target, effort

PATHS = (
    "/kommo/salesbot",
    "/kommo/oauth/start",
    "/kommo/oauth/callback",
    "/kommo/oauth/revoked",
    "/widget/settings",
    "/widget/check",
    "/widget/usage",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/help",
    "/help/errors/busy",
    "/help/style.css",
)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "get", "X")
# Headers that somebody on the way, or one of our libraries, may look at.
HEADERS = (
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Authorization",
    "Content-Encoding",
    "Content-Type",
    "Cookie",
    "Expect",
    "Forwarded",
    "Host",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "Origin",
    "Range",
    "Referer",
    "Transfer-Encoding",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-HTTP-Method-Override",
    "X-Original-URL",
    "X-Request-Id",
    TOKEN_HEADER,
)
# What parsers of headers stumble over.
VALUES = st.one_of(
    st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=60),
    st.sampled_from(
        (
            *(
                "*/*;q=x",
                "text/plain;version=abc",
                "application/openmetrics-text;version=99.1e9",
                ",;,;=",
                '"',
                "W/",
                '"\\',
            ),
            *(
                "bytes=0-",
                "bytes=-1,2-3,9999999999999999999-",
                "gzip, br, *;q=0",
                "pt;q=NaN",
                "x-" * 500,
                "-1",
                "1e400",
            ),
            *("application/json; charset=utf-7", "application/json; charset=nonsense", "multipart/form-data"),
            *("application/x-www-form-urlencoded; charset=utf-16", "Sun, 99 Nov 9999 99:99:99 GMT", "chunked", "null"),
            *("https://evil.example", "https://acme.kommo.com@evil.example", "http://[::1", "evil.example:99999"),
        )
    ),
)
SEGMENTS = st.lists(
    st.one_of(
        st.sampled_from(
            ("..", ".", "", "%2e%2e", "%2f", "%5c", "%00", "%0d%0aSet-Cookie:a=b", "%ff", "%zz", ";a=b", "\\")
        ),
        st.text(max_size=12).map(lambda text: quote(text, safe="")),
        st.binary(max_size=8).map(quote_from_bytes),
        st.sampled_from([part for path in PATHS for part in path.split("/") if part]),
    ),
    max_size=6,
)
BODIES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from((b"", b"{", b"null", b"[" * 5000, b'{"a":' * 3000, b"\xff\xfe", b"%", b"&" * 500, b"\0" * 300)),
)


def is_ours(answer: TestResponse) -> None:
    """The answer is one that we meant to give."""
    assert answer.status_code != 500, answer.data
    assert not any(character in value for _, value in answer.headers for character in "\r\n\0")
    assert "Set-Cookie" not in answer.headers
    if answer.content_type == "application/json" and answer.data:
        json.loads(answer.data)
    elif answer.status_code >= 400 and answer.data:
        assert answer.mimetype == "text/html", answer
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.fixture(scope="module")
def client(target: Target) -> FlaskClient:
    return target.client()


@effort()
@given(
    path=st.sampled_from(PATHS),
    method=st.sampled_from(METHODS),
    headers=st.dictionaries(st.sampled_from(HEADERS), VALUES, max_size=5),
    body=BODIES,
)
def test_no_method_header_or_body_makes_a_route_fail(
    client: FlaskClient, path: str, method: str, headers: dict[str, str], body: bytes
) -> None:
    is_ours(client.open(path, method=method, headers=headers, data=body))


@effort()
@given(path=SEGMENTS, method=st.sampled_from(("GET", "POST", "PUT", "HEAD")), query=st.binary(max_size=40))
def test_no_path_leads_to_anything_but_an_answer_of_ours(
    client: FlaskClient, path: list[str], method: str, query: bytes
) -> None:
    # As gunicorn hands it over; a test client would tidy it up first.
    raw = unquote_to_bytes("/" + "/".join(path)).decode("latin-1")
    asked = {"PATH_INFO": raw, "QUERY_STRING": quote_from_bytes(query, safe="=&%+")}
    answer = client.open("/", method=method, environ_overrides=asked)
    is_ours(answer)
    assert answer.status_code not in (301, 307, 308), "nobody is sent elsewhere because of a path"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("slashes", ["//", "///"], ids=["two", "three"])
def test_a_path_with_more_slashes_is_not_redirected_to_a_host_of_the_senders_choice(
    client: FlaskClient, path: str, slashes: str
) -> None:
    inner = f"/{path[1:].replace('/', slashes)}"
    answer = client.get(inner, headers={"Host": "evil.example"})
    assert "evil.example" not in str(answer.headers)
    assert answer.status_code == (404 if inner != path else answer.status_code)


@pytest.mark.parametrize("path", [path for path in PATHS if path.startswith(("/help", "/openapi"))])
def test_what_may_be_kept_is_shown_also_to_whoever_asks_for_another_version(client: FlaskClient, path: str) -> None:
    assert client.get(path, headers={"If-Match": '"another"'}).status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_no_method_is_answered_that_a_route_does_not_name(client: FlaskClient, path: str) -> None:
    answer = client.open(path, method="TRACE")
    assert (answer.status_code, answer.get_json()) == (405, {"error": {"code": "method_not_allowed"}})
    assert answer.headers["Allow"]


@effort()
@given(
    accept=st.one_of(VALUES, st.text(string.printable.translate({13: None, 10: None, 11: None, 12: None}), max_size=60))
)
def test_metrics_are_shown_whatever_format_is_asked_for(client: FlaskClient, accept: str) -> None:
    answer = client.get("/metrics", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.content_type in {
        "text/plain; version=0.0.4; charset=utf-8",
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    }


@effort()
@given(header=st.sampled_from(HEADERS), value=st.text(st.characters(codec="ascii"), min_size=1, max_size=40))
def test_a_line_break_in_a_value_starts_no_header(target: Target, header: str, value: str) -> None:
    """Servers refuse such headers before us; a value that came through a proxy still makes no header of an answer."""
    broken = f"{value}\r\nX-Injected: yes"
    environ: dict[str, Any] = {f"HTTP_{header.upper().replace('-', '_')}": broken}
    answer = target.client().get("/widget/settings", environ_overrides=environ)
    assert "X-Injected" not in answer.headers
    assert "X-Injected" not in str(answer.headers)
    is_ours(answer)


@pytest.mark.parametrize("name", ["client_id", "lang", "state", "code", "period"])
@pytest.mark.parametrize("path", [path for path in PATHS if path != "/kommo/salesbot"])
def test_a_line_break_in_a_parameter_starts_no_header(client: FlaskClient, path: str, name: str) -> None:
    answer = client.get(f"{path}?{name}=a%0d%0aX-Injected:%20yes&{name}=b%0aX-Injected:%20yes")
    assert "X-Injected" not in str(answer.headers)
    is_ours(answer)


@effort(0.5)
@given(text=st.text(st.characters(codec="utf-8"), max_size=60), genuine=st.booleans())
def test_no_refusal_repeats_what_was_sent(target: Target, text: str, genuine: bool) -> None:
    sent = f"{text}q7Zw"  # no page has this by accident
    company = target.next_company()
    token = target.door_token(company) if genuine else sent
    client = target.client()
    form = {"token": token, "return_url": sent, "data[message]": sent, sent: sent}
    headers = {TOKEN_HEADER: target.widget_token(company) if genuine else quote(sent), "Origin": company.kommo.url}
    for answer in (
        client.post("/kommo/salesbot", data=form, content_type=FORM_TYPE),
        client.put("/widget/settings", json={"locale": sent, "timezone": sent, "profile": sent}, headers=headers),
        client.get("/widget/usage", query_string={"period": sent, "lang": sent}, headers=headers),
        client.get("/kommo/oauth/callback", query_string={"code": sent, "referer": sent, "state": sent, "error": ""}),
        client.get("/kommo/oauth/revoked", query_string={"account_id": sent, "signature": sent}),
        client.get(f"/help/errors/{quote(sent, safe='')}", query_string={"lang": sent}),
        client.get(f"/{quote(sent, safe='')}"),
    ):
        assert 400 <= answer.status_code < 500
        assert b"q7Zw" not in answer.data
        target.assert_silent(answer.data)
