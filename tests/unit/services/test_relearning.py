"""A webhook from a new address: Kommo is asked, briefly and rarely, and nobody else (kommo.md 9.2)."""

import threading
from dataclasses import replace

import pytest

from app.domain.accounts import Account, Secrets
from app.domain.oauth_tokens import KommoAccount, KommoUnavailable
from app.domain.return_url import Origin
from app.services.relearning import LOOK_SECONDS, QUEUE_SECONDS, QUIET_SECONDS, Relearning
from app.services.renaming import Renaming
from tests.unit.services.kommo_in_memory import INSTALLED, TEMPLATE, FakeLookUp, Registry
from tests.unit.services.ports_in_memory import Clock

API = "https://api-c.kommo.com"
NOVO = Origin.parse("https://novo.kommo.com")
MOVED = KommoAccount(INSTALLED.account_id, "novo")
STAYED = KommoAccount(INSTALLED.account_id, "acme")


class Desk:
    def __init__(self, *answers: KommoAccount | Exception, account: Account = INSTALLED) -> None:
        self.clock = Clock()
        self.accounts = Registry(account)
        self.look_up = FakeLookUp().says(API, "refresh-1", *answers or (MOVED,))
        renaming = Renaming(self.accounts, self.look_up, TEMPLATE, self.clock)
        self.relearning = Relearning(self.accounts, renaming, TEMPLATE, self.clock)

    def relearned(self, told: Origin = NOVO) -> bool:
        return self.relearning.relearned(INSTALLED, told)


def test_an_account_that_kommo_finds_at_the_new_address_is_stored_there() -> None:
    desk = Desk()
    assert desk.relearned()
    assert desk.accounts.one.subdomain == "novo"


def test_whoever_comes_after_that_asks_nobody() -> None:
    desk = Desk()
    desk.relearned()
    assert desk.relearned()
    assert len(desk.look_up.asked) == 1


@pytest.mark.parametrize(
    "told",
    [
        "https://evil.example",
        "https://novo.kommo.com.evil.example",
        "https://novo.kommo.com:8443",
        "http://novo.kommo.com",
        "https://a.novo.kommo.com",
        "https://kommo.com",
    ],
)
def test_nothing_is_asked_for_an_address_that_no_account_can_have(told: str) -> None:
    desk = Desk()
    assert not desk.relearned(Origin.parse(told))
    assert desk.look_up.asked == []


def test_the_address_that_is_told_is_taken_only_when_kommo_names_it_too() -> None:
    desk = Desk(KommoAccount(INSTALLED.account_id, "terceiro"))
    assert not desk.relearned()
    assert desk.accounts.one.subdomain == "terceiro"


@pytest.mark.parametrize("said", [STAYED, KommoUnavailable("503")])
def test_after_a_vain_look_nobody_is_asked_for_a_while(said: KommoAccount | Exception) -> None:
    desk = Desk(said)
    assert not desk.relearned()
    for _ in range(5):
        desk.clock.now += QUIET_SECONDS / 6
        assert not desk.relearned()
    assert len(desk.look_up.asked) == 1
    desk.clock.now += QUIET_SECONDS
    desk.look_up.says(API, "refresh-1", MOVED)
    assert desk.relearned()


def test_one_account_that_is_quiet_does_not_silence_another() -> None:
    desk = Desk(STAYED)
    assert not desk.relearned()
    other = replace(INSTALLED, account_id=5, secrets=Secrets("sk-key", INSTALLED.secrets.access_token, "refresh-5"))
    desk.accounts.stored[5] = other
    desk.look_up.says(API, "refresh-5", KommoAccount(5, "novo"))
    assert desk.relearning.relearned(other, NOVO)


def test_an_account_that_was_removed_is_not_looked_for() -> None:
    desk = Desk()
    desk.accounts.stored.clear()
    assert not desk.relearned()
    assert desk.look_up.asked == []


def test_webhooks_that_come_together_ask_once() -> None:
    desk = Desk()
    found: list[bool] = []
    threads = [threading.Thread(target=lambda: found.append(desk.relearned())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 8
    assert len(desk.look_up.asked) == 1


def test_all_of_it_fits_into_the_time_of_a_webhook() -> None:
    assert QUEUE_SECONDS + LOOK_SECONDS < 2.0
