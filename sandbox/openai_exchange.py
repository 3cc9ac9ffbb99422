"""One request on its way through the simulated OpenAI: who asks, what for, and what is to go wrong."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from sandbox.openai_answers import text_of
from sandbox.openai_events import Latency
from sandbox.openai_faults import Rule, Stage
from sandbox.openai_items import messages_in
from sandbox.openai_state import Call, Conversation, Json, Thread, World

TEXT_FIELDS = frozenset({"input", "content", "text"})


@dataclass(slots=True)
class Exchange:
    """One request. place: the identifiers in its path."""

    call: Call
    project: str
    world: World
    body: Json
    place: dict[str, str]
    rules: list[Rule] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)

    @property
    def route(self) -> str:
        """`METHOD /path` below /v1, as the rules name it."""
        return f"{self.call.method} {self.call.path}"

    # --- what it is about ---------------------------------------------------------------------------------------

    @property
    def conversation(self) -> Conversation | None:
        """The conversation that it names, if there is one."""
        given = self.place.get("conversation_id") or conversation_id(self.body.get("conversation"))
        return self.world.conversations.get(given)

    @property
    def thread(self) -> Thread | None:
        """The thread that it names, if there is one."""
        return self.world.threads.get(self.place.get("thread_id", ""))

    @property
    def template_id(self) -> str:
        """The assistant or the stored prompt that it names, "" for none."""
        prompt = self.body.get("prompt")
        prompt_id = prompt.get("id", "") if isinstance(prompt, dict) else ""
        return str(self.place.get("assistant_id") or self.body.get("assistant_id") or prompt_id)

    @property
    def model(self) -> str:
        """The model that is to answer, for texts that name it."""
        template = self.world.assistants.get(self.template_id) or self.world.prompts.get(self.template_id)
        return str(self.body.get("model") or (template.model if template else "gpt-6-luna"))

    @property
    def text(self) -> str:
        """What the request says; of one that says nothing, the newest user message of its thread or conversation."""
        told = list(_told(self.body))
        return "\n".join(told) if told else self._newest_text()

    def _newest_text(self) -> str:
        messages: list[Json] = []
        if self.thread is not None:
            messages = list(self.thread.messages.values())
        elif self.conversation is not None:
            messages = messages_in(self.conversation.items)
        return next((text_of(each["content"]) for each in reversed(messages) if each["role"] == "user"), "")

    # --- what goes wrong ----------------------------------------------------------------------------------------

    @property
    def main_rule(self) -> Rule | None:
        """The fault proper; what only acts aside is asked for by name."""
        return next((rule for rule in self.rules if rule.stage is not Stage.ASIDE), None)

    def at(self, stage: Stage) -> Rule | None:
        """The fault, if this is where it bites."""
        rule = self.main_rule
        return rule if rule is not None and rule.stage is stage else None

    def aside(self, name: str) -> Rule | None:
        """A fault that acts aside."""
        return next((rule for rule in self.rules if rule.name == name), None)

    @property
    def muted(self) -> bool:
        """The request is carried out, but something else will be answered."""
        return self.at(Stage.INSTEAD) is not None

    @property
    def stalls(self) -> bool:
        """The answer breaks off, and the work on it with it."""
        broken = self.at(Stage.MIDWAY)
        return broken is not None and not broken.after_effect

    @property
    def latency(self) -> Latency:
        """How long the answer takes."""
        slow = self.aside("slow")
        if slow is None:
            return self.world.behaviour.latency
        return Latency(slow.options["first_byte"], slow.options["total"])


EXCHANGE = web.RequestKey("exchange", Exchange)


def conversation_id(given: Any) -> str:
    """The id in a `conversation`, which may be an object; "" where there is none."""
    return str(given.get("id", "") if isinstance(given, dict) else given or "")


def _told(value: Any, name: str = "") -> Iterator[str]:
    """All texts of a body, wherever they stand in it."""
    if isinstance(value, str):
        if name in TEXT_FIELDS:
            yield value
    elif isinstance(value, list):
        for item in value:
            yield from _told(item, name)
    elif isinstance(value, dict):
        for inner, item in value.items():
            yield from _told(item, inner)
