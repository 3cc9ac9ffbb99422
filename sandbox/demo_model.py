"""The simulated model of the demo: a polite assistant whose every answer can be foretold."""

import re

from sandbox.openai_answers import NAME_ASKED, NAME_TOLD, Asked

_STEPS = (
    (re.compile(r"ask for their name"), "Olá! Aqui é da {project}. Qual é o seu nome?"),
    (re.compile(r"ask which product", re.IGNORECASE), "Prazer, {name}! Sobre qual produto você quer saber?"),
    (re.compile(r"details of the product"), "{name}, sobre **{message}**: custa R$ 18,00 e sai do forno às 7h."),
)
_NOBODY = "cliente"


def demo_answer(asked: Asked) -> str:
    """What the demo's assistant says: the step's own sentence, the client's name when asked, else an echo."""
    name = _name(asked)
    for step, sentence in _STEPS:
        if step.search(asked.instructions):
            return sentence.format(project=asked.project, name=name or _NOBODY, message=asked.message)
    if NAME_ASKED.search(asked.message):
        return f"Seu nome é {name}." if name else "Você ainda não me disse o seu nome."
    return f"{asked.project} anotou a mensagem {len(asked.earlier) + 1}: «{asked.message}»"


def _name(asked: Asked) -> str | None:
    told = [name for text in (*asked.earlier, asked.message) for name in NAME_TOLD.findall(text)]
    return told[-1] if told else None
