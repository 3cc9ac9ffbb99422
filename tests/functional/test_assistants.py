"""Which OpenAI API an Assistant ID is asked through, and what becomes of it when that API is gone (contract 3.1)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.domain.assistants import Profile
from sandbox.kommo_chat import Client
from sandbox.stack import Stack
from tests.functional.shop import Shop, assistant_fields
from tests.waiting import wait_until

RESPONSES = ["POST /responses"]
ASSISTANTS = ["* /threads*", "* /assistants*"]


@dataclass(frozen=True)
class Row:
    """A row of the table. profile: what is stored, None for nothing. asked: through which API; None: not at all."""

    assistant_id: str | None
    profile: Profile | None
    asked: str | None
    setting: str = "auto"

    @property
    def name(self) -> str:
        stored = "none" if self.profile is None else f"{self.profile.source}-{self.profile.active}"
        return f"{self.setting}-{self.assistant_id or 'no-id'}-profile-{stored}".lower()


OWN = Profile(model="gpt-6-luna", instructions="Responda em verso.")
SLEEPING = Profile(model="gpt-5", instructions="Importado.", source="imported", active=False)
AWAKE = Profile(model="gpt-5", instructions="Importado.", source="imported", active=True)

AUTO = [
    Row(None, OWN, "profile"),
    Row("vendas", OWN, "profile"),
    Row("asst_", OWN, "profile"),
    Row("pmpt_", OWN, "profile"),
    Row("asst_", AWAKE, "profile"),
    Row("pmpt_", None, "prompt"),
    Row("asst_", None, "assistant"),
    Row("asst_", SLEEPING, "assistant"),
    Row("vendas", None, None),
    Row(None, None, None),
]
OVERRIDES = [
    Row("asst_", OWN, "assistant", "assistants"),
    Row("asst_", SLEEPING, "assistant", "assistants"),
    Row("asst_", None, "assistant", "assistants"),
    Row("pmpt_", None, "prompt", "assistants"),
    Row(None, OWN, "profile", "assistants"),
    Row("asst_", SLEEPING, "profile", "responses"),
    Row("asst_", OWN, "profile", "responses"),
    Row("pmpt_", None, "prompt", "responses"),
]


def shop_of(stack: Stack, row: Row) -> Shop:
    """A company whose assistant is stored as the row says; prefixes become ids of its own."""
    given = row.assistant_id
    assistant_id = f"{given}{row.name.replace('-', '')}" if given and given.endswith("_") else given
    return Shop(stack, row.name, assistant_id=assistant_id, profile=row.profile)


def has_asked(shop: Shop, row: Row) -> None:
    """Check that two messages were answered from one memory, through the right API and no other."""
    client = shop.client()
    assert client.ask("Meu nome é Ana") == [f"[{row.name}] Mensagem 1: Meu nome é Ana"]
    assert client.ask("Qual é o meu nome?") == [f"[{row.name}] Mensagem 2: seu nome é Ana."]
    assert client.ask("Obrigada") == [f"[{row.name}] Mensagem 3: Obrigada"]
    stranger = shop.client("Bia")
    assert stranger.ask("Qual é o meu nome?") == [f"[{row.name}] Mensagem 1: você ainda não me disse o seu nome."]
    if row.asked == "assistant":
        assert shop.calls(RESPONSES) == []
        calls = shop.calls(["POST /threads/*/runs"])
        assert {call.body["assistant_id"] for call in calls} == {shop.account.assistant_id}
        threads = [call.path.split("/")[2] for call in calls]
        assert len(set(threads[:3])) == 1
        assert threads[3] not in threads[:3]
    else:
        assert shop.calls(ASSISTANTS) == []
        calls = shop.calls(RESPONSES)
        conversations = [call.body["conversation"] for call in calls]
        assert len(set(conversations[:3])) == 1
        assert conversations[3] not in conversations[:3]
        for call in calls:
            if row.asked == "prompt":
                assert call.body["prompt"] == {"id": shop.account.assistant_id}
                assert "model" not in call.body
            else:
                assert row.profile is not None
                assert "prompt" not in call.body
                assert (call.body["model"], call.body["instructions"]) == (row.profile.model, row.profile.instructions)
    assert len(calls) == 4


@pytest.mark.parametrize("row", [row for row in AUTO if row.asked], ids=lambda row: row.name)
def test_an_assistant_is_asked_as_the_table_says_and_remembers_its_client(service: Stack, row: Row) -> None:
    has_asked(shop_of(service, row), row)


@pytest.mark.parametrize("row", [row for row in AUTO if not row.asked], ids=lambda row: row.name)
def test_what_is_no_assistant_is_asked_nothing(service: Stack, row: Row) -> None:
    shop = shop_of(service, row)
    told = shop.told(shop.asked("Oi"))["data"]
    assert (told["error_code"], told["error"]) == ("assistant_not_found", "Assistant ID Inválido")
    assert shop.calls(["*"]) == []


def test_a_profile_is_asked_with_all_that_stands_in_it(service: Stack) -> None:
    profile = Profile("gpt-4.1", "Seja breve.", vector_store_ids=("vs_1", "vs_2"), temperature=0.3)
    shop = Shop(service, "perfil-completo", profile=profile)
    shop.told(shop.asked("Oi"))
    (call,) = shop.calls()
    assert call.body["model"] == "gpt-4.1"
    assert call.body["instructions"] == "Seja breve."
    assert call.body["temperature"] == 0.3
    assert call.body["tools"] == [{"type": "file_search", "vector_store_ids": ["vs_1", "vs_2"]}]


def test_openai_knows_a_client_by_one_stable_hash(service: Stack) -> None:
    shops = [Shop(service, f"hash-{number}") for number in range(2)]
    seen = []
    for shop in shops:
        client = shop.client()
        client.ask("Oi")
        client.ask("Oi de novo")
        first, second = (call.body["safety_identifier"] for call in shop.calls())
        assert first == second
        assert 16 <= len(first) <= 64
        assert str(client.contact_id) not in first
        seen.append(first)
    assert seen[0] != seen[1]


# --- the override ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["assistants", "responses"])
def overriding(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory: Path = tmp_path_factory.mktemp(request.param)
    with Stack(directory, settings={"OPENAI_API": request.param}) as stack:
        stack.start("web", "worker")
        stack.wait_until_ready()
        yield stack


def test_the_setting_overrides_the_table(overriding: Stack) -> None:
    setting = overriding.environment["OPENAI_API"]
    rows = [row for row in OVERRIDES if row.setting == setting]
    assert len(rows) >= 3
    for row in rows:
        has_asked(shop_of(overriding, row), row)


def test_without_a_profile_an_assistant_cannot_be_asked_where_only_responses_may(overriding: Stack) -> None:
    if overriding.environment["OPENAI_API"] != "responses":
        return
    shop = Shop(overriding, "sem-perfil", assistant_id="asst_semperfil", profile=None)
    told = shop.told(shop.asked("Oi"))["data"]
    assert (told["error_code"], told["error"]) == ("openai_unexpected", "Resposta Inesperada da OpenAI")
    assert shop.calls(["*"]) == []
    assert shop.used_and_reserved() == (0, 0)


# --- the Assistants API goes ----------------------------------------------------------------------------------------


@dataclass
class Sunset:
    """Companies that were answered through the Assistants API until it went, each with its client."""

    stack: Stack
    shops: dict[str, Shop] = field(default_factory=dict)
    clients: dict[str, Client] = field(default_factory=dict)

    def open(self, name: str, **fields: Any) -> None:
        given = {**assistant_fields("assistant", name), **fields}
        self.shops[name] = shop = Shop(self.stack, name, **given)
        self.clients[name] = client = shop.client()
        assert client.ask("Oi") == [f"[{name}] Mensagem 1: Oi"]


@pytest.fixture(scope="module")
def sunset(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sunset]:
    with Stack(tmp_path_factory.mktemp("sunset")) as stack:
        stack.start("web", "worker")
        stack.wait_until_ready()
        gone = Sunset(stack)
        gone.open("importada", profile=SLEEPING)
        gone.open("sem-perfil")
        gone.open("muitas", profile=SLEEPING)
        stack.openai.sunset()
        yield gone


def test_the_turn_that_finds_the_api_gone_is_answered_from_the_profile(sunset: Sunset) -> None:
    shop, client = sunset.shops["importada"], sunset.clients["importada"]
    assert shop.account.profile == SLEEPING
    assert client.ask("E agora?") == ["[importada] Mensagem 1: E agora?"]
    webhook = client.webhooks[1]
    assert shop.statuses(webhook) == [202]
    assert shop.steps(webhook, "switched_to_profile")
    assert shop.turn(webhook)["charge"] == "settled"
    assert shop.used_and_reserved() == (2, 0)
    # The account says so.
    assert shop.account.profile == AWAKE
    # From now on nobody asks the API that is gone, and the client is remembered.
    seen = len(shop.calls(ASSISTANTS))
    assert client.ask("Meu nome é Ana") == ["[importada] Mensagem 2: Meu nome é Ana"]
    assert client.ask("Qual é o meu nome?") == ["[importada] Mensagem 3: seu nome é Ana."]
    assert len(shop.calls(ASSISTANTS)) == seen
    assert {(call.body["model"], call.body["instructions"]) for call in shop.calls(RESPONSES)} == {
        ("gpt-5", "Importado.")
    }


def test_without_a_profile_the_turn_fails_and_costs_nothing(sunset: Sunset) -> None:
    shop, client = sunset.shops["sem-perfil"], sunset.clients["sem-perfil"]
    webhook = shop.asked("E agora?", client)
    told = shop.told(webhook)["data"]
    assert (told["error_code"], told["error"]) == ("openai_unexpected", "Resposta Inesperada da OpenAI")
    assert shop.calls(RESPONSES) == []
    wait_until(lambda: shop.used_and_reserved() == (1, 0))


def test_turns_that_find_out_together_are_all_answered(sunset: Sunset) -> None:
    shop = sunset.shops["muitas"]
    before = shop.account.version
    webhooks = [shop.asked(f"Oi {number}", shop.client(f"Cliente {number}")) for number in range(8)]
    for number, webhook in enumerate(webhooks):
        assert shop.told(webhook)["data"]["reply"] == f"[muitas] Mensagem 1: Oi {number}"
    assert shop.account.profile == AWAKE
    assert shop.account.version == before + 1
