"""Answers of a model that was told to do harm, or has gone astray: what goes to Kommo is always what Kommo can take."""

import json
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.accounts import REPLY_MODES, ReplyMode
from app.domain.reply import (
    CHANNEL_LIMITS,
    HANDLER_LIMIT,
    MOST_HANDLERS,
    MOST_PARTS,
    UNKNOWN_CHANNEL_LIMIT,
    EmptyReply,
    answered_body,
)
from tests.hostile.tally import REPLIES, taken, tried
from tests.hostile.target import effort

ORIGINS = (None, "whatsapp", "waba", "telegram", "facebook", "instagram", "nonsense", "{{lead.id}}", "\N{BOM}waba")
# Seconds of a processor for one answer.
SOON = 1.5
PIECES = (
    *("{", "}", "{{", "}}", "{{{", "{{contact.phone}}", "{\u200b{", "{ {", "{\n{", "}\n\n}", "\uff5b\uff5b", "{*{*"),
    *("【", "】", "【4:0†a.pdf】", "【4:0†", "[a](sandbox:/mnt/data/a.pdf)", "sandbox:", "SANDBOX:/x)"),
    *("*", "**", "***", "_", "__", "~~", "`", "```", "```json\n", "|", "|-|\n", "| a | b |\n", "> ", ">" * 9, "# "),
    *("- ", "1. ", "[", "](", ")", "![", "<", ">", "\\", "&amp;", "&#123;&#123;", "<script>", "http://a.b/{{c}}"),
    *("\u202e", "\u200f", "\u200b", "\u200d", "\ufeff", "\u2066", "\u00ad", "\u0301", "\ud83d", "\0", "\x1b[31m"),
    *("![](sandbox:/", "👨\u200d👩\u200d👧", "🇧🇷", "👍🏽", "مرحبا", "漢字。", "javascript:alert(1)", "`{`{"),
    *("\r", "\n", "\r\n", "\t", "\x0b", "\u2028", "\x85", " ", "  \n", "a", "palavra ", "1", "."),
)  # fmt: skip
BOMBS = {
    "stars": "*" * 50_000,
    "stars and letters": "*a" * 25_000,
    "stars both ways": "*" * 5_000 + "a" + "*" * 5_000,
    "underscores and stars": "_*" * 20_000,
    "tildes": "~~" * 20_000,
    "backticks of growing length": " ".join("`" * n for n in range(300)),
    "open brackets": "[" * 50_000,
    "images": "![" * 20_000,
    "links in links": "[" * 5_000 + "a" + "](b)" * 5_000,
    "links that nearly end": "[a](" * 10_000,
    "sandbox links that nearly end": "[a](sandbox:(" * 5_000,
    "sandbox addresses": "sandbox:/" * 10_000,
    "citations that nearly end": "【" * 50_000,
    "citations with a mark": "【4:0†" * 10_000,
    "quotes in quotes": ">" * 20_000,
    "lists in lists": "\n".join(" " * n + "- a" for n in range(2_000)),
    "numbers in numbers": "1. " * 10_000,
    "a wide table": "|".join("a" * 5_000) + "\n" + "|".join("-" * 5_000) + "\n" + "|".join("b" * 5_000),
    "a long table": "|a|b|\n|-|-|\n" + "|c|d|\n" * 10_000,
    "rows that nearly are a table": "|a\n" * 10_000,
    "headings": "# a\n" * 10_000,
    "fences": "```\n" * 10_000,
    "entities": "&amp;" * 10_000,
    "escapes": "\\" * 50_000,
    "tags": "<a" * 20_000,
    "autolinks": "<http://" * 10_000,
    "addresses": "http://a" * 10_000,
    "one word": "a" * 1_000_000,
    "a word of marks": "\u0301" * 100_000,
    "a family without end": "👨\u200d" * 50_000,
    "flags": "🇧" * 50_000,
    "zero width": "\u200b" * 100_000,
    "right to left": "\u202e" * 100_000 + "a",
    "braces": "{" * 100_000,
    "braces apart": "{\n\n" * 30_000,
    "closing braces": "}" * 100_000,
    "blank lines": "\n" * 200_000,
    "spaces": " " * 500_000 + "a",
    "half characters": "\ud83d" * 50_000,
    "full stops": ". " * 50_000,
}


def spoken(text: str, origin: str | None, mode: ReplyMode) -> dict[str, Any] | None:
    """The body of the continue call; None where nothing of the text can be shown."""
    tried(REPLIES)
    try:
        body: dict[str, Any] = answered_body(text, origin=origin, reply_mode=mode, request_id="r", remaining=1)
    except EmptyReply:
        return None
    taken(REPLIES)
    return body


def assert_kommo_takes(body: dict[str, Any] | None, origin: str | None) -> None:
    if body is None:
        return
    data = body["data"]
    replies = [data["reply"], *(data[f"reply_{n}"] for n in range(2, MOST_PARTS + 1) if f"reply_{n}" in data)]
    limit = CHANNEL_LIMITS.get((origin or "").strip().lower(), UNKNOWN_CHANNEL_LIMIT)
    assert data["parts"] == str(len(replies))
    assert all(reply.strip() for reply in replies)
    assert all(len(reply.encode("utf-16-le")) // 2 <= limit for reply in replies)
    shown = body.get("execute_handlers", [])
    lines = [handler["params"]["value"] for handler in shown]
    assert len(lines) <= MOST_HANDLERS
    assert all(line.strip() and len(line) <= HANDLER_LIMIT for line in lines)
    for said in (*replies, "".join(replies), *lines, "".join(lines)):
        assert "{{" not in said
        assert "}}" not in said
        assert not re.search("【[^】]*】|sandbox:/", said, re.IGNORECASE)
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", said)
    assert all(isinstance(value, str) for value in data.values())
    json.dumps(body).encode()
    json.dumps(body, ensure_ascii=False).encode()


@pytest.mark.parametrize(("origin", "mode"), [("whatsapp", "data"), ("instagram", "handlers")])
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_made_harmless_in_time(bomb: str, origin: str, mode: ReplyMode) -> None:
    began = time.thread_time()
    body = spoken(bomb, origin, mode)
    assert time.thread_time() - began < SOON
    assert_kommo_takes(body, origin)


@effort(3)
@given(
    text=st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5)), max_size=60).map("".join),
    times=st.sampled_from((1, 1, 3, 100)),
    origin=st.sampled_from(ORIGINS),
    mode=st.sampled_from(REPLY_MODES),
)
def test_kommo_can_take_whatever_the_model_writes(text: str, times: int, origin: str | None, mode: ReplyMode) -> None:
    began = time.thread_time()
    body = spoken(text * times, origin, mode)
    assert time.thread_time() - began < SOON
    assert_kommo_takes(body, origin)
