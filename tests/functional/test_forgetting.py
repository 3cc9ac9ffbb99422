"""`bytegpt contact forget` on a running service: what is gone here and at OpenAI, what stays, and what may happen."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from app.storage import keys
from app.storage.turns import RedisTurns
from sandbox.kommo_chat import Client
from sandbox.stack import Stack
from tests.builders import TIMING
from tests.functional.commands import bytegpt, printed
from tests.functional.shop import Shop, assistant_fields, request_id, say
from tests.redis_contents import everything_in, everything_unsealed

Json = dict[str, Any]


class House:
    """A company with two clients who have both had answers. Each has written and read words of their own."""

    def __init__(self, stack: Stack, name: str, kind: str = "profile") -> None:
        self.stack = stack
        self.name = name
        self.shop = Shop(stack, name, contact_daily_limit=50, **assistant_fields(kind, name.lower()))
        self.ana, self.bia = self.shop.client("Ana"), self.shop.client("Bia")
        self.turns: dict[str, list[str]] = {"Ana": [], "Bia": []}
        for client in (self.ana, self.bia):
            for number in range(2):
                self.write(client, number)

    def write(self, client: Client, number: int) -> None:
        """Let a client write something, and see it answered."""
        webhook = self.shop.asked(say(f"{self.words(client)}-{number}"), client)
        self.shop.turn(webhook)
        self.turns.setdefault(client.name, []).append(request_id(webhook))

    def words(self, client: Client) -> str:
        """What stands in everything that a client wrote and read, and nowhere else."""
        return f"palavras-{client.name}-{self.name}"

    @property
    def account_id(self) -> int:
        return self.shop.kommo.account_id

    def forget(self, *options: str, code: int = 0) -> Json:
        """The receipt for Ana."""
        got, output, errors = bytegpt(
            self.stack, "contact", "forget", str(self.account_id), str(self.ana.contact_id), *options, "--json"
        )
        assert got == code, errors
        receipt: Json = json.loads(output)
        return receipt

    def remembers(self, client: Client) -> bool:
        """Whether anything that a client wrote or read stands anywhere in Redis, once it is opened."""
        return self.words(client).encode() in everything_unsealed(self.stack.redis, self.stack.sealer)

    def conversation_of(self, client: Client) -> str | None:
        """The id of a client's conversation or thread."""
        key = keys.conversation(self.account_id, f"contact-{client.contact_id}")
        found = self.stack.redis.hget(key, "conversation_id")
        return found.decode() if isinstance(found, bytes) else None


@pytest.fixture
def house(service: Stack, request: pytest.FixtureRequest) -> House:
    return House(service, re.sub(r"[^a-z]", "", request.node.name))


def responses_to(house: House, client: Client) -> list[str]:
    """The ids of stored responses with a client's answers."""
    return [one["id"] for one in house.stack.openai.responses() if house.words(client) in json.dumps(one["output"])]


def figures(house: House) -> tuple[Any, ...]:
    """The sums that must not change by forgetting."""
    usage = house.shop.usage()
    return (
        usage["used"],
        usage["reserved"],
        house.shop.ledger(),
        sum(row["requests"] for row in usage["by_contact"]),
        usage["by_day"],
        usage["by_handler"],
        usage["by_model"],
    )


def test_nothing_of_the_contact_is_left_here_or_at_openai_and_all_else_stays(house: House) -> None:
    openai, before = house.stack.openai, figures(house)
    conversation, other = house.conversation_of(house.ana), house.conversation_of(house.bia)
    assert conversation
    assert other
    items = [item["id"] for item in openai.conversation_items(conversation)]
    responses = responses_to(house, house.ana)
    assert len(items) == 4
    assert len(responses) == 2
    assert house.remembers(house.ana)
    receipt = house.forget()
    assert receipt["complete"] is True
    assert receipt["here"] == {
        "turns": 2,
        "messages": 2,
        "answers": 2,
        "conversations": 1,
        "counters": 1,
        "usage_days": 1,
    }
    gone = {(one["kind"], one["id"]) for one in receipt["at_openai"]["deleted"]}
    assert gone == {
        ("conversation", conversation),
        *(("item", item) for item in items),
        *(("response", response) for response in responses),
    }
    assert receipt["at_openai"]["refused"] == receipt["at_openai"]["not_found"] == []
    assert receipt["remains"]
    # Here nothing of her words, and nothing that leads to her, is left.
    assert not house.remembers(house.ana)
    assert house.remembers(house.bia)
    keys_and_values = everything_in(house.stack.redis)
    assert f"contact-{house.bia.contact_id}".encode() in keys_and_values
    assert f"contact-{house.ana.contact_id}".encode() not in keys_and_values
    # Nor there; and each item was deleted by itself.
    assert conversation not in openai.conversation_ids()
    assert responses_to(house, house.ana) == []
    deleted = [call.path for call in house.shop.calls(("DELETE *",))]
    assert [path for path in deleted if "/items/" in path] == [
        f"/conversations/{conversation}/items/{item}" for item in items
    ]
    assert len(openai.conversation_items(other)) == 4
    assert len(responses_to(house, house.bia)) == 2
    assert figures(house) == before


