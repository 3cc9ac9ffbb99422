"""The body of the continue call, as Kommo accepts it and as the client's channel shows it (contract 5)."""

import re
import unicodedata
from typing import Any

from app.domain.accounts import DEFAULT_FAILURE_TEXTS, Locale, ReplyMode
from app.domain.channel_text import channel_of, channel_text
from app.domain.cutting import ELLIPSIS, cut
from app.domain.failures import TEXTS, Failure

# Characters that one message of a channel holds, by `data[origin]`.
CHANNEL_LIMITS = {"whatsapp": 4096, "waba": 4096, "telegram": 4096, "facebook": 2000, "instagram": 900}
UNKNOWN_CHANNEL_LIMIT = 900
# reply, reply_2 … reply_5
MOST_PARTS = 5
# Kommo refuses the whole call beyond these (kommo.md 3.2).
MOST_HANDLERS = 10
HANDLER_LIMIT = 80

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_TWO_BRACES = re.compile(r"\{(?=\{)|\}(?=\})")
_INSTEAD_OF_BRACE = {"{": "(", "}": ")"}


class EmptyReply(Exception):
    """Nothing is left of an answer to show. Kommo would show its own placeholder instead (kommo.md 11)."""


def channel_limit(origin: str | None) -> int:
    """Characters that one message of this channel holds."""
    return CHANNEL_LIMITS.get(channel_of(origin), UNKNOWN_CHANNEL_LIMIT)


def neutralised(text: str) -> str:
    """The text without `{{` and `}}`, in which Kommo might put a client's data (kommo.md 13, point 6)."""
    return _TWO_BRACES.sub(lambda brace: f"{brace.group()} ", text)


def parts(text: str, origin: str | None) -> list[str]:
    """A text as the messages of this channel: at most 5, none empty, the last with "…" when not all fitted.

    Neither in a part nor where two of them meet stands `{{` or `}}`. Raises EmptyReply.
    """
    return _messages(text, channel_limit(origin), MOST_PARTS)


def answered_body(
    text: str, *, origin: str | None, reply_mode: ReplyMode, request_id: str, remaining: int
) -> dict[str, Any]:
    """The continue call with an answer.

    text: the answer as the model wrote it, in Markdown. remaining: requests left in the account's month.
    Raises EmptyReply where nothing of the answer can be shown: then it is no answer (contract 6, openai_unexpected).
    """
    # More than this is never shown, and Markdown takes its time with long texts.
    longest = 2 * MOST_PARTS * channel_limit(origin)
    if len(text) > longest:
        text = text[:longest] + ELLIPSIS
    shown = channel_text(_tidy(text), origin)
    return _body(None, shown, origin, reply_mode, request_id, remaining)


def with_remaining(body: dict[str, Any], remaining: int) -> dict[str, Any]:
    """The same body with another number of requests that are left: it is known only when the answer is charged."""
    return {**body, "data": {**body["data"], "remaining": str(remaining)}}


def failed_body(
    failure: Failure,
    failure_text: str,
    *,
    origin: str | None,
    locale: Locale,
    reply_mode: ReplyMode,
    request_id: str,
    remaining: int,
) -> dict[str, Any]:
    """The continue call of a turn without an answer.

    failure_text: what the account lets its clients read then; where nothing of it can be shown, the default text of
    the locale is shown.
    """
    return _body(failure, _showable(failure_text, locale), origin, reply_mode, request_id, remaining)


def last_resort_body(
    failure: Failure | None, failure_text: str, *, locale: Locale, request_id: str, remaining: int
) -> dict[str, Any]:
    """The second try after Kommo refused the body: the same status, and nothing to show but the failure text.

    failure: None where the refused body held an answer. The text is cut to what every channel shows.
    """
    replies = _messages(_showable(failure_text, locale), UNKNOWN_CHANNEL_LIMIT, 1)
    return {"data": _data(failure, replies, request_id, remaining)}


def _body(
    failure: Failure | None,
    text: str,
    origin: str | None,
    reply_mode: ReplyMode,
    request_id: str,
    remaining: int,
) -> dict[str, Any]:
    if reply_mode == "data":
        return {"data": _data(failure, parts(text, origin), request_id, remaining)}
    return {
        "data": _data(failure, _messages(text, channel_limit(origin), 1), request_id, remaining),
        "execute_handlers": [
            {"handler": "show", "params": {"type": "text", "value": line}}
            for line in _messages(text, HANDLER_LIMIT, MOST_HANDLERS)
        ],
    }


def _data(failure: Failure | None, replies: list[str], request_id: str, remaining: int) -> dict[str, str]:
    head = {"status": "success"}
    if failure is not None:
        head = {"status": "fail", "error_code": failure.value, "error": TEXTS[failure]}
    further = {f"reply_{number}": reply for number, reply in enumerate(replies[1:], start=2)}
    return {
        **head,
        "reply": replies[0],
        **further,
        "parts": str(len(replies)),
        "request_id": request_id,
        "remaining": str(remaining),
    }


def _messages(text: str, limit: int, most: int) -> list[str]:
    messages = [message for message in cut(neutralised(_tidy(text)), limit, most) if _shows_something(message)]
    if not messages:
        raise EmptyReply
    for place in range(1, len(messages)):
        seam = messages[place - 1][-1] + messages[place][0]
        if seam in ("{{", "}}"):
            messages[place] = _INSTEAD_OF_BRACE[seam[0]] + messages[place][1:]
    return messages


def _tidy(text: str) -> str:
    """The text without what no channel shows and JSON readers stumble over: control characters, half characters."""
    text = _UNPRINTABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _showable(failure_text: str, locale: Locale) -> str:
    return failure_text if _shows_something(_tidy(failure_text)) else DEFAULT_FAILURE_TEXTS[locale]


def _shows_something(text: str) -> bool:
    """Whether there is more than white space and invisible characters."""
    return any(unicodedata.category(character) not in ("Cc", "Cf", "Zl", "Zp", "Zs") for character in text)
