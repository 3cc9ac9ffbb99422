import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.accounts import DEFAULT_FAILURE_TEXTS, LOCALES, Locale, ReplyMode
from app.domain.cutting import width
from app.domain.failures import TEXTS, Failure
from app.domain.reply import (
    EmptyReply,
    answered_body,
    channel_limit,
    failed_body,
    last_resort_body,
    neutralised,
    parts,
)

SORRY = "Já voltamos."
MODES: tuple[ReplyMode, ...] = get_args(ReplyMode)


def answered(text: str, origin: str | None = "whatsapp", reply_mode: ReplyMode = "data") -> dict[str, Any]:
    return answered_body(text, origin=origin, reply_mode=reply_mode, request_id="r1", remaining=412)


def failed(
    text: str = SORRY,
    failure: Failure = Failure.OPENAI_AUTHENTICATION,
    origin: str | None = None,
    reply_mode: ReplyMode = "data",
    locale: Locale = "pt",
) -> dict[str, Any]:
    return failed_body(
        failure, text, origin=origin, reply_mode=reply_mode, request_id="r1", remaining=413, locale=locale
    )


def test_an_answer_is_said_as_in_the_contract() -> None:
    assert answered("Olá **João**") == {
        "data": {"status": "success", "reply": "Olá *João*", "parts": "1", "request_id": "r1", "remaining": "412"}
    }


def test_a_failure_is_said_as_in_the_contract() -> None:
    assert failed() == {
        "data": {
            "status": "fail",
            "error_code": "openai_authentication",
            "error": "Falha na Autenticação da API",
            "reply": "Já voltamos.",
            "parts": "1",
            "request_id": "r1",
            "remaining": "413",
        }
    }


@pytest.mark.parametrize("failure", Failure)
def test_every_failure_has_its_documented_text(failure: Failure) -> None:
    data = failed(failure=failure)["data"]
    assert (data["error_code"], data["error"]) == (failure.value, TEXTS[failure])


@pytest.mark.parametrize(
    ("origin", "limit"),
    [
        ("whatsapp", 4096),
        ("waba", 4096),
        ("telegram", 4096),
        ("Facebook ", 2000),
        ("instagram", 900),
        ("viber", 900),
        ("", 900),
        (None, 900),
    ],
)
def test_a_channel_gets_messages_of_its_own_size(origin: str | None, limit: int) -> None:
    assert channel_limit(origin) == limit
    assert [len(part) for part in parts("x" * (limit + 1), origin)] == [limit, 1]
    assert len(parts("x" * limit, origin)) == 1


def test_a_long_answer_has_as_many_replies_as_parts_says() -> None:
    data = answered("\n\n".join(["frase " * 100] * 3), "instagram")["data"]
    assert data["parts"] == "3"
    assert [key for key in data if key.startswith("reply")] == ["reply", "reply_2", "reply_3"]


def test_what_does_not_fit_into_five_parts_is_dropped_visibly() -> None:
    data = answered("palavra " * 2000, "instagram")["data"]
    assert data["parts"] == "5"
    assert data["reply_5"].endswith("…")
    assert "reply_6" not in data


def test_a_bot_without_our_second_step_is_shown_handlers() -> None:
    body = answered("**Primeiro** parágrafo.\n\n" + "palavra " * 70, "instagram", "handlers")
    shown = [handler["params"].pop("value") for handler in body["execute_handlers"]]
    assert shown[0] == "Primeiro parágrafo."
    assert " ".join(shown[1:]).split() == ["palavra"] * 70
    assert body["execute_handlers"] == [{"handler": "show", "params": {"type": "text"}}] * len(shown)
    assert body["data"] == answered("**Primeiro** parágrafo.\n\n" + "palavra " * 70, "instagram")["data"]


def test_what_does_not_fit_into_ten_handlers_is_dropped_visibly() -> None:
    body = answered("palavra " * 300, "instagram", "handlers")
    shown = [handler["params"]["value"] for handler in body["execute_handlers"]]
    assert len(shown) == 10
    assert shown[-1].endswith("…")
    assert "execute_handlers" not in answered("palavra " * 300, "instagram")
    assert body["data"]["parts"] == "1"
    assert "reply_2" not in body["data"]


def test_the_last_resort_shows_the_failure_text_and_keeps_the_status() -> None:
    after_answer = last_resort_body(None, SORRY, locale="pt", request_id="r1", remaining=412)
    assert after_answer == {
        "data": {"status": "success", "reply": SORRY, "parts": "1", "request_id": "r1", "remaining": "412"}
    }
    after_failure = last_resort_body(Failure.BUSY, "x" * 5000, locale="pt", request_id="r1", remaining=412)["data"]
    assert (after_failure["status"], after_failure["error_code"]) == ("fail", "busy")
    assert after_failure["parts"] == "1"
    assert after_failure["reply"] == "x" * 899 + "…"


