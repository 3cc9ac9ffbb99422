"""`bytegpt account remove` on a running service: everything goes, webhooks get 404 at once, nobody else notices."""

import json
from typing import Any

import pytest

from app.storage import keys
from app.storage.removals import RedisRemovals
from sandbox.stack import Stack
from tests.functional.commands import bytegpt, printed, started
from tests.functional.shop import PATIENCE, Shop, say
from tests.redis_contents import everything_in, everything_unsealed
from tests.waiting import wait_until

Json = dict[str, Any]


def of_account(stack: Stack, account_id: int) -> list[bytes]:
    """Keys of Redis in which the account stands; not those that are gone within seconds."""
    lines = everything_in(stack.redis).split(b"\n")
    found = [line.split(b" ")[0] for line in lines if str(account_id).encode() in line]
    return [key for key in found if not key.startswith((b"bytegpt:pace:", b"bytegpt:queued:", b"bytegpt:ready:"))]


class Leaving:
    """A company that has had answers, and that goes."""

    def __init__(self, stack: Stack, name: str) -> None:
        self.stack = stack
        self.shop = Shop(stack, name, contact_daily_limit=50)
        self.words = f"palavras-de-{name}"
        self.client = self.shop.client()
        for number in range(3):
            self.shop.turn(self.shop.asked(say(f"{self.words}-{number}"), self.client))

    @property
    def account_id(self) -> int:
        return self.shop.kommo.account_id

    def remove(self, *options: str) -> Json:
        """The receipt."""
        receipt: Json = printed(self.stack, "account", "remove", str(self.account_id), *options)
        return receipt

    def remembered(self) -> bool:
        """Whether anything that was written stands anywhere in Redis, once it is opened."""
        return self.words.encode() in everything_unsealed(self.stack.redis, self.stack.sealer)

    def at_openai(self) -> tuple[int, int]:
        """How many conversations and responses with its words OpenAI has."""
        openai = self.stack.openai
        texts = [json.dumps(openai.conversation_items(one)) for one in openai.conversation_ids()]
        return (
            sum(self.words in text for text in texts),
            sum(self.words in json.dumps(one["output"]) for one in openai.responses()),
        )


@pytest.fixture
def leaving(service: Stack, request: pytest.FixtureRequest) -> Leaving:
    return Leaving(service, "".join(letter for letter in request.node.name if letter.isalpha()))


def test_all_of_it_goes_and_the_receipt_says_so(leaving: Leaving, service: Stack) -> None:
    other = Shop(service, "Fica")
    other.turn(other.asked("oi"))
    before = other.usage()
    assert of_account(service, leaving.account_id)
    receipt = leaving.remove()
    assert receipt["complete"] is True
    assert {
        kind: receipt["here"][kind] for kind in ("turns", "conversation", "ledger", "quota", "usage", "account")
    } == {
        "turns": 3,
        "conversation": 1,
        "ledger": 1,
        "quota": 1,
        "usage": 1,
        "account": 1,
    }
    assert receipt["at_openai"] == {}
    assert any("--at-openai" in one["why"] for one in receipt["remains"])
    assert of_account(service, leaving.account_id) == []
    assert not leaving.remembered()
    assert leaving.at_openai() == (1, 3)
    assert other.usage() == before
    code, _, errors = bytegpt(service, "account", "remove", str(leaving.account_id))
    assert (code, errors) == (1, f"Error: account {leaving.account_id} is not known\n")


def test_at_openai_too_if_that_is_wanted(leaving: Leaving) -> None:
    receipt = leaving.remove("--at-openai")
    assert receipt["at_openai"] == {"conversation deleted": 1, "item deleted": 6, "response deleted": 3}
    assert leaving.at_openai() == (0, 0)
    assert of_account(leaving.stack, leaving.account_id) == []


def test_webhooks_get_404_at_once_while_open_turns_still_end_as_they_must(leaving: Leaving, service: Stack) -> None:
    text = f"{leaving.words} demora"
    leaving.shop.fault("rate_limit", message="demora", retry_after=1)
    webhook = leaving.shop.asked(say(text), leaving.client)
    removing = started(service, "account", "remove", str(leaving.account_id), "--json")
    wait_until(lambda: service.redis.hexists(keys.account(leaving.account_id), "removing"), PATIENCE)
    late = leaving.shop.kommo.send_webhook(service.door, {"message": "oi", "contact_id": "1"})
    late.wait(PATIENCE)
    assert late.status == 404
    assert removing.stderr is not None
    assert removing.stderr.readline() == "waiting for 1 open turn(s)\n"
    service.openai.clear_faults()
    output, _ = removing.communicate(timeout=PATIENCE)
    assert leaving.shop.told(webhook)["data"]["reply"] == text
    assert json.loads(output)["here"]["turns"] == 4
    assert of_account(service, leaving.account_id) == []
    assert not leaving.remembered()
    again = leaving.shop.kommo.send_webhook(service.door, {"message": "oi", "contact_id": "1"})
    again.wait(PATIENCE)
    assert again.status == 404


def test_what_was_interrupted_goes_on_with_the_next_try(leaving: Leaving, service: Stack) -> None:
    removals = RedisRemovals(service.redis, service.accounts)
    removals.begin(leaving.account_id)
    page, _ = next(removals.turns(leaving.account_id))
    removals.remove_turns(leaving.account_id, page[:2])
    # Killed here. Nobody can use the account or add it anew, and everybody can see why.
    assert printed(service, "account", "show", str(leaving.account_id))["removing"] is True
    anew = json.dumps({"account_id": leaving.account_id, "subdomain": "again"})
    code, _, errors = bytegpt(service, "account", "add", stdin=anew)
    assert code == 1
    assert "is being removed: finish that with bytegpt account remove" in errors
    assert leaving.remove()["here"]["turns"] == 3
    assert of_account(service, leaving.account_id) == []


def test_what_openai_refuses_stays_known_until_somebody_decides(leaving: Leaving, service: Stack) -> None:
    leaving.shop.fault("forbidden_region", route="DELETE /responses/*", times=1)
    code, output, errors = bytegpt(service, "account", "remove", str(leaving.account_id), "--at-openai", "--json")
    assert (code, output) == (1, "")
    assert "OpenAI did not delete 1 thing(s)" in errors
    assert leaving.at_openai() == (0, 1)
    receipt = leaving.remove("--at-openai")
    assert receipt["here"]["turns"] == 3
    assert receipt["at_openai"]["response deleted"] == 3
    assert leaving.at_openai() == (0, 0)


def test_a_removed_account_can_be_added_again_and_begins_anew(leaving: Leaving, service: Stack) -> None:
    leaving.remove()
    added = leaving.shop.company.account
    service.accounts.add(added, leaving.shop.kommo.integration.secret)
    assert leaving.shop.usage()["used"] == 0
    leaving.shop.turn(leaving.shop.asked("oi", leaving.shop.client()))
    assert leaving.shop.usage()["used"] == 1
