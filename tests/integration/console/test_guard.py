"""One rule for every route below /console."""

import pytest
import redis
from flask import Blueprint, Flask

from app.storage.accounts import RedisAccounts
from app.storage.sealing import Sealer
from app.web.console.guard import OPEN_ENDPOINTS
from tests.builders import ENCRYPTION_KEY, an_account
from tests.console_browser import Console
from tests.integration.console.routes import Route, routes_of
from tests.redis_contents import everything_in
from tests.webhooks import PUBLIC_URL, Door, some_form

ROUTES = list(routes_of(Door().app()))
GUARDED = [route for route in ROUTES if route.endpoint not in OPEN_ENDPOINTS]


def test_what_is_open_is_the_login_its_files_and_the_choice_of_a_language() -> None:
    assert {"console.login", "console.preferences", "console.static"} == OPEN_ENDPOINTS
    assert {route.endpoint for route in ROUTES} >= OPEN_ENDPOINTS


def test_the_dashboard_of_rq_and_its_files_are_among_the_guarded() -> None:
    endpoints = {route.endpoint for route in GUARDED}
    assert {"console.overview", "console.log", "console.log_out"} <= endpoints
    assert {"rq_dashboard.static", "rq_dashboard.favicon", "rq_dashboard.list_workers"} <= endpoints
    assert len(endpoints) >= 18


@pytest.mark.parametrize("route", GUARDED, ids=str)
def test_without_a_login_no_route_does_anything(console: Console, redis_client: redis.Redis, route: Route) -> None:
    before = everything_in(redis_client)
    answer = console.client.open(route.path, method=route.method, headers={"Accept": "text/html"}, buffered=True)
    if answer.status_code == 302:
        assert route.method in ("GET", "HEAD")
        assert answer.headers["Location"].startswith("/console/login?next=/console/")
    else:
        assert (answer.status_code, answer.content_type) == (401, "application/json")
    assert everything_in(redis_client) == before


@pytest.mark.parametrize("route", GUARDED, ids=str)
def test_neither_does_one_for_a_session_that_was_forged(console: Console, route: Route) -> None:
    console.client.set_cookie("bytegpt_console", "eyJpZCI6IngifQ.awKAkQ.gdFNLTw", path="/console")
    assert console.client.open(route.path, method=route.method).status_code in (302, 401)


@pytest.mark.parametrize(
    "path", ["/console/no/such/page", "/console/rq/9/view/queues", "/console/log/x", "/console/rq/"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
def test_a_stranger_does_not_learn_what_there_is(console: Console, method: str, path: str) -> None:
    expected = 302 if method in ("GET", "HEAD") else 401
    assert console.client.open(path, method=method).status_code == expected


@pytest.mark.parametrize(
    "path", ["//console/", "/console//log", "/./console/log", "/console/%2e%2e/console/log", "/CONSOLE/"]
)
def test_no_way_of_writing_a_path_leads_around_the_rule(console: Console, path: str) -> None:
    answer = console.client.get(path)
    assert answer.status_code in (302, 404)
    assert b"Registro" not in answer.data


@pytest.mark.parametrize("path", ["/console", "/console/rq", "/console/rq/0", "/console/rq/0/", "/console/rq/0/view"])
def test_no_short_way_of_writing_a_path_sends_an_operator_to_the_host_that_the_request_names(
    operator: Console, path: str
) -> None:
    answer = operator.get(path)
    assert (answer.status_code, answer.headers.get("Location")) == (200, None)


def test_a_route_that_is_added_later_is_guarded_without_anybody_thinking_of_it(redis_client: redis.Redis) -> None:
    console = Console(redis_client)
    later = Blueprint("later", __name__)

    @later.route("/console/later", methods=["GET", "POST"])
    def view() -> str:
        return "told"

    console.app.register_blueprint(later)
    assert [console.get("/console/later").status_code, console.post("/console/later").status_code] == [302, 401]
    console.logged_in()
    assert console.get("/console/later").text == "told"
    assert console.post_without_token("/console/later").status_code == 400
    assert console.post("/console/later").text == "told"


PEOPLE_AND_SCRIPTS = [
    pytest.param("/console/log", {"Accept": "text/html,*/*;q=0.8"}, 302, id="a browser"),
    pytest.param("/console/log", {"Accept": "*/*"}, 302, id="curl"),
    pytest.param("/console/log", {}, 302, id="somebody who takes anything"),
    pytest.param("/console/log", {"Accept": "text/html", "Sec-Fetch-Dest": "document"}, 302, id="a newer browser"),
    pytest.param("/console/log", {"Accept": "application/json"}, 401, id="a script"),
    pytest.param("/console/log", {"Accept": "*/*", "Sec-Fetch-Dest": "empty"}, 401, id="a script within a page"),
    pytest.param("/console/log", {"Accept": "*/*", "X-Console-Refresh": "1"}, 401, id="a page that refreshes itself"),
    pytest.param("/console/rq/0/data/queues.json", {"Accept": "text/html"}, 401, id="data"),
    pytest.param("/console/rq/static/css/main.css", {"Accept": "text/css,*/*;q=0.1"}, 401, id="a file"),
]


@pytest.mark.parametrize(("path", "headers", "status"), PEOPLE_AND_SCRIPTS)
def test_people_are_led_to_the_login_and_scripts_are_told(
    console: Console, path: str, headers: dict[str, str], status: int
) -> None:
    answer = console.client.get(path, headers=headers)
    assert answer.status_code == status
    if status == 401:
        assert answer.get_json() == {"error": {"code": "unauthorized"}}


def test_what_the_login_page_is_made_of_is_there_for_everybody(console: Console) -> None:
    page = console.get("/console/login").text
    for name, content_type in (("console.css", "text/css"), ("console.js", "text/javascript")):
        (address,) = [part for part in page.split('"') if part.startswith(f"/console/static/{name}?v=")]
        answer = console.client.get(address, buffered=True)
        assert (answer.status_code, answer.mimetype) == (200, content_type)
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert "Set-Cookie" not in answer.headers
    assert console.client.get("/console/static/console.css?v=old", buffered=True).headers["Cache-Control"] == "no-cache"
    assert console.client.get("/console/static/%2e%2e/templates/console/base.html").status_code == 404


@pytest.mark.parametrize(
    "route",
    [route for route in GUARDED if route.method == "GET" and not route.path.endswith(("/x", "/x.json"))],
    ids=str,
)
def test_with_a_login_every_page_opens(operator: Console, route: Route) -> None:
    RedisAccounts(operator.redis, Sealer([ENCRYPTION_KEY])).add(an_account())
    path = route.path.replace("console.css", "css/main.css") if route.endpoint == "rq_dashboard.static" else route.path
    assert operator.get(path).status_code == 200


def test_the_rest_of_the_service_is_as_open_as_before(redis_client: redis.Redis) -> None:
    console = Console(redis_client, public_url=PUBLIC_URL)
    for path in ("/healthz", "/readyz", "/help"):
        assert console.client.get(path).status_code == 200
    assert console.client.post("/kommo/salesbot", data=some_form()).status_code == 200


def test_applications_of_one_process_have_consoles_of_their_own(redis_client: redis.Redis) -> None:
    apps: list[Flask] = [Console(redis_client).app for _ in range(2)]
    assert (
        apps[0].view_functions["rq_dashboard.list_workers"] is not apps[1].view_functions["rq_dashboard.list_workers"]
    )
