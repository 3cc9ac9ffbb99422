"""The pictures of the guides show what the bots they were drawn from do."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from app.domain.accounts import DEFAULT_FAILURE_TEXTS, LOCALES, Locale
from sandbox.bot_drawing import draw_bot
from sandbox.bot_pictures import handover_bot, main, pictures
from sandbox.bot_words import WORDS, widget_words
from sandbox.flow_drawing import draw_flow
from sandbox.flows import MAX_PARTS, recommended_flow, three_step_flow
from sandbox.kommo_bot import BotRun, Continuation, Listen, Request, Show
from sandbox.kommo_design import Block, ConditionBlock, MessageBlock, PauseBlock, WidgetBlock, looped
from sandbox.svg import text_width, wrapped

DOCS = Path(__file__).parents[3] / "docs"
URL = "https://bot.example.com/kommo/salesbot"
SVG = "{http://www.w3.org/2000/svg}"
NAMES = {"loop", "inside", "three-steps", "handover", "chat"}

every_language = pytest.mark.parametrize("locale", LOCALES)


def drawn(locale: Locale) -> dict[str, ET.Element]:
    return {name: ET.fromstring(svg) for name, svg in pictures(locale)}  # noqa: S314 - drawn by us, just now


def texts(picture: ET.Element) -> list[str]:
    return [element.text or "" for element in picture.iter(f"{SVG}text")]


def shown(picture: ET.Element) -> str:
    return " ".join(texts(picture))


def headers(picture: ET.Element, kind: str) -> int:
    return sum(element.get("class") == kind for element in picture.iter(f"{SVG}rect"))


def test_the_pictures_in_docs_are_the_ones_that_are_drawn_now(tmp_path: Path) -> None:
    main(tmp_path)
    for locale in LOCALES:
        fresh = {path.name: path.read_text("utf-8") for path in (tmp_path / locale / "pictures").iterdir()}
        assert set(fresh) == {f"{name}.svg" for name in NAMES}
        kept = {path.name: path.read_text("utf-8") for path in (DOCS / locale / "pictures").iterdir()}
        assert kept == fresh, "run: python -m sandbox.bot_pictures"


@every_language
def test_nothing_is_drawn_beyond_the_edge(locale: Locale) -> None:
    for picture in drawn(locale).values():
        width, height = float(picture.get("width") or 0), float(picture.get("height") or 0)
        for element in picture.iter(f"{SVG}text"):
            x, long = float(element.get("x") or 0), text_width(element.text or "")
            left = {"start": x, "middle": x - long / 2, "end": x - long}[element.get("text-anchor") or ""]
            assert left >= 0
            assert left + long <= width
            assert float(element.get("y") or 0) < height


@every_language
def test_a_picture_tells_what_it_shows_and_has_colours_for_dark_pages(locale: Locale) -> None:
    titles = set()
    for name, picture in drawn(locale).items():
        title = picture.findtext(f"{SVG}title")
        assert title == WORDS[locale].titles[name]
        titles.add(title)
        assert picture.get("role") == "img"
        assert "prefers-color-scheme: dark" in (picture.findtext(f"{SVG}style") or "")
    assert len(titles) == len(NAMES)


@every_language
def test_the_loop_has_the_step_with_both_exits_a_pause_and_a_way_back(locale: Locale) -> None:
    picture, words = drawn(locale)["loop"], widget_words(locale)
    assert headers(picture, "widget") == headers(picture, "pause") == headers(picture, "end") == 1
    assert {words.step, *words.exits.values()} <= set(texts(picture))
    ways = [element.get("points") or "" for element in picture.iter(f"{SVG}polyline")]
    assert sum(way.count(" ") == 4 for way in ways) == 1


@every_language
def test_three_steps_are_three_requests(locale: Locale) -> None:
    picture, words = drawn(locale)["three-steps"], WORDS[locale]
    assert headers(picture, "widget") == texts(picture).count(words.one_request) == 3
    assert headers(picture, "pause") == 2
    # One for each failure, one after the last answer.
    assert headers(picture, "end") == 4
    asked = [block.flow[0]["question"][0]["params"]["data"]["handler"] for block in three_step_flow(URL)
             if isinstance(block, WidgetBlock)]  # fmt: skip
    places = [shown(picture).index(wrapped(words.tasks[handler], 256)[0]) for handler in asked]
    assert places == sorted(places)


@every_language
def test_the_inside_of_the_step_names_everything_that_it_sends_and_shows(locale: Locale) -> None:
    flow = recommended_flow(URL)
    told = shown(drawn(locale)["inside"])
    for field in flow[0]["question"][0]["params"]["data"]:
        assert field in told
    assert re.findall(r"\{\{json\.reply[_0-9]*\}\}", told) == [
        "{{json.reply}}",
        *(f"{{{{json.reply_{part}}}}}" for part in range(2, MAX_PARTS + 1)),
    ]
    assert told.count(f"“{widget_words(locale).exits['success']}”") == 1
    assert told.count(f"“{widget_words(locale).exits['fail']}”") == 2


@every_language
def test_the_chat_shows_what_a_client_really_reads(locale: Locale) -> None:
    told = shown(drawn(locale)["chat"])
    assert told.count(WORDS[locale].question) == 2
    assert WORDS[locale].answer in told
    assert DEFAULT_FAILURE_TEXTS[locale] in told
    assert "Limite de Quota Excedido" in told


@every_language
def test_the_word_for_a_person_ends_the_bot_and_any_other_is_answered(locale: Locale) -> None:
    words = WORDS[locale]
    for said, expected in ((words.person, Show(words.calling)), ("Quanto custa?", None)):
        run = BotRun(handover_bot(words), {"lead.id": "1"}, "Oi")
        run.send()
        assert run.send(Continuation({"status": "success", "reply": "Olá", "parts": "1"})) == Show("Olá")
        assert isinstance(run.send(), Listen)
        after = run.send(said)
        assert after == expected if expected else isinstance(after, Request)
        assert not expected or run.send() is None


def test_a_bot_that_cannot_be_drawn_is_refused() -> None:
    side_way_goes_on: list[Block] = [
        WidgetBlock(recommended_flow(URL), {"success": 1, "fail": 2}),
        PauseBlock(0),
        MessageBlock("?", 1),
    ]
    with pytest.raises(ValueError, match="one block, and then the bot ends"):
        draw_bot(side_way_goes_on, WORDS["pt"], widget_words("pt"))
    with pytest.raises(ValueError, match="compares the client's message with one word"):
        draw_bot([ConditionBlock("{{lead.price}}", "=", "1")], WORDS["pt"], widget_words("pt"))
    with pytest.raises(ValueError, match="no words for the handler 'stop'"):
        draw_flow([{"question": [{"handler": "stop", "params": {}}]}], WORDS["pt"], widget_words("pt"))


def test_a_drawn_text_is_escaped() -> None:
    picture = draw_bot([MessageBlock("<b>1 & 2</b>")], WORDS["pt"], widget_words("pt")).svg("a < b")
    assert "&lt;b&gt;1 &amp; 2&lt;/b&gt;" in picture
    assert "<title>a &lt; b</title>" in picture


def test_the_loop_that_is_drawn_is_the_one_that_the_simulated_kommo_builds() -> None:
    words = WORDS["pt"]
    assert (
        draw_bot(looped(recommended_flow(URL)), words, widget_words("pt")).svg(words.titles["loop"])
        == dict(pictures("pt"))["loop"]
    )
