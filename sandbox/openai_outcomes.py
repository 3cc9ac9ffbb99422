"""How the work on one answer can end: the plain text, or what a fault makes of it, for either API."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.openai_errors import ApiError
from sandbox.openai_events import pieces_of
from sandbox.openai_faults import Rule

Json = dict[str, Any]

QUOTA_TEXT = (
    "You exceeded your current quota, please check your plan and billing details. For more information on this "
    "error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors."
)
RATE_TEXT = (
    "Rate limit reached for {model} in organization org-sandbox on requests per min (RPM): Limit 3, Used 3, "
    "Requested 1. Please try again in 20s."
)
SERVER_TEXT = "Sorry, something went wrong."
REFUSAL_TEXT = "Desculpe, não posso ajudar com isso."
COMMENTARY_TEXT = "Vou consultar o catálogo antes de responder."
# U+2028 and U+0085 end lines for careless readers, emoji take four bytes, the last letter is built of two characters.
UNICODE_TEXT = "linha\u2028parágrafo\u0085fim 👩🏽‍🚀 ação cafe\u0301"
CITATION_MARK = "【13†source】"
SANDBOX_LINK = "sandbox:/mnt/data/tabela.csv"

SERVER_ERROR = ApiError(500, "The server had an error while processing your request", "server_error", "server_error")
CREDIT_ERROR = ApiError(
    429,
    "You have no credits remaining. Add credits to continue using the API at "
    "https://platform.openai.com/settings/organization/billing.",
    "insufficient_quota",
    "credit_balance_exhausted",
)


@dataclass(slots=True)
class Part:
    """One piece of a message's content: text with its annotations, or a refusal."""

    text: str
    refusal: bool = False
    marks: tuple[str, ...] = ()


@dataclass(slots=True)
class Plan:
    """How the work ends.

    status: of the response or the run. parts: of the answering message; None for no message at all.
    searches: files are searched first, as hosted tools do without asking the caller (Responses).
    error: `code` and `message` of what failed, None where nothing did. reason: of an incomplete answer.
    event: an error told inside the stream; nested: in its own object, as seen on the wire, or flat, as documented.
    """

    status: str = "completed"
    parts: list[Part] | None = None
    commentary: str | None = None
    tool_call: bool = False
    searches: bool = False
    error: Json | None = None
    reason: str | None = None
    event: ApiError | None = None
    nested: bool = True

    def pieces(self, most: int) -> int:
        """In how many pieces its texts are streamed. most: of one text."""
        texts = [self.commentary or "", *(part.text for part in self.parts or [])]
        return sum(len(pieces_of(text, most)) for text in texts)


def plan_of(text: str, model: str, rule: Rule | None) -> Plan:
    """The plan for an answer. rule: the fault that decides its outcome, None for a good day."""
    if rule is None:
        return Plan(parts=[Part(text)])
    return OUTCOMES[rule.name](text, model, rule.options)


def _failed(code: str, message: str) -> "Outcome":
    return lambda _text, model, _options: Plan(
        status="failed", error={"code": code, "message": message.format(model=model)}
    )


def _event(error: ApiError, nested: bool) -> "Outcome":
    failure = {"code": "server_error", "message": error.message}
    return lambda _text, _model, _options: Plan(status="failed", error=failure, event=error, nested=nested)


def _ends(status: str) -> "Outcome":
    return lambda _text, _model, _options: Plan(status=status)


def _parts(make: Callable[[str], list[Part]]) -> "Outcome":
    return lambda text, _model, _options: Plan(parts=make(text))


def _incomplete(reason: str) -> "Outcome":
    def plan(text: str, _model: str, options: Json) -> Plan:
        parts = [Part(text[: max(1, len(text) // 2)])] if options["text"] else None
        return Plan(status="incomplete", parts=parts, reason=reason)

    return plan


def _empty(_text: str, _model: str, options: Json) -> Plan:
    return Plan(parts=[Part("")] if options["with_message"] else None)


Outcome = Callable[[str, str, Json], Plan]

OUTCOMES: dict[str, Outcome] = {
    "nested_error_event": _event(SERVER_ERROR, nested=True),
    "flat_error_event": _event(SERVER_ERROR, nested=False),
    "quota_error_event": _event(CREDIT_ERROR, nested=True),
    "response_failed_server_error": _failed("server_error", "The model failed to generate a response."),
    "response_failed_rate": _failed("rate_limit_exceeded", RATE_TEXT),
    "response_failed_quota": _failed("rate_limit_exceeded", QUOTA_TEXT),
    "function_call_output": lambda _text, _model, _options: Plan(tool_call=True),
    "incomplete_max_tokens": _incomplete("max_output_tokens"),
    "commentary_phase": lambda text, _model, _options: Plan(parts=[Part(text)], commentary=COMMENTARY_TEXT),
    "run_failed_server_error": _failed("server_error", SERVER_TEXT),
    "run_failed_rate": _failed("rate_limit_exceeded", RATE_TEXT),
    "run_failed_quota": _failed("rate_limit_exceeded", QUOTA_TEXT),
    "run_expired": _ends("expired"),
    "run_requires_action": lambda _text, _model, _options: Plan(status="requires_action", tool_call=True),
    "run_incomplete": _incomplete("max_completion_tokens"),
    "run_cancelled": _ends("cancelled"),
    "empty_answer": _empty,
    "refusal": _parts(lambda _text: [Part(REFUSAL_TEXT, refusal=True)]),
    "unicode": _parts(lambda text: [Part(f"{text} {UNICODE_TEXT}")]),
    "citations": lambda text, _model, _options: Plan(
        parts=[Part(f"{text}{CITATION_MARK} [tabela]({SANDBOX_LINK})", marks=(CITATION_MARK, SANDBOX_LINK))],
        searches=True,
    ),
}


def tool_call_fields() -> Json:
    """The function that an unexpected tool call names."""
    return {"name": "consultar_estoque", "arguments": '{"produto":"bolo"}'}
