"""Who talks in the demo, what they say, and what must come back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.domain.failures import Failure

BAKERY, CLINIC = "Padaria Aurora", "Clínica Vida"
SHORT = {BAKERY: "Padaria", CLINIC: "Clínica"}

# Requests of the month: the bakery has plenty, the clinic's last one is spent in the demo.
PLANS = {BAKERY: ("aurora", 5000), CLINIC: ("vida", 8)}
CLINIC_CONTACT_LIMIT = 5
CLINIC_ASSISTANT = "asst_clinicavida"

# Seconds the simulated OpenAI takes for an answer.
THINKING = 0.4


@dataclass(frozen=True, slots=True)
class Talk:
    """One client's messages. flow: the three-step bot instead of the plain one. fails: the messages that must fail."""

    client: str
    company: str
    messages: tuple[str, ...]
    origin: str = "whatsapp"
    flow: bool = False
    fails: Mapping[int, Failure] = field(default_factory=dict)


# Three clients of two companies at once: a flow of three handlers, memory across turns, two APIs.
AT_ONCE = (
    Talk("Ana", BAKERY, ("Oi, bom dia!", "Meu nome é Ana", "pão de fermentação natural"), flow=True),
    Talk("Bruno", BAKERY, ("Meu nome é Bruno", "Vocês abrem domingo?", "Qual é o meu nome?"), origin="instagram"),
    Talk(
        "Carla",
        CLINIC,
        ("Meu nome é Carla", "Quero marcar uma consulta", "Pode ser terça?", "De manhã", "Qual é o meu nome?"),
    ),
)


@dataclass(frozen=True, slots=True)
class Unfriendly:
    """One failure: what the client writes, and the fault of the simulated OpenAI that this message meets."""

    failure: Failure
    talk: Talk
    fault: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def _fails(failure: Failure, client: str, message: str, fault: str | None, company: str = BAKERY) -> Unfriendly:
    return Unfriendly(failure, Talk(client, company, (message,), fails={0: failure}), fault)


# Each by a client of its own, all at once. The plan's limit comes last: Davi spends what is left of it.
UNFRIENDLY = (
    _fails(Failure.OPENAI_TIMEOUT, "Davi", "Por que está tão lento?", "hang"),
    _fails(Failure.OPENAI_AUTHENTICATION, "Elisa", "A chave ainda vale?", "unauthorized"),
    _fails(Failure.ASSISTANT_NOT_FOUND, "Fábio", "Quem me atende?", "assistant_not_found", CLINIC),
    _fails(Failure.OPENAI_QUOTA, "Gabi", "Acabou o crédito?", "credit_exhausted"),
    _fails(Failure.OPENAI_CONNECTION, "Hugo", "A rede caiu?", "reset"),
    _fails(Failure.OPENAI_UNEXPECTED, "Iara", "O que foi isso?", "not_json"),
    _fails(Failure.NO_MESSAGE, "João", "", None),
    _fails(Failure.CONTACT_LIMIT, "Carla", "Só mais uma pergunta", None, CLINIC),
    Unfriendly(
        Failure.PLAN_QUOTA,
        Talk(
            "Kátia",
            CLINIC,
            ("Bom dia", "Tem convênio?", "E estacionamento?", "Obrigada!"),
            fails={3: Failure.PLAN_QUOTA},
        ),
    ),
)
PAUSED = _fails(Failure.ACCOUNT_PAUSED, "Lia", "Tem alguém aí?", None)
BUSY = _fails(Failure.BUSY, "Marcos", "Estão muito ocupados?", None)
FAULT_NAMES = tuple(sorted(one.failure.value for one in (*UNFRIENDLY, PAUSED, BUSY)))