def test_forgotten_turns_are_still_told_and_say_what_happened(house: House) -> None:
    house.forget()
    for turn in house.turns["Ana"]:
        told = printed(house.stack, "turn", "show", turn)
        assert (told["status"], told["steps"][-1]["step"]) == ("delivered", "forgotten")
        assert 0 < house.stack.redis.ttl(keys.turn(turn)) == house.stack.redis.ttl(keys.turn_steps(turn))
        record = RedisTurns(house.stack.redis, house.stack.sealer, TIMING).read(turn)
        assert record is not None
        assert (record.message, record.answer, record.line, record.note_lead_id) == ("", None, None, None)


def test_a_forgotten_contact_begins_anew(house: House) -> None:
    known = house.stack.openai.conversation_ids()
    house.forget()
    house.write(house.ana, 7)
    conversation = house.conversation_of(house.ana)
    assert conversation
    assert conversation not in known
    assert len(house.stack.openai.conversation_items(conversation)) == 2


def test_a_second_time_there_is_nothing_left_to_do(house: House) -> None:
    house.forget()
    called = len(house.shop.calls(("*",)))
    again = house.forget()
    assert again["complete"] is True
    assert set(again["here"].values()) == {0}
    assert again["at_openai"] == {"counts": {}, "deleted": [], "not_found": [], "refused": []}
    assert len(house.shop.calls(("*",))) == called


def test_an_open_turn_is_not_cut_off_unless_it_is_waited_for(house: House) -> None:
    text = f"{house.words(house.ana)} demora"
    house.shop.fault("slow", message="demora", first_byte=1.5)
    webhook = house.shop.asked(say(text), house.ana)
    code, output, errors = bytegpt(
        house.stack, "contact", "forget", str(house.account_id), str(house.ana.contact_id), "--json"
    )
    assert (code, output) == (1, "")
    assert "1 open turn(s) of this contact" in errors
    assert house.conversation_of(house.ana)
    assert house.remembers(house.ana)
    receipt = house.forget("--wait")
    assert house.shop.told(webhook)["data"]["reply"] == text
    assert receipt["here"]["turns"] == 3
    assert not house.remembers(house.ana)


def refuse_items(house: House) -> None:
    house.shop.fault("forbidden_region", route="DELETE /conversations/*/items/*", times=3)


def refuse_responses(house: House) -> None:
    house.shop.fault("forbidden_region", route="DELETE /responses/*", times=2)


def refuse_the_key(house: House) -> None:
    house.shop.fault("unauthorized", route="GET /conversations/*", times=1)


@pytest.mark.parametrize(
    ("trouble", "refused"),
    [
        (refuse_the_key, {"conversation": 1, "response": 2}),
        (refuse_items, {"conversation": 1, "item": 3}),
        (refuse_responses, {"response": 2}),
    ],
    ids=["the key", "items", "responses"],
)
def test_what_openai_refuses_is_named_and_done_the_next_time(
    house: House, trouble: Callable[[House], None], refused: dict[str, int]
) -> None:
    trouble(house)
    receipt = house.forget(code=1)
    assert receipt["complete"] is False
    kinds = [one["kind"] for one in receipt["at_openai"]["refused"]]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == refused
    assert all(one["reason"] for one in receipt["at_openai"]["refused"])
    # Here everything has been deleted all the same, but for the ids that are still needed.
    assert not house.remembers(house.ana)
    receipt = house.forget()
    assert receipt["complete"] is True
    assert receipt["here"]["turns"] == 2
    assert receipt["at_openai"]["counts"] == {"conversation deleted": 1, "item deleted": 4, "response deleted": 2}
    assert responses_to(house, house.ana) == []


