"""The simulated model: a deterministic little assistant whose answers prove what it was told."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

NAME_TOLD = re.compile(r"(?:meu nome é|my name is)\s+([^\W\d_]+)", re.IGNORECASE)
NAME_ASKED = re.compile(r"qual é o meu nome|what is my name", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question to the model, whatever the API.

    project: of the API key.
    instructions: of the assistant, prompt or request, with every developer message behind them.
    earlier: the user's messages of this conversation before this one, oldest first.
    """

    project: str
    model: str
    instructions: str
    earlier: tuple[str, ...]
    message: str


Answerer = Callable[[Asked], str]


def answer(asked: Asked) -> str:
    """Echo the message with its number in the conversation; remember the name the user told.

    The project's name shows that no key was mixed up, the number that no message was lost, doubled or put into
    somebody else's conversation.
    """
    return f"[{asked.project}] Mensagem {len(asked.earlier) + 1}: {_content(asked)}"


def _content(asked: Asked) -> str:
    if not NAME_ASKED.search(asked.message):
        return asked.message
    told = [name for text in asked.earlier for name in NAME_TOLD.findall(text)]
    return f"seu nome é {told[-1]}." if told else "você ainda não me disse o seu nome."


def text_of(content: Any) -> str:
    """The text of a message's content, a plain string or parts of either API."""
    if isinstance(content, str):
        return content
    return "".join(_part_text(part) for part in content)


def _part_text(part: dict[str, Any]) -> str:
    text = part.get("text", "")
    return str(text["value"] if isinstance(text, dict) else text)


def asked_of(project: str, model: str, instructions: Iterable[str], messages: Iterable[dict[str, Any]]) -> Asked:
    """Build the question from all messages of a conversation, oldest first, this request's included.

    The question is the newest message of the user; messages of the system and the developer join the instructions.
    """
    told, asked = [text for text in instructions if text], []
    for message in messages:
        if message["role"] == "user":
            asked.append(text_of(message["content"]))
        elif message["role"] in {"developer", "system"}:
            told.append(text_of(message["content"]))
    return Asked(project, model, "\n\n".join(told), tuple(asked[:-1]), asked[-1] if asked else "")


def tokens(characters: int) -> int:
    """About what OpenAI would count: a quarter of the characters."""
    return max(1, characters // 4)
