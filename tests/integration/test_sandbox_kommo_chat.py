"""Conversations: clients write, bots ask a door, clients read."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sandbox.flows import recommended_flow, three_step_flow
from sandbox.kommo_accounts import Account
from sandbox.kommo_chat import Client, Delivery, State
from sandbox.kommo_server import KommoSimulator
from tests.integration.fake_door import FakeDoor, answered
from tests.waiting import wait_until


@pytest.fixture
def door() -> Iterator[FakeDoor]:
    with FakeDoor() as door:
        yield door


@pytest.fixture
def kommo() -> Iterator[KommoSimulator]:
    with KommoSimulator(rate=None) as kommo:
        yield kommo


@pytest.fixture
def account(door: FakeDoor, kommo: KommoSimulator) -> Account:
    """An account whose every question is answered with an echo."""
    account = kommo.add_account("Acme")
    door.token = account.long_lived_token()
    door.reply = echo
    return account


def echo(form: Mapping[str, str]) -> dict[str, Any]:
    return answered(f"eco: {form['data[message]']}")


def a_client(account: Account, door: FakeDoor, **bot: Any) -> Client:
    account.add_bot(recommended_flow(door.url), **bot)
    return account.client("Ana", placeholders={"contact.cf.1": "segredo"})


def test_a_client_is_answered_again_and_again(account: Account, door: FakeDoor, kommo: KommoSimulator) -> None:
    client = a_client(account, door)
    assert client.say("Oi") is Delivery.STARTED
    assert client.wait_for_reply() == "eco: Oi"
    client.wait_for_state(State.LISTENING)
    assert client.say("Tudo bem?") is Delivery.RESUMED
    assert client.wait_for_reply() == "eco: Tudo bem?"
    lines = [(line.who, line.text) for line in client.transcript]
    assert lines == [("client", "Oi"), ("bot", "eco: Oi"), ("client", "Tudo bem?"), ("bot", "eco: Tudo bem?")]
    times = [line.time for line in client.transcript]
    assert times == sorted(times)
    assert [len(kommo.accepted_continues(webhook.return_url)) for webhook in client.webhooks] == [1, 1]


def test_asking_returns_every_part_of_the_answer(account: Account, door: FakeDoor) -> None:
    door.reply = lambda _form: answered("um", parts="3", reply_2="dois", reply_3="três")
    client = a_client(account, door)
    assert client.ask("Oi") == ["um", "dois", "três"]
    assert client.replies == ["um", "dois", "três"]
    assert client.ask("E agora?") == ["um", "dois", "três"]


def test_texts_can_be_awaited_one_by_one(account: Account, door: FakeDoor) -> None:
    door.reply = lambda _form: answered("um", parts="3", reply_2="dois", reply_3="três")
    client = a_client(account, door)
    client.say("Oi")
    assert client.wait_for_reply() == "um"
    assert client.wait_for_replies(2) == ["dois", "três"]


def test_waiting_in_vain_says_what_the_bot_does(account: Account, door: FakeDoor) -> None:
    door.reply, door.status = None, 503
    client = a_client(account, door)
    client.say("Oi")
    client.webhooks[0].wait()
    with pytest.raises(TimeoutError, match="waiting to be continued; last webhook: 503"):
        client.wait_for_reply(timeout=0.01)
    client.human_takes_over()
    with pytest.raises(TimeoutError, match="to be continued"):
        client.ask("Alô?", timeout=0.01)
    client.webhooks[1].wait()


def test_a_failure_is_shown_and_stops_the_bot(account: Account, door: FakeDoor) -> None:
    door.reply = lambda _form: answered("Desculpe.", status="fail")
    client = a_client(account, door)
    assert client.ask("Oi") == ["Desculpe."]
    assert (client.state, client.ended) == (State.IDLE, ["finished"])


def test_every_message_starts_a_bot_that_does_not_run(account: Account, door: FakeDoor) -> None:
    client = a_client(account, door, after_success="stop")
    assert client.ask("um") == ["eco: um"]
    assert client.say("dois") is Delivery.STARTED
    assert client.wait_for_reply() == "eco: dois"


def test_a_bot_for_new_conversations_answers_the_first_message_only(account: Account, door: FakeDoor) -> None:
    client = a_client(account, door, after_success="stop", trigger="new_conversation")
    assert client.ask("um") == ["eco: um"]
    assert client.say("dois") is Delivery.IGNORED
    with pytest.raises(RuntimeError, match="nothing starts the bot"):
        client.ask("três")


def test_a_bot_may_go_on_listening_after_a_failure(account: Account, door: FakeDoor) -> None:
    door.reply = lambda _form: answered("Desculpe.", status="fail")
    client = a_client(account, door, after_fail="listen")
    assert client.ask("um") == client.ask("dois") == ["Desculpe."]
    assert client.state is State.LISTENING


def test_messages_to_a_paused_bot_are_lost(account: Account, door: FakeDoor) -> None:
    door.reply = None
    client = a_client(account, door)
    client.say("um")
    assert client.say("dois") is Delivery.LOST
    with pytest.raises(RuntimeError, match="lost"):
        client.ask("três")
    (webhook,) = client.webhooks
    assert webhook.wait().data["message"] == "um"


@pytest.mark.parametrize("after_success", ["listen", "stop"])
def test_messages_to_a_paused_bot_can_be_queued(account: Account, door: FakeDoor, after_success: str) -> None:
    door.delay = 0.1
    client = a_client(account, door, while_paused="queued", after_success=after_success)
    said = [client.say(text) for text in ("um", "dois", "três")]
    assert said == [Delivery.STARTED, Delivery.QUEUED, Delivery.QUEUED]
    assert client.wait_for_replies(3) == ["eco: um", "eco: dois", "eco: três"]


def test_a_human_who_takes_over_ends_the_bot_and_what_waits_for_it(account: Account, door: FakeDoor) -> None:
    door.reply = None
    client = a_client(account, door, while_paused="queued")
    client.say("um")
    client.say("dois")
    client.human_takes_over()
    assert (client.state, client.ended) == (State.IDLE, ["a human took over"])
    door.reply = echo
    assert client.ask("três") == ["eco: três"]


def test_what_a_model_or_a_client_writes_is_filled_in(account: Account, door: FakeDoor) -> None:
    door.reply = lambda form: answered("o campo é {{contact.cf.1}}, " + form["data[message]"])
    client = a_client(account, door)
    assert client.ask("e o meu {{contact.id}}") == [f"o campo é segredo, e o meu {client.contact_id}"]


def test_placeholders_of_a_client_can_be_unresolved(account: Account, door: FakeDoor) -> None:
    account.add_bot(recommended_flow(door.url))
    client = account.client("Ana", placeholders={"contact.id": None, "contact.name": ""})
    client.ask("Oi")
    data = client.webhooks[0].data
    assert (data["contact_id"], data["contact_name"], data["lead_id"]) == ("{{contact.id}}", "", str(client.lead_id))


def test_an_empty_reply_shows_the_placeholder(account: Account, door: FakeDoor) -> None:
    door.reply = lambda _form: answered("")
    assert a_client(account, door).ask("Oi") == ["{{json.reply}}"]


def test_handlers_of_the_continue_call_are_shown_with_their_buttons(account: Account, door: FakeDoor) -> None:
    show = {"handler": "show", "params": {"type": "buttons", "value": "Escolha", "buttons": ["A", "B"]}}
    door.reply = lambda _form: {**answered("pronto"), "execute_handlers": [show]}
    client = a_client(account, door)
    assert client.ask("Oi") == ["Escolha", "pronto"]
    assert client.transcript[1].buttons == ("A", "B")


def test_a_goto_back_to_the_request_makes_the_runaway_loop_of_the_field(account: Account, door: FakeDoor) -> None:
    goto = {"handler": "goto", "params": {"type": "question", "step": 0}}

    def again(_form: Mapping[str, str]) -> dict[str, Any]:
        return answered("fim") if len(door.received) > 10 else {"data": {}, "execute_handlers": [goto]}

    door.reply = again
    client = a_client(account, door)
    assert client.ask("Oi") == ["fim"]
    assert len(client.webhooks) == 11


def test_three_steps_make_three_webhooks(account: Account, door: FakeDoor) -> None:
    account.add_bot(three_step_flow(door.url))
    client = account.client("Ana", "instagram")
    assert [client.ask(text) for text in ("Oi", "Ana", "Botas")] == [["eco: Oi"], ["eco: Ana"], ["eco: Botas"]]
    handlers = [webhook.data["handler"] for webhook in client.webhooks]
    assert handlers == ["ask_name", "ask_product", "product_details"]
    assert client.state is State.IDLE


def test_the_newest_bot_serves_new_clients_unless_another_is_named(account: Account, door: FakeDoor) -> None:
    with pytest.raises(ValueError, match="add_bot first"):
        account.client("Ana")
    older = account.add_bot(recommended_flow(door.url))
    newer = account.add_bot(recommended_flow(door.url))
    assert account.client("Ana").bot is newer
    assert account.client("Bia", bot=older).bot is older


def test_many_clients_write_at_once_and_each_reads_its_own_answers(
    account: Account, door: FakeDoor, kommo: KommoSimulator
) -> None:
    account.add_bot(recommended_flow(door.url))

    def converse(number: int) -> list[str]:
        client = account.client(f"Cliente {number}")
        return [client.ask(f"{number}-{turn}", timeout=30)[0] for turn in range(5)]

    with ThreadPoolExecutor(20) as pool:
        read = list(pool.map(converse, range(20)))
    assert read == [[f"eco: {number}-{turn}" for turn in range(5)] for number in range(20)]
    assert len(kommo.webhooks) == 100
    assert {len(kommo.accepted_continues(webhook.return_url)) for webhook in kommo.webhooks} == {1}
    wait_until(lambda: all(webhook.accepted for webhook in kommo.webhooks))


def test_stopping_with_webhooks_on_their_way_leaves_nothing_behind(door: FakeDoor) -> None:
    door.delay = 30
    with KommoSimulator() as kommo:
        webhook = kommo.add_account("Acme").send_webhook(door.url, {"message": "Oi"})
        wait_until(lambda: door.received)
    assert not webhook.wait().accepted
