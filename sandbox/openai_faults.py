"""What can be made to go wrong, by name, and the rules that say when."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from fnmatch import fnmatchcase
from typing import Any

RESPONSES = ("POST /responses",)
RUNS = ("POST /threads/runs", "POST /threads/*/runs")
GENERATION = RESPONSES + RUNS
ANYWHERE = ("*",)
CONVERSATIONAL = (*GENERATION, "POST /threads/*/messages", "POST /conversations/*/items")


class Stage(Enum):
    """Where a fault bites."""

    INSTEAD = auto()  # something else is answered; with after_effect the request is carried out all the same
    MIDWAY = auto()  # the answer breaks off; with after_effect the server finishes it nevertheless
    OUTCOME = auto()  # the model's work ends otherwise than with a plain text
    ASIDE = auto()  # the answer is the usual one; something around it differs


@dataclass(frozen=True, slots=True)
class Kind:
    """One fault: the requests it concerns unless a rule names a route, and its options with their defaults."""

    stage: Stage
    routes: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


def _instead(routes: tuple[str, ...] = GENERATION, **options: Any) -> Kind:
    return Kind(Stage.INSTEAD, routes, options)


def _outcome(routes: tuple[str, ...] = GENERATION, **options: Any) -> Kind:
    return Kind(Stage.OUTCOME, routes, options)


KINDS: dict[str, Kind] = {
    # Refusals (openai.md 4.2)
    "unauthorized": _instead(ANYWHERE),
    "forbidden_region": _instead(ANYWHERE),
    "forbidden_model": _instead(),
    "assistant_not_found": _instead(("GET /assistants/*", *RUNS)),
    "prompt_not_found": _instead(RESPONSES),
    "model_not_found": _instead(),
    "rate_limit": _instead(type="requests", retry_after=None, retry_after_ms=None),
    "slow_down": _instead(retry_after=None, retry_after_ms=None),
    "request_too_large": _instead(),
    "credit_exhausted": _instead(),
    "insufficient_quota": _instead(),
    "org_spend_limit": _instead(),
    "project_spend_limit": _instead(),
    "org_usage_limit": _instead(),
    "billing_not_active": _instead(status=429),
    "billing_hard_limit": _instead(status=429),
    "timeout_408": _instead(),
    "conflict_409": _instead(),
    "server_error_500": _instead(),
    "overloaded_503": _instead(retry_after=None),
    "context_too_long": _instead(RESPONSES),
    # Busy and lost. seconds: how long the conversation or thread stays busy after the refusal
    "locked": _instead(CONVERSATIONAL, seconds=0.0),
    "conversation_lost": Kind(Stage.ASIDE, CONVERSATIONAL),
    # The wire. seconds: the pause after each byte
    "bad_gateway_html_502": _instead(),
    "not_json": _instead(),
    "hang": _instead(),
    "reset": _instead(),
    "trickle": _instead(seconds=0.05),
    "hang_midway": Kind(Stage.MIDWAY, GENERATION),
    "reset_midway": Kind(Stage.MIDWAY, GENERATION),
    # clean: the body ends as if all were well; else the connection is closed in the middle of it
    "cut_midway": Kind(Stage.MIDWAY, GENERATION, {"clean": True}),
    # The stream says that it failed
    "nested_error_event": _outcome(),
    "flat_error_event": _outcome(),
    "quota_error_event": _outcome(),
    # How a response ends
    "response_failed_server_error": _outcome(RESPONSES),
    "response_failed_rate": _outcome(RESPONSES),
    "response_failed_quota": _outcome(RESPONSES),
    "function_call_output": _outcome(RESPONSES),
    "incomplete_max_tokens": _outcome(RESPONSES, text=True),
    "commentary_phase": _outcome(RESPONSES),
    # How a run ends
    "run_failed_server_error": _outcome(RUNS),
    "run_failed_rate": _outcome(RUNS),
    "run_failed_quota": _outcome(RUNS),
    "run_expired": _outcome(RUNS),
    "run_requires_action": _outcome(RUNS),
    "run_incomplete": _outcome(RUNS, text=True),
    "run_cancelled": _outcome(RUNS),
    # What is answered. message: an answer without any message rather than with an empty one
    "empty_answer": _outcome(with_message=True),
    "refusal": _outcome(),
    "unicode": _outcome(),
    "citations": _outcome(),
    # Around a good answer
    "slow": Kind(Stage.ASIDE, GENERATION, {"first_byte": 0.0, "total": 0.0}),
    "ratelimit_exhausted": Kind(Stage.ASIDE, GENERATION, {"reset": "1s", "what": "requests"}),
}


@dataclass(slots=True)
class Rule:
    """When a fault happens. None means any; times counts down, None is for ever.

    message: part of the text of the request, or of the newest user message of its thread or conversation.
    routes: patterns of `METHOD /path` below /v1; `*` stands for anything, slashes too.
    """

    name: str
    message: str | None
    key: str | None
    routes: tuple[str, ...]
    times: int | None
    after_effect: bool
    options: dict[str, Any]

    @property
    def stage(self) -> Stage:
        """Where it bites."""
        return KINDS[self.name].stage

    def fits(self, route: str, key: str, text: str) -> bool:
        """Whether this request is meant."""
        return (
            self.times != 0
            and (self.key is None or self.key == key)
            and (self.message is None or self.message in text)
            and matches(route, self.routes)
        )


def matches(route: str, patterns: Iterable[str]) -> bool:
    """Whether one of some patterns fits `METHOD /path`."""
    return any(fnmatchcase(route, pattern) for pattern in patterns)


def rule_of(
    name: str,
    message: str | None = None,
    key: str | None = None,
    route: str | None = None,
    times: int | None = None,
    after_effect: bool = False,
    **options: Any,
) -> Rule:
    """Build a rule. Raises ValueError for a fault or an option that does not exist."""
    kind = KINDS.get(name)
    if kind is None:
        raise ValueError(f"no such fault: {name}; there are {', '.join(sorted(KINDS))}")
    if unknown := options.keys() - kind.options.keys():
        raise ValueError(f"{name} has no option {', '.join(sorted(unknown))}; it has {sorted(kind.options)}")
    if after_effect and kind.stage not in {Stage.INSTEAD, Stage.MIDWAY}:
        raise ValueError(f"{name} has no other side of its effect")
    routes = kind.routes if route is None else (route,)
    return Rule(name, message, key, routes, times, after_effect, {**kind.options, **options})


class FaultTable:
    """The rules in force. Of several that fit, the first that was added happens."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def add(self, rule: Rule) -> None:
        """Put a rule behind the others."""
        self._rules.append(rule)

    def clear(self) -> None:
        """Everything works again."""
        self._rules.clear()

    def take(self, route: str, key: str, text: str) -> list[Rule]:
        """The rules for a request, each counted as happened: every one that acts aside, and the first other."""
        taken: list[Rule] = []
        for rule in self._rules:
            main_taken = any(other.stage is not Stage.ASIDE for other in taken)
            if rule.fits(route, key, text) and (rule.stage is Stage.ASIDE or not main_taken):
                taken.append(rule)
        for rule in taken:
            if rule.times is not None:
                rule.times -= 1
        return taken
