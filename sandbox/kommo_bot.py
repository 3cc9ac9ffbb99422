"""What a Salesbot does next, without any network (kommo.md 1.4 to 1.7, 4.2)."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.kommo_conditions import OPERATIONS
from sandbox.kommo_design import (
    UNNAMED_EXIT,
    Block,
    ConditionBlock,
    Flow,
    Handler,
    MessageBlock,
    PauseBlock,
    WidgetBlock,
)
from sandbox.kommo_templates import fill, returned_value

# Blocks and handlers that may run between two things from outside. A wrong `goto` has made a block fire itself dozens
# of times (kommo.md 1.9); here such a bot ends and says so.
_MAX_PACES = 500


@dataclass(frozen=True, slots=True)
class Show:
    """The client gets to see a message. buttons: their captions, with the address behind the caption for links."""

    text: str
    buttons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """The bot calls a widget's server and waits to be continued; placeholders in data are filled in."""

    url: str
    data: dict[str, str]


@dataclass(frozen=True, slots=True)
class Listen:
    """The bot waits for the client's next message."""


Effect = Show | Request | Listen


@dataclass(frozen=True, slots=True)
class Continuation:
    """What the continue call brought: data for `{{json.*}}`, handlers to run before the flow goes on."""

    data: Mapping[str, Any] = field(default_factory=dict)
    handlers: Sequence[Handler] = ()


@dataclass(frozen=True, slots=True)
class _Goto:
    section: str
    step: int


@dataclass(frozen=True, slots=True)
class _Exit:
    code: str


class _BotEnds(Exception):
    """The whole bot is over, from wherever it is."""


_Outcome = _Goto | _Exit | None
# What a handler is while it runs: effects go out, a message or a continuation comes in.
_Running = Generator[Effect, "str | Continuation | None", _Outcome]


class BotRun:
    """One run of a bot with one client.

    values: placeholders of the account, the contact and the lead by name, for example `lead.id`. `message_text` and
    `json.*` are the run's own. An empty value is filled in as such; a name without a value stays literal.
    """

    def __init__(self, blocks: Sequence[Block], values: Mapping[str, str | None], message: str) -> None:
        self._blocks = blocks
        self._values = values
        self._message = message
        self._returned: Mapping[str, Any] = {}
        self._paces_left = _MAX_PACES
        self._generator = self._bot()
        self.ended: str | None = None

    def send(self, given: "str | Continuation | None" = None) -> Effect | None:
        """Run to the next effect; None when the bot has ended, and why then stands in `ended`.

        given: the client's message after Listen, the continuation after Request, nothing after Show and at the start.
        """
        if given is not None:
            self._paces_left = _MAX_PACES
        try:
            return self._generator.send(given)
        except StopIteration as end:
            self.ended = end.value
            return None

    def stop(self, reason: str) -> None:
        """End the run from outside."""
        self._generator.close()
        self.ended = reason

    def _bot(self) -> "Generator[Effect, str | Continuation | None, str]":
        at: int | None = 0
        try:
            while at is not None:
                self._pace()
                at = yield from self._block(self._blocks[at])
        except _BotEnds as end:
            return str(end)
        return "finished"

    def _block(self, block: Block) -> "Generator[Effect, str | Continuation | None, int | None]":
        match block:
            case WidgetBlock(flow, exits):
                code = yield from self._flow(flow)
                return exits.get(code)
            case MessageBlock(text, then):
                yield Show(self._filled(text))
                return then
            case PauseBlock(then):
                yield from self._listen()
                return then
            case ConditionBlock(term1, operation, term2, then, otherwise):
                return then if self._holds(term1, operation, term2) else otherwise

    def _flow(self, flow: Flow) -> "Generator[Effect, str | Continuation | None, str]":
        place = _Goto("question", 0)
        while True:
            if not 0 <= place.step < len(flow):
                raise _BotEnds(f"goto to step {place.step}, which does not exist")
            step = flow[place.step]
            outcome = yield from self._run(step.get(place.section, ()))
            if isinstance(outcome, _Exit):
                return outcome.code
            if outcome is None and place.section == "question" and "answer" in step:
                yield from self._listen()
                outcome = _Goto("answer", place.step)
            if outcome is None and place.section == "finish":
                raise _BotEnds("finished")
            if outcome is None:
                return UNNAMED_EXIT
            place = outcome

    def _run(self, handlers: Sequence[Handler]) -> _Running:
        for handler in handlers:
            self._pace()
            outcome = yield from self._execute(handler["handler"], handler["params"])
            if outcome is not None:
                return outcome
        return None

    def _pace(self) -> None:
        self._paces_left -= 1
        if self._paces_left < 0:
            raise _BotEnds("endless loop")

    def _execute(self, handler: str, params: Mapping[str, Any]) -> _Running:
        match handler:
            case "widget_request":
                return (yield from self._widget_request(params))
            case "show":
                yield Show(self._filled(params["value"]), tuple(self._caption(b) for b in params.get("buttons", ())))
            case "goto":
                return _Goto(params["type"], params["step"])
            case "wait_answer":
                yield from self._listen()
                return _Goto(params["type"], params["step"])
            case "conditions" | "condition" if self._all_hold(params):
                return (yield from self._run(params["result"]))
            case "exits":
                return _Exit(params["value"])
            case "stop":
                raise _BotEnds("stop")
        return None

    def _listen(self) -> "Generator[Effect, str | Continuation | None, None]":
        message = yield Listen()
        if not isinstance(message, str):
            raise TypeError("a bot that listens needs the client's message")
        self._message = message

    def _widget_request(self, params: Mapping[str, Any]) -> _Running:
        data = {key: self._filled(value) for key, value in params.get("data", {}).items()}
        continuation = yield Request(params["url"], data)
        if not isinstance(continuation, Continuation):
            raise TypeError("a bot in a widget_request needs a continuation")
        # The data of the latest call alone: so a key that a server forgot shows as the literal placeholder. Whether
        # Kommo keeps the keys of earlier calls is not documented.
        self._returned = continuation.data
        return (yield from self._run(continuation.handlers))

    def _caption(self, button: str | Mapping[str, str]) -> str:
        if isinstance(button, str):
            return self._filled(button)
        return f"{self._filled(button['text'])} <{self._filled(button['url'])}>"

    def _all_hold(self, params: Mapping[str, Any]) -> bool:
        together = any if params.get("logic") == "or" else all
        conditions = params.get("conditions", [params])
        return together(self._holds(one["term1"], one["operation"], one["term2"]) for one in conditions)

    def _holds(self, term1: str, operation: str, term2: str | Sequence[str]) -> bool:
        left = self._value_of("origin") if term1 == "chat.origin" else self._filled(term1)
        right = [self._filled(term2)] if isinstance(term2, str) else [self._filled(term) for term in term2]
        return OPERATIONS[operation](left or "", right)

    def _filled(self, text: str) -> str:
        return fill(text, self._value_of)

    def _value_of(self, name: str) -> str | None:
        if name == "message_text":
            return self._message
        if name.startswith("json."):
            return returned_value(self._returned, name.removeprefix("json."))
        return self._values.get(name)