def test_what_openai_does_not_know_any_more_is_told_as_not_found(house: House) -> None:
    conversation = house.conversation_of(house.ana)
    house.stack.openai.add_key("sk-another-project-1234", "another")
    house.shop.with_secrets(openai_api_key="sk-another-project-1234")
    receipt = house.forget()
    assert receipt["complete"] is True
    assert {"kind": "conversation", "id": conversation} in receipt["at_openai"]["not_found"]
    assert receipt["at_openai"]["counts"] == {"conversation not_found": 1, "response not_found": 2}


def test_without_a_key_everything_at_openai_is_named(house: House) -> None:
    house.shop.with_secrets(openai_api_key=None)
    receipt = house.forget(code=1)
    assert {one["reason"] for one in receipt["at_openai"]["refused"]} == {"no_key_saved"}
    assert len(receipt["at_openai"]["refused"]) == 3
    assert not house.remembers(house.ana)


def test_threads_are_deleted_with_all_that_is_in_them(service: Stack) -> None:
    house = House(service, "Tricot", kind="assistant")
    thread = house.conversation_of(house.ana)
    assert thread in service.openai.thread_ids()
    receipt = house.forget()
    assert receipt["at_openai"]["deleted"] == [{"kind": "thread", "id": thread}]
    assert thread not in service.openai.thread_ids()
    assert house.conversation_of(house.bia) in service.openai.thread_ids()


def test_conversations_that_were_replaced_are_deleted_too(house: House) -> None:
    first = house.conversation_of(house.ana)
    house.shop.fault("context_too_long", message=f"{house.words(house.ana)}-3", times=1)
    house.write(house.ana, 3)
    second = house.conversation_of(house.ana)
    assert first != second
    receipt = house.forget()
    gone = {one["id"] for one in receipt["at_openai"]["deleted"]}
    assert {first, second} <= gone
    assert not {first, second} & set(house.stack.openai.conversation_ids())


def test_turns_of_a_lead_without_a_contact_are_forgotten_by_the_lead(service: Stack) -> None:
    shop = Shop(service, "SemContato")
    client = shop.client("Zoe")
    data = {"message": say("resposta-Zoe"), "lead_id": str(client.lead_id)}
    webhook = shop.kommo.send_webhook(service.door, data)
    shop.turn(webhook)
    line = service.redis.hget(keys.turn(request_id(webhook)), "line")
    assert isinstance(line, bytes)
    lead = line.decode().rpartition("-")[2]
    receipt = printed(service, "contact", "forget", str(shop.kommo.account_id), lead, "--lead")
    assert receipt["here"]["turns"] == 1
    assert b"resposta-Zoe" not in everything_unsealed(service.redis, service.sealer)


def test_the_receipt_for_people_has_what_its_json_has(house: House) -> None:
    code, output, errors = bytegpt(house.stack, "contact", "forget", str(house.account_id), str(house.ana.contact_id))
    assert (code, errors) == (0, "")
    for words in ("DELETED HERE", "turns          2", "conversation deleted", "WHAT REMAINS", "the ledger"):
        assert words in output


def test_an_account_that_is_not_there_is_an_error(service: Stack) -> None:
    code, output, errors = bytegpt(service, "contact", "forget", "99999999", "1")
    assert (code, output) == (1, "")
    assert "account 99999999 is not known" in errors


def test_contacts_may_be_called_anything(service: Stack) -> None:
    shop = Shop(service, "Estranhos")
    for name in ("ana@example.com", "-Ana|é", "contact-1", "x" * 300):
        webhook = shop.kommo.send_webhook(service.door, {"message": say("palavras-estranhas"), "contact_id": name})
        shop.turn(webhook)
        code, output, errors = bytegpt(service, "contact", "forget", "--json", str(shop.kommo.account_id), "--", name)
        assert (code, errors) == (0, "")
        assert json.loads(output)["here"]["turns"] == 1
    assert b"palavras-estranhas" not in everything_unsealed(service.redis, service.sealer)
