"""Alive and ready."""

import pytest

from app.domain.acceptance import StoreUnavailable
from tests.webhooks import Door


def test_a_process_that_answers_is_alive_whatever_else_is_wrong() -> None:
    door = Door(not_ready=["no worker lives"], trouble={"readiness": StoreUnavailable()})
    assert door.client().get("/healthz").status_code == 200


def test_a_service_without_reasons_against_it_is_ready() -> None:
    answer = Door().client().get("/readyz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ready"})


@pytest.mark.parametrize(
    ("door", "reasons"),
    [
        pytest.param(Door(not_ready=["no worker lives"]), ["no worker lives"], id="a reason"),
        pytest.param(Door(not_ready=["one", "two"]), ["one", "two"], id="two reasons"),
        pytest.param(Door(trouble={"readiness": StoreUnavailable("x")}), ["Redis does not answer"], id="no Redis"),
    ],
)
def test_a_service_that_is_not_ready_says_why(door: Door, reasons: list[str]) -> None:
    answer = door.client().get("/readyz")
    assert (answer.status_code, answer.get_json()) == (503, {"status": "not_ready", "reasons": reasons})
