"""Draws the pictures of the Salesbot guides: `python -m sandbox.bot_pictures` writes them into docs anew.

Each is drawn from a bot that the simulated Kommo can run, and what people read in the chat is what a run of it showed.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from app.domain.accounts import DEFAULT_FAILURE_TEXTS, LOCALES, Locale
from app.domain.failures import Failure
from app.domain.note_texts import failure_note
from app.domain.reply import answered_body, failed_body
from sandbox.bot_drawing import WIDTH, draw_bot
from sandbox.bot_words import WORDS, Words, widget_words
from sandbox.flow_drawing import draw_flow
from sandbox.flows import recommended_flow, three_step_flow
from sandbox.kommo_bot import BotRun, Continuation, Request, Show
from sandbox.kommo_design import Block, ConditionBlock, MessageBlock, PauseBlock, WidgetBlock, designed, looped
from sandbox.svg import LINE_HEIGHT, Picture, text_width, wrapped

_URL = "https://bot.example.com/kommo/salesbot"
_REQUEST_ID = "0198c2d4-7a10"
_REMAINING = 412


def handover_bot(words: Words) -> tuple[Block, ...]:
    """The loop with a word by which a client asks for a person."""
    return designed(
        (
            WidgetBlock(recommended_flow(_URL), {"success": 1}),
            PauseBlock(then=2),
            ConditionBlock("{{message_text}}", "=", words.person, then=3, otherwise=0),
            MessageBlock(words.calling),
        )
    )


def seen_by_client(message: str, data: Mapping[str, Any]) -> list[str]:
    """The messages that a bot with the recommended flow shows for one continue call."""
    run = BotRun(designed(looped(recommended_flow(_URL))), {"lead.id": "1"}, message)
    if not isinstance(run.send(), Request):
        raise TypeError("the flow begins with a request")
    shown, effect = [], run.send(Continuation(data))
    while isinstance(effect, Show):
        shown.append(effect.text)
        effect = run.send()
    return shown


def pictures(locale: Locale) -> Iterator[tuple[str, str]]:
    """The name and the SVG of every picture in a language."""
    words, widget = WORDS[locale], widget_words(locale)
    drawn: dict[str, Callable[[], Picture]] = {
        "loop": lambda: draw_bot(looped(recommended_flow(_URL)), words, widget),
        "inside": lambda: draw_flow(recommended_flow(_URL), words, widget),
        "three-steps": lambda: draw_bot(three_step_flow(_URL), words, widget),
        "handover": lambda: draw_bot(handover_bot(words), words, widget),
        "chat": lambda: _chat(locale),
    }
    for name, draw in drawn.items():
        yield name, draw().svg(words.titles[name])


def _chat(locale: Locale) -> Picture:
    words = WORDS[locale]
    answered = answered_body(
        words.answer, origin="whatsapp", reply_mode="data", request_id=_REQUEST_ID, remaining=_REMAINING
    )
    failed = failed_body(
        Failure.OPENAI_QUOTA,
        DEFAULT_FAILURE_TEXTS[locale],
        origin="whatsapp",
        locale=locale,
        reply_mode="data",
        request_id=_REQUEST_ID,
        remaining=_REMAINING,
    )
    picture, y = Picture(WIDTH), 40.0
    for heading, body in ((words.when_answered, answered), (words.when_failed, failed)):
        picture.text((20, y), [heading], "strong")
        y = _bubble(picture, y + 16, words.client, [words.question], "client")
        for text in seen_by_client(words.question, body["data"]):
            y = _bubble(picture, y, words.bot, [text], "bot")
        y += 30
    note = failure_note(Failure.OPENAI_QUOTA, locale, _REQUEST_ID, "https://bot.example.com")
    _bubble(picture, y - 30, words.note, note.split("\n"), "note")
    return picture


def _bubble(picture: Picture, y: float, who: str, paragraphs: list[str], look: str) -> float:
    """Draw a message: a client's on the left, the bot's on the right, a note from side to side. Returns its end."""
    widest = WIDTH - 40 if look == "note" else 400
    lines = [line for paragraph in paragraphs for line in wrapped(paragraph, widest - 28)]
    width = widest if look == "note" else min(widest, max(text_width(line) for line in lines) + 28)
    x = WIDTH - 20 - width if look == "bot" else 20
    at = (x + width, y + 14) if look == "bot" else (x, y + 14)
    picture.text(at, [who], "soft", "end" if look == "bot" else "start")
    height = len(lines) * LINE_HEIGHT + 16
    picture.box((x, y + 22), (width, height), f"bubble {look}", 12)
    picture.text((x + 14, y + 22 + LINE_HEIGHT + 2), lines)
    return y + 22 + height + 10


def main(docs: Path) -> None:
    """Write every picture below this folder."""
    for locale in LOCALES:
        folder = docs / locale / "pictures"
        folder.mkdir(parents=True, exist_ok=True)
        for name, svg in pictures(locale):
            (folder / f"{name}.svg").write_text(svg, "utf-8")


if __name__ == "__main__":
    main(Path(*sys.argv[1:2]) if sys.argv[1:] else Path(__file__).parents[1] / "docs")
