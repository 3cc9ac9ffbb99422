"""Looking for accounts, and how near they are to their limit."""

import pytest

from app.domain.account_list import AccountMonth, searched_id, searched_name
from app.domain.quota import Counters
from tests.builders import an_account


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("acme", "acme"),
        ("ACME", "acme"),
        (" acme ", "acme"),
        ("my-shop_2", "my-shop_2"),
        ("acme.kommo.com", "acme"),
        ("https://acme.kommo.com", "acme"),
        ("https://acme.kommo.com/leads/detail/7?x=1", "acme"),
        ("http://acme.kommo.com:443/", "acme"),
        ("31000001", "31000001"),
        ("padaria pão", None),
        ("https://", None),
        ("https://?", None),
        ("", None),
        ("*", None),
    ],
)
def test_an_address_is_looked_for_by_its_first_name(text: str, name: str | None) -> None:
    assert searched_name(text) == name


@pytest.mark.parametrize(
    ("text", "account_id"),
    [
        ("31000001", 31000001),
        (" 7 ", 7),
        ("0", 0),
        ("-7", None),
        ("7.0", None),
        ("²", None),
        ("9" * 19, None),
        ("", None),
    ],
)
def test_an_id_is_a_number(text: str, account_id: int | None) -> None:
    assert searched_id(text) == account_id


@pytest.mark.parametrize(
    ("counters", "left", "share", "near"),
    [
        pytest.param(Counters("p", 100, used=10), 90, 0.1, False, id="at ease"),
        pytest.param(Counters("p", 100, used=79, reserved=1), 20, 0.8, True, id="near, with what is under way"),
        pytest.param(Counters("p", 100, used=90, boosts=100), 110, 0.45, False, id="boosts are of the limit"),
        pytest.param(Counters("p", 100, used=120), 0, 1.2, True, id="over, after a change of plan"),
        pytest.param(Counters("p", 0), 0, 1.0, True, id="a plan of nothing"),
    ],
)
def test_how_much_of_a_month_is_taken(counters: Counters, left: int, share: float, near: bool) -> None:
    month = AccountMonth(an_account(), "2025-11", counters)
    assert (month.left, month.share, month.is_near_limit) == (left, share, near)
