"""`/openapi.json`: what is written there exists, and what exists is written there."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import schemathesis
from flask import Blueprint
from werkzeug.test import TestResponse

from app.domain.acceptance import StoreUnavailable
from app.domain.accounts import LOCALES
from app.domain.kommo_hooks import HookOutcome
from app.schemas.company import FormSchema
from app.schemas.fields import StrictSchema
from app.services.usage_documents import usage_document
from app.web.admission import BODY_LIMIT
from app.web.openapi.document import document, path_of, public_routes
from app.web.openapi.service import DOCUMENT_PATH
from app.web.widget_body import BODY_LIMIT as WIDGET_LIMIT
from tests.unit.web.test_oauth import CODE, a_signature
from tests.webhooks import ABSENT, ACCOUNT_ID, CLIENT_ID, PUBLIC_URL, Door, a_token, some_claims, some_form
from tests.widget_calls import CHANGE, CHECK, SETTINGS, USAGE, Page

Call = Callable[[], TestResponse]

AWAY = StoreUnavailable()
START, CALLBACK, REVOKED = "/kommo/oauth/start", "/kommo/oauth/callback", "/kommo/oauth/revoked"


def get(path: str, door: Door | None = None, **options: Any) -> Call:
    return lambda: (door or Door()).client().get(path, **options)


def webhook(door: Door | None = None, **overrides: Any) -> Call:
    return lambda: (door or Door()).send(some_form(**overrides))


def twice() -> TestResponse:
    door = Door()
    door.send()
    return door.send()


def unchanged(path: str) -> Call:
    def look() -> TestResponse:
        client = Door().client()
        return client.get(path, headers={"If-None-Match": client.get(path).headers["ETag"]})

    return look


def install(outcome: HookOutcome = HookOutcome.INSTALLED, **query: Any) -> Call:
    given = {"code": CODE, "referer": "acme.kommo.com", "client_id": CLIENT_ID, **query}
    return get(CALLBACK, Door(outcomes=[outcome]), query_string=given)


def revoke(outcome: HookOutcome = HookOutcome.REVOKED, door: Door | None = None, **query: Any) -> Call:
    given = {"client_uuid": CLIENT_ID, "account_id": str(ACCOUNT_ID), "signature": a_signature(), **query}
    return get(REVOKED, door or Door(outcomes=[outcome]), query_string=given)


def widget(method: str, path: str, body: Any = None, **options: Any) -> Call:
    return lambda: Page().call(method, path, body, **options)


def not_installed(method: str, path: str, body: Any = None) -> Call:
    def call() -> TestResponse:
        page = Page()
        page.office.stored.clear()
        return page.call(method, path, body)

    return call


def widget_without_redis(method: str, path: str, body: Any = None) -> Call:
    return lambda: Page(trouble={"account": AWAY}).call(method, path, body)


def used_token(method: str, path: str, body: Any) -> Call:
    def call() -> TestResponse:
        page = Page()
        assert page.call(method, path, body, jti="once").status_code == 200
        return page.call(method, path, body, jti="once")

    return call


def too_often(method: str, path: str, body: Any) -> Call:
    def call() -> TestResponse:
        page = Page()
        page.office.waits.append(17)
        return page.call(method, path, body)

    return call


def stale() -> TestResponse:
    return Page().call("PUT", SETTINGS, {**CHANGE, "version": 1})


def figures() -> TestResponse:
    page = Page()
    month: dict[str, Any] = dict.fromkeys(("account_id", "allowance", "boosts", "used", "reserved", "remaining"), 0)
    month |= {"period": "2026-11", "plan": "teste", **usage_document("2026-11", (), str), "rate": []}
    page.door.widget = replace(page.office.flows, usage=lambda *_: month)
    page.client = page.door.client()
    return page.call("GET", USAGE)


def refusals(method: str, path: str, body: Any = None) -> Mapping[int, Call]:
    """What every route of the widget refuses."""
    return {
        400: widget(method, f"{path}?lang=xx", body),
        401: widget(method, path, body, token="x"),
        403: widget(method, path, body, origin="https://other.kommo.com"),
        404: not_installed(method, path, body),
        503: widget_without_redis(method, path, body),
    }


TOO_LONG = b"{" + b" " * WIDGET_LIMIT
# Every documented route and status, and how it comes about.
WAYS: Mapping[tuple[str, str], Mapping[int, Call]] = {
    ("post", "/kommo/salesbot"): {
        200: twice,
        400: webhook(return_url=ABSENT),
        401: webhook(token="x"),
        403: webhook(return_url="https://evil.example/"),
        404: webhook(token=a_token(some_claims(account_id=2))),
        413: webhook(data__message="x" * BODY_LIMIT),
        503: webhook(Door(trouble={"accept": AWAY})),
    },
    ("get", START): {
        302: get(START),
        400: get(f"{START}?client_id=a%20b"),
        403: get(f"{START}?client_id=unknown"),
        404: get(START, Door(kommo_base_url="http://127.0.0.1:{subdomain}")),
        503: get(START, Door(trouble={"integration_secrets": AWAY})),
    },
    ("get", CALLBACK): {
        200: install(),
        202: install(HookOutcome.POSTPONED),
        400: install(code=""),
        403: install(error="access_denied"),
        503: install(HookOutcome.GIVEN_UP),
    },
    ("get", REVOKED): {
        200: revoke(),
        202: revoke(HookOutcome.POSTPONED),
        400: revoke(account_id="x"),
        403: revoke(signature="0" * 64),
        503: revoke(door=Door(trouble={"integration_secrets": AWAY})),
    },
    ("get", SETTINGS): {200: widget("GET", SETTINGS), **refusals("GET", SETTINGS)},
    ("put", SETTINGS): {
        200: widget("PUT", SETTINGS, CHANGE),
        **refusals("PUT", SETTINGS, CHANGE),
        401: used_token("PUT", SETTINGS, CHANGE),
        403: widget("PUT", SETTINGS, CHANGE, is_admin=False),
        409: stale,
        413: widget("PUT", SETTINGS, TOO_LONG),
        429: too_often("PUT", SETTINGS, CHANGE),
    },
    ("post", CHECK): {
        200: widget("POST", CHECK, {}),
        **refusals("POST", CHECK, {}),
        401: used_token("POST", CHECK, {}),
        413: widget("POST", CHECK, TOO_LONG),
        429: too_often("POST", CHECK, {}),
    },
    ("get", USAGE): {200: figures, **refusals("GET", USAGE)},
    **{
        ("options", path): {
            204: widget("OPTIONS", path, token=""),
            403: widget("OPTIONS", path, token="", origin="https://evil.example"),
        }
        for path in (SETTINGS, CHECK, USAGE)
    },
    ("get", "/healthz"): {200: get("/healthz")},
    ("get", "/readyz"): {200: get("/readyz"), 503: get("/readyz", Door(not_ready=["no worker lives"]))},
    ("get", "/metrics"): {200: get("/metrics")},
    ("get", DOCUMENT_PATH): {200: get(DOCUMENT_PATH), 304: unchanged(DOCUMENT_PATH)},
    ("get", "/help"): {200: get("/help"), 304: unchanged("/help")},
    ("get", "/help/errors/{code}"): {
        200: get("/help/errors/busy"),
        304: unchanged("/help/errors/busy"),
        404: get("/help/errors/nonsense"),
    },
    ("get", "/help/style.css"): {200: get("/help/style.css"), 304: unchanged("/help/style.css")},
    ("get", "/help/{_rest}"): {404: get("/help/nonsense")},
}


@pytest.fixture(scope="module")
def told() -> Any:
    answer = Door().client().get(DOCUMENT_PATH)
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    return answer.get_json()


@pytest.fixture(scope="module")
def described(told: Any) -> Any:
    """The document as schemathesis reads it."""
    return schemathesis.openapi.from_dict(told)


def test_every_documented_status_of_every_route_is_tried_here(told: Any) -> None:
    documented = {
        (method, path): {int(status) for status in operation["responses"]}
        for path, operations in told["paths"].items()
        for method, operation in operations.items()
    }
    assert documented == {route: set(ways) for route, ways in WAYS.items()}


@pytest.mark.parametrize(
    ("route", "status"),
    [
        pytest.param(route, status, id=f"{route[0]} {route[1]} {status}")
        for route, ways in WAYS.items()
        for status in ways
    ],
)
def test_what_is_documented_is_answered_and_as_it_is_documented(
    told: Any, described: Any, route: tuple[str, str], status: int
) -> None:
    answer = WAYS[route][status]()
    assert answer.status_code == status
    method, path = route
    response = told["paths"][path][method]["responses"][str(status)]
    assert answer.mimetype in response.get("content", {}) or not answer.data
    assert set(response.get("headers", {})) <= set(answer.headers.keys())
    described[path][method].validate_response(answer)


def test_every_route_outside_the_console_is_documented(told: Any) -> None:
    rules = Door().app().url_map
    outside = {path_of(rule) for rule in rules.iter_rules() if not rule.rule.startswith("/console")}
    assert set(told["paths"]) == outside
    assert {(method.lower(), path_of(rule)) for rule, method in public_routes(rules)} == set(WAYS)


def test_nothing_of_the_console_is_documented(told: Any) -> None:
    assert "console" not in str(told)


def test_a_route_that_nobody_has_described_is_an_error() -> None:
    app = Door().app()
    forgotten = Blueprint("forgotten", __name__)
    forgotten.add_url_rule("/forgotten", "forgotten", lambda: "")
    app.register_blueprint(forgotten)
    with pytest.raises(LookupError):
        document(app.url_map, PUBLIC_URL)


def test_a_description_of_no_route_is_an_error() -> None:
    app = Door().app()
    app.url_map = type(app.url_map)([rule.empty() for rule in app.url_map.iter_rules() if rule.rule != "/readyz"])
    with pytest.raises(LookupError, match="readyz"):
        document(app.url_map, PUBLIC_URL)


def test_the_document_is_of_openapi_3_1_and_names_this_service(told: Any) -> None:
    assert told["openapi"] == "3.1.0"
    assert told["servers"] == [{"url": PUBLIC_URL}]


def test_the_document_may_be_kept_and_is_not_sent_twice() -> None:
    client = Door().client()
    first = client.get(DOCUMENT_PATH)
    assert first.headers["Cache-Control"] == "public, max-age=3600"
    again = client.get(DOCUMENT_PATH, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_both_forms_of_a_webhook_have_the_same_fields(told: Any) -> None:
    content = told["paths"]["/kommo/salesbot"]["post"]["requestBody"]["content"]
    form = content["application/x-www-form-urlencoded"]["schema"]
    whole = content["application/json"]["schema"]
    names = {f"data[{name}]" for name in whole["properties"]["data"]["properties"]}
    assert set(form["properties"]) == names | {"token", "return_url"}
    assert form["required"] == ["token", "return_url", "data[message]"]
    assert set(whole["required"]) == {"token", "return_url", "data"}


def test_the_form_of_the_widget_is_documented_from_its_schema(told: Any) -> None:
    settings = told["paths"][SETTINGS]["put"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(settings["properties"]) == set(FormSchema().fields)
    assert settings["additionalProperties"] is False
    assert "required" not in settings
    assert settings["properties"]["locale"]["enum"] == list(LOCALES)
    assert settings["properties"]["failure_text"] == {"type": ["string", "null"], "maxLength": 4500}
    assert issubclass(FormSchema, StrictSchema)


def test_every_pattern_is_one_that_other_languages_read(told: Any) -> None:
    patterns = re.findall(r'"pattern": "(.*?)"', str(told).replace("'", '"'))
    assert patterns
    assert all(pattern.startswith("^") and pattern.endswith("$") and "\\Z" not in pattern for pattern in patterns)
