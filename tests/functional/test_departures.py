"""Calls to Kommo from several processes: never more a second than one address may make, in order, notes last.

Kommo's limit is on: seven calls in any second from one address, refused ones included (kommo.md 8.8).
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.storage import keys
from app.storage.presence import RedisPresence
from sandbox.kommo_faults import Route, status
from sandbox.kommo_server import KommoSimulator
from sandbox.kommo_webhook import SentWebhook
from sandbox.stack import Stack
from tests.functional.shop import PATIENCE, Shop
from tests.waiting import wait_until

WORKERS = 3
# Again and again, until all are decided.
HELD_BACK = 2.0
LIMIT, RATE = 7, 6


@dataclass(frozen=True)
class Rush:
    """Turns of several companies that became ready together, and the companies."""

    stack: Stack
    shops: list[Shop]
    webhooks: dict[str, list[SentWebhook]]
    addresses: tuple[str, ...]

    @property
    def all_webhooks(self) -> list[SentWebhook]:
        return [webhook for webhooks in self.webhooks.values() for webhook in webhooks]


def hold_back(stack: Stack, names: tuple[str, ...]) -> None:
    """Let no call leave from any address for some seconds."""
    seconds, microseconds = stack.redis.time()
    now = seconds * 1_000_000 + microseconds
    moment = now + int(HELD_BACK * 1_000_000)
    for name in names:
        stack.redis.set(keys.pace_of_egress(name), f"{moment} {now}", px=int(HELD_BACK * 1000))


def ready(stack: Stack) -> int:
    """How many turns wait to leave."""
    return sum(int(stack.redis.zcard(key)) for key in stack.redis.scan_iter(f"{keys.ready()}:3*"))


def rush(stack: Stack, names: tuple[str, ...], numbers: tuple[int, ...], addresses: tuple[str, ...]) -> Rush:
    stack.start("web", *["worker"] * WORKERS)
    stack.wait_until_ready()
    wait_until(lambda: len(RedisPresence(stack.redis).living()) == WORKERS, 30)
    shops = [Shop(stack, f"Empresa-{place}") for place, _ in enumerate(numbers)]
    # Some of the turns fail, so that there are notes to be written.
    for shop in shops:
        shop.fault("unauthorized", message="falhe")
    webhooks: dict[str, list[SentWebhook]] = {}
    for shop, number in zip(shops, numbers, strict=True):
        asked = webhooks[shop.company.project] = []
        for place in range(number):
            hold_back(stack, names)
            asked.append(shop.asked(f"{'falhe' if place % 5 == 4 else 'Oi'} {place}", shop.client()))

    def all_decided() -> bool:
        hold_back(stack, names)
        return ready(stack) == sum(numbers)

    wait_until(all_decided, PATIENCE)
    wait_until(lambda: all(shop.turn(webhook) for shop in shops for webhook in webhooks[shop.company.project]), 30)
    wait_until(lambda: sum(len(shop.kommo.notes) for shop in shops) == sum(number // 5 for number in numbers), 30)
    return Rush(stack, shops, webhooks, addresses)


@pytest.fixture(scope="module")
def one_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rush]:
    settings = {"KOMMO_RATE": str(RATE), "KOMMO_ACCOUNT_RATE": "5"}
    kommo = KommoSimulator(rate=LIMIT)
    with Stack(tmp_path_factory.mktemp("one"), settings=settings, kommo=kommo) as stack:
        yield rush(stack, ("default",), (25, 10, 5), ("127.0.0.1",))


def test_no_second_sees_more_calls_than_kommo_allows(one_address: Rush) -> None:
    kommo = one_address.stack.kommo
    assert kommo.busiest_second() <= LIMIT
    assert 429 not in {call.status for call in kommo.calls}
    assert len(kommo.continues) == 40


def test_nobody_dawdles_either(one_address: Rush) -> None:
    moments = sorted(call.moment for call in one_address.stack.kommo.continues)
    assert 39 / RATE - 0.3 <= moments[-1] - moments[0] <= 39 / RATE * 1.3 + 1


def test_every_turn_is_delivered_once(one_address: Rush) -> None:
    kommo = one_address.stack.kommo
    assert [len(kommo.accepted_continues(webhook.return_url)) for webhook in one_address.all_webhooks] == [1] * 40


def test_within_a_company_calls_leave_in_order_of_acceptance(one_address: Rush) -> None:
    kommo = one_address.stack.kommo
    for webhooks in one_address.webhooks.values():
        wanted = [webhook.return_url for webhook in webhooks]
        made = [call.return_url for call in kommo.continues if call.return_url in wanted]
        assert made == wanted


def test_between_companies_calls_leave_in_turn(one_address: Rush) -> None:
    companies = {webhook.return_url: name for name, webhooks in one_address.webhooks.items() for webhook in webhooks}
    order = [companies[call.return_url] for call in one_address.stack.kommo.continues]
    # As long as the smallest one waits, each has a third.
    first = order[:15]
    assert max(first.count(name) for name in one_address.webhooks) <= 6
    assert min(first.count(name) for name in one_address.webhooks) >= 4


def test_notes_are_written_when_no_continue_call_waits_any_more(one_address: Rush) -> None:
    notes = [call.moment for call in one_address.stack.kommo.calls if call.route is Route.NOTE]
    last = max(call.moment for call in one_address.stack.kommo.continues)
    assert len(notes) == 8
    # The last call had its moment, and nobody waited, when the first note left.
    assert min(notes) > last - 0.1


@pytest.fixture(scope="module")
def two_addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rush]:
    settings = {
        "KOMMO_RATE": str(RATE),
        "KOMMO_ACCOUNT_RATE": "20",
        "KOMMO_EGRESS": "one=127.0.0.1,two=127.0.0.2",
    }
    kommo = KommoSimulator(rate=LIMIT)
    with Stack(tmp_path_factory.mktemp("two"), settings=settings, kommo=kommo) as stack:
        yield rush(stack, ("one", "two"), (30, 30), ("127.0.0.1", "127.0.0.2"))


@pytest.mark.skipif(sys.platform == "darwin", reason="needs 127.0.0.2")
def test_a_second_address_doubles_what_can_be_delivered(two_addresses: Rush) -> None:
    kommo = two_addresses.stack.kommo
    for address in two_addresses.addresses:
        assert kommo.busiest_second(source=address) <= LIMIT
        assert sum(call.source == address for call in kommo.continues) == pytest.approx(30, abs=6)
    moments = sorted(call.moment for call in kommo.continues)
    assert moments[-1] - moments[0] <= 59 / (2 * RATE) * 1.3 + 1
    assert kommo.busiest_second() > LIMIT
    assert 429 not in {call.status for call in kommo.calls}
    assert [len(kommo.accepted_continues(webhook.return_url)) for webhook in two_addresses.all_webhooks] == [1] * 60


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Shop]:
    with Stack(tmp_path, settings={"KOMMO_RATE": "50", "KOMMO_ACCOUNT_RATE": "50"}) as stack:
        stack.start("web", "worker", "worker")
        stack.wait_until_ready()
        yield Shop(stack, "Contida")


def test_when_kommo_says_429_nothing_more_leaves_for_that_account_until_it_may(held: Shop) -> None:
    other = Shop(held.stack, "Vizinha")
    held.kommo.faults.add(status(429, retry_after=2), Route.CONTINUE)
    first = held.asked("primeira", held.client())
    held.stack.kommo.wait_for(lambda: held.stack.kommo.continues_of(first.return_url))
    more = [held.asked(f"mais {number}", held.client()) for number in range(6)]
    neighbour = other.asked("Oi")
    for webhook in (first, *more):
        assert held.told(webhook)["data"]["status"] == "success"
    calls = [call for call in held.stack.kommo.continues if call.account_id == held.kommo.account_id]
    refused, *later = sorted(calls, key=lambda call: call.moment)
    assert (refused.status, len(later)) == (429, 7)
    assert later[0].moment - refused.moment >= 1.9
    assert held.statuses(first) == [429, 202]
    (call,) = held.stack.kommo.accepted_continues(neighbour.return_url)
    assert call.moment < later[0].moment
