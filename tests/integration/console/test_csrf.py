"""No form of another site changes anything."""

import pytest
import redis

from tests.console_browser import Console
from tests.integration.console.routes import Route, routes_of
from tests.redis_contents import everything_in
from tests.webhooks import Door

CHANGING = [route for route in routes_of(Door().app()) if route.method in ("DELETE", "PATCH", "POST", "PUT")]
HTML = {"Accept": "text/html"}


def test_there_are_routes_that_change_something() -> None:
    assert {"console.login", "console.log_out", "rq_dashboard.empty_queue"} <= {route.endpoint for route in CHANGING}


def tokens_of_others(operator: Console) -> list[str]:
    """None, nonsense, that of a stranger, and that of another operator."""
    stranger, colleague = operator.other_browser(), operator.other_browser().logged_in()
    return ["", "x", stranger.token(), colleague.token()]


@pytest.mark.parametrize("route", CHANGING, ids=str)
def test_nothing_is_changed_without_the_token_of_the_session(
    operator: Console, redis_client: redis.Redis, route: Route
) -> None:
    tokens = tokens_of_others(operator)
    before = everything_in(redis_client)
    for token in tokens:
        for answer in (
            operator.client.open(route.path, method=route.method, data={"csrf_token": token}, headers=HTML),
            operator.client.open(route.path, method=route.method, headers={**HTML, "X-CSRFToken": token}),
        ):
            assert answer.status_code == 400
            assert "O formulário expirou" in answer.text
    assert operator.client.open(route.path, method=route.method, headers=HTML).status_code == 400
    assert everything_in(redis_client) == before
    assert operator.is_logged_in()


def test_a_script_is_told_in_json(operator: Console) -> None:
    answer = operator.client.post("/console/rq/requeue/turns", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.get_json()) == (400, {"error": {"code": "csrf", "fields": {}}})


def test_the_token_may_come_in_a_header(operator: Console) -> None:
    headers = {"X-CSRFToken": operator.token(), "Accept": "application/json"}
    answer = operator.client.post("/console/rq/requeue/turns", headers=headers)
    assert (answer.status_code, answer.get_json()["status"]) == (200, "OK")


def test_a_token_in_the_address_counts_for_nothing(operator: Console) -> None:
    answer = operator.client.post(f"/console/rq/requeue/turns?csrf_token={operator.token()}", headers=HTML)
    assert answer.status_code == 400


def test_a_login_that_was_left_open_for_long_is_asked_for_again_in_words(console: Console) -> None:
    answer = console.post_without_token("/console/login", {"username": "ana", "password": "x"})
    assert answer.status_code == 400
    assert "recarregue a página e tente de novo" in answer.text


def test_webhooks_and_the_widget_need_no_token(console: Console) -> None:
    answer = console.client.post("/kommo/salesbot", json={"token": "x"})
    assert answer.get_json()["error"]["code"] != "csrf"


def test_a_form_larger_than_any_of_ours_is_not_read(operator: Console) -> None:
    answer = operator.post("/console/preferences", {"language": "en", "next": "x" * 70_000})
    assert answer.status_code == 413
    assert "Grande demais" in answer.text
