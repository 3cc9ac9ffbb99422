"""The door and accounts that were renamed: it takes nobody's word, and asks only when it must (kommo.md 9.2)."""

from typing import Any

import pytest

from app.domain.acceptance import StoreUnavailable
from app.domain.return_url import Origin
from tests.webhooks import ACCOUNT_ID, OTHER_CLIENT_ID, OTHER_CLIENT_SECRET, Door, a_token, some_claims, some_form

NOVO = "https://novo.kommo.com"
PATH = "/api/v4/salesbot/321/continue/123"


@pytest.fixture
def door() -> Door:
    return Door()


def from_novo(**claims: Any) -> dict[str, str]:
    token = a_token(some_claims(**{"iss": NOVO, "subdomain": "novo", **claims}))
    return some_form(token=token, return_url=NOVO + PATH)


def test_the_first_webhook_of_a_renamed_account_is_accepted(door: Door) -> None:
    door.renames[ACCOUNT_ID] = "novo"
    assert door.send(from_novo()).status_code == 200
    assert str(door.webhook.return_url) == NOVO + PATH
    assert door.asked_for_renames == [Origin.parse(NOVO)]


def test_what_the_door_remembers_of_it_does_not_stand_in_the_way(door: Door) -> None:
    older = Door()
    door.remembered = [older]
    door.renames[ACCOUNT_ID] = "novo"
    assert door.send(from_novo()).status_code == 200
    assert older.asked_for_renames == []


def test_an_address_that_kommo_does_not_confirm_is_refused(door: Door) -> None:
    assert door.send(from_novo()).status_code == 403
    assert door.accepted == []


def test_an_account_that_has_moved_somewhere_else_is_not_accepted_at_the_told_address(door: Door) -> None:
    door.renames[ACCOUNT_ID] = "terceiro"
    assert door.send(from_novo()).status_code == 403
    assert door.accepted == []


@pytest.mark.parametrize(
    ("fields", "status", "asked"),
    [
        (from_novo(), 403, 1),
        (some_form(token=a_token(some_claims(iss=NOVO), secret="f" * 64)), 401, 0),
        (some_form(token=a_token(some_claims(iss=NOVO), algorithm="HS256", digest="sha256")), 401, 0),
        (some_form(token=a_token(some_claims(iss=NOVO, exp=1))), 401, 0),
        (some_form(token=a_token(some_claims(iss=NOVO, account_id=5))), 404, 0),
        (
            some_form(token=a_token(some_claims(iss=NOVO, client_uuid=OTHER_CLIENT_ID), secret=OTHER_CLIENT_SECRET)),
            403,
            0,
        ),
        (some_form(token=a_token(some_claims(iss="not an address"))), 403, 0),
        (some_form(return_url=NOVO + PATH), 403, 0),
        (some_form(), 200, 0),
    ],
    ids=[
        "genuine",
        "forged",
        "algorithm",
        "expired",
        "unknown account",
        "account of another integration",
        "no address",
        "foreign return_url",
        "nothing new",
    ],
)
def test_only_a_genuine_token_of_the_account_makes_the_door_ask(
    door: Door, fields: dict[str, str], status: int, asked: int
) -> None:
    assert door.send(fields).status_code == status
    assert len(door.asked_for_renames) == asked


def test_a_return_url_elsewhere_than_the_new_address_is_refused(door: Door) -> None:
    door.renames[ACCOUNT_ID] = "novo"
    form = {**from_novo(), "return_url": "https://evil.example" + PATH}
    assert door.send(form).status_code == 403
    assert door.accepted == []


def test_without_redis_the_door_says_so(door: Door) -> None:
    door.trouble["relearned"] = StoreUnavailable()
    assert door.send(from_novo()).status_code == 503