@pytest.mark.parametrize("nothing", ["", " \n", "\u200b", "\x00", "\u2060\ufeff"])
@pytest.mark.parametrize("locale", LOCALES)
def test_a_failure_text_that_shows_nothing_is_replaced(nothing: str, locale: Locale) -> None:
    assert failed(nothing, locale=locale)["data"]["reply"] == DEFAULT_FAILURE_TEXTS[locale]
    last = last_resort_body(None, nothing, request_id="r1", remaining=0, locale=locale)
    assert last["data"]["reply"] == DEFAULT_FAILURE_TEXTS[locale]


@pytest.mark.parametrize(
    "nothing", ["", "\n", "【4:0†source】", "---", "\u200b\x07", "sandbox:/mnt/data/a.pdf", "```\n```"]
)
def test_an_answer_that_shows_nothing_is_never_sent(nothing: str) -> None:
    with pytest.raises(EmptyReply):
        answered(nothing)


def test_failure_texts_are_not_taken_for_markdown() -> None:
    assert failed("Volte *já* {{contact.name}}")["data"]["reply"] == "Volte *já* { {contact.name} }"


def test_control_characters_and_half_characters_are_not_sent() -> None:
    assert answered("a\x00b\x1bc\ud83d d\r\ne")["data"]["reply"] == "abc\ufffd d\ne"


@pytest.mark.parametrize(
    ("text", "harmless"),
    [
        ("{{contact.name}}", "{ {contact.name} }"),
        ("{{{{", "{ { { {"),
        ("}}}", "} } }"),
        ("{ {}}{", "{ {} }{"),
        ("{}{}", "{}{}"),
        ("", ""),
    ],
)
def test_placeholders_are_taken_apart(text: str, harmless: str) -> None:
    assert neutralised(text) == harmless


BRACED = st.text(st.sampled_from("{}{} \na【】*_.\\")) | st.text()


@given(BRACED)
def test_neutralising_leaves_no_pair_and_is_done_once(text: str) -> None:
    once = neutralised(text)
    assert "{{" not in once
    assert "}}" not in once
    assert neutralised(once) == once
    assert once.replace(" ", "") == text.replace(" ", "")


LONG = BRACED.flatmap(lambda text: st.integers(1, 400).map(lambda times: (text + "{") * times))


@given(BRACED | LONG, st.sampled_from(["whatsapp", "facebook", "instagram", None]), st.sampled_from(MODES))
def test_whatever_the_model_writes_kommo_can_take(text: str, origin: str | None, reply_mode: ReplyMode) -> None:
    try:
        body = answered(text, origin, reply_mode)
    except EmptyReply:
        return
    assert_acceptable(body, origin)


@given(BRACED | LONG, st.sampled_from(["whatsapp", "instagram", None]), st.sampled_from(MODES))
def test_whatever_the_company_writes_kommo_can_take(text: str, origin: str | None, reply_mode: ReplyMode) -> None:
    assert_acceptable(failed(text, origin=origin, reply_mode=reply_mode), origin)


@given(BRACED | LONG)
def test_the_last_resort_can_always_be_taken(text: str) -> None:
    assert_acceptable(last_resort_body(Failure.BUSY, text, locale="en", request_id="r1", remaining=0), None)


def assert_acceptable(body: dict[str, Any], origin: str | None) -> None:
    """What Kommo refuses and what a client must not see (contract 5)."""
    data, handlers = body["data"], body.get("execute_handlers")
    assert all(isinstance(value, str) and value.strip() for value in data.values())
    replies = [value for key, value in data.items() if key.startswith("reply")]
    assert data["parts"] == str(len(replies))
    assert 1 <= len(replies) <= 5
    assert all(width(reply) <= channel_limit(origin) for reply in replies)
    shown = []
    if handlers is not None:
        shown = [handler["params"]["value"] for handler in handlers]
        assert 1 <= len(shown) <= 10
        assert len(replies) == 1
        assert all(value.strip() and width(value) <= 80 for value in shown)
    for joined in ("".join(replies), "".join(shown), *replies, *shown):
        assert "{{" not in joined
        assert "}}" not in joined
    json.dumps(body, ensure_ascii=False).encode()  # no half characters


@given(st.lists(st.text("abcdeé", min_size=1, max_size=30), min_size=1, max_size=300))
def test_all_words_arrive_in_order_when_nothing_is_cut(words: list[str]) -> None:
    sent = parts(" ".join(words), "instagram")
    if not sent[-1].endswith("…"):
        assert " ".join(sent).split() == words
    else:
        assert sum(map(len, words)) > 3600  # four messages would have held less
