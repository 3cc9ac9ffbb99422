"""Each rule of Kommo's for a widget, broken once: its message, and no other one."""

import json
import struct
from typing import Any

import pytest

from app.cli.widget import tour_image
from app.domain.widget_package.archive import with_tour
from app.domain.widget_package.files import NotReadable, read_object
from app.domain.widget_package.rules import broken_rules
from tests.unit.domain.widget_package.built import (
    Change,
    added,
    built,
    changed,
    json_set,
    manifest,
    put,
    replaced,
    texts,
    without,
)

AI_REPLY = "salesbot_designer.ai_reply"
TOUR = {"is_tour": True, "tour_description": "widget.description"}


def png(width: int, height: int, *, padding: int = 0) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + bytes(padding)


def tour_images(**images: list[str]) -> dict[str, Any]:
    return {**TOUR, "tour_images": images}


def whole_tour() -> dict[str, Any]:
    return tour_images(**{locale: [f"/images/tour_1_{locale}.png"] for locale in ("pt", "es", "en")})


FILES: dict[str, tuple[Change, str]] = {
    "no manifest": (without("manifest.json"), "manifest.json: is missing in the root of the archive"),
    "no script": (without("script.js"), "script.js: is missing in the root of the archive"),
    "byte order mark": (
        lambda files: put("style.css", b"\xef\xbb\xbf" + files["style.css"])(files),
        "style.css: begins with a byte order mark",
    ),
    "Windows line ends": (added("script.js", "\r\n"), "script.js: has line ends that are not Unix ones"),
    "not UTF-8": (
        lambda files: put("i18n/pt.json", files["i18n/pt.json"] + b"\xff")(files),
        "i18n/pt.json: is not UTF-8",
    ),
    "a key twice": (
        put("manifest.json", b'{"widget": {}, "widget": {}}'),
        "manifest.json: is not JSON: the key widget stands twice",
    ),
    "a list": (put("manifest.json", b"[]"), "manifest.json: is not a JSON object"),
    "Finder's file": (
        put(".DS_Store", b""),
        ".DS_Store: is not used by the widget; Kommo wants no other files in the archive",
    ),
    "a read-me": (
        put("README.md", b"# ByteGPT\n"),
        "README.md: is not used by the widget; Kommo wants no other files in the archive",
    ),
    "a language that is not offered": (
        lambda files: put("i18n/tr.json", files["i18n/en.json"])(files),
        "i18n/tr.json: is not used by the widget; Kommo wants no other files in the archive",
    ),
    "a template that the script does not name": (
        put("templates/form.twig", b"<p></p>"),
        "templates/form.twig: is not used by the widget; Kommo wants no other files in the archive",
    ),
}

MANIFEST: dict[str, tuple[Change, str]] = {
    "code": (manifest("widget.code", "bytegpt"), "manifest.json: code must be left out; Kommo generates it"),
    "key": (manifest("key", "x"), "manifest.json: key must be left out; Kommo generates it"),
    "no widget": (manifest("widget", None), "manifest.json: widget is missing or not an object"),
    "no name": (
        manifest("widget.name", None),
        "manifest.json: widget.name must be the path of a text, such as widget.name",
    ),
    "a description that is no path": (
        manifest("widget.description", "Answers."),
        "manifest.json: widget.description must be the path of a text, such as widget.description",
    ),
    "no short description": (
        manifest("widget.short_description", None),
        "manifest.json: widget.short_description must be the path of a text, such as widget.short_description",
    ),
    "a version of two numbers": (
        manifest("widget.version", "1.0"),
        "manifest.json: widget.version must be a text of three numbers, such as 1.0.0",
    ),
    "an interface version that is a text": (
        manifest("widget.interface_version", "2"),
        "manifest.json: widget.interface_version must be the number 2",
    ),
    "not to be installed": (
        manifest("widget.installation", value=False),
        "manifest.json: widget.installation must be true, otherwise nobody can install the widget",
    ),
    "init_once as a text": (
        manifest("widget.init_once", "no"),
        "manifest.json: widget.init_once must be true or false",
    ),
    "no languages": (
        manifest("widget.locale", []),
        "manifest.json: widget.locale must be a list of different languages",
    ),
    "a language twice": (
        manifest("widget.locale", ["pt", "pt"]),
        "manifest.json: widget.locale must be a list of different languages",
    ),
    "a language that Kommo has not": (
        manifest("widget.locale", ["pt", "fr"]),
        "manifest.json: widget.locale may name only en, es, pt, tr, id",
    ),
    "support of another kind": (
        manifest("widget.support", {"phone": "1"}),
        "manifest.json: widget.support may hold a link and an email",
    ),
    "support over http": (
        manifest("widget.support", {"link": "http://x.example"}),
        "manifest.json: widget.support.link must begin with https://",
    ),
    "support without an address": (
        manifest("widget.support", {"email": "us"}),
        "manifest.json: widget.support.email must be an e-mail address",
    ),
    "no locations": (manifest("locations", []), "manifest.json: locations must be a list of at least one location"),
    "a location that Kommo has not": (
        manifest("locations", ["settings", "advanced_settings", "salesbot_designer", "lcard"]),
        "manifest.json: locations: lcard does not exist",
    ),
    "a location twice": (
        manifest("locations", ["settings", "settings", "advanced_settings", "salesbot_designer"]),
        "manifest.json: locations: settings stands twice",
    ),
    "both of a pair": (
        manifest("locations", ["settings", "advanced_settings", "salesbot_designer", "lcard-0", "lcard-1"]),
        "manifest.json: locations: lcard-0 and lcard-1 exclude each other",
    ),
    "settings without their part": (
        manifest("settings", None),
        "manifest.json: the location settings needs the part settings",
    ),
    "the page without its part": (
        manifest("advanced", None),
        "manifest.json: the location advanced_settings needs the part advanced",
    ),
    "the step without its part": (
        manifest("salesbot_designer", None),
        "manifest.json: the location salesbot_designer needs the part salesbot_designer",
    ),
    "a part without its location": (
        manifest("dp", {"settings": {}}),
        "manifest.json: the part dp needs the location digital_pipeline",
    ),
    "a setting without a name": (
        manifest("settings.custom.name", None),
        "manifest.json: settings.custom needs a name, the path of a text",
    ),
    "a setting of another type": (
        manifest("settings.custom.type", "number"),
        "manifest.json: settings.custom.type must be one of text, pass, users, users_lp, custom",
    ),
    "a setting required as a text": (
        manifest("settings.custom.required", "no"),
        "manifest.json: settings.custom.required must be true or false",
    ),
    "the page without a title": (
        manifest("advanced", {"titel": "advanced.title"}),
        "manifest.json: advanced.title must be the path of a text",
    ),
    "no handler": (
        manifest("salesbot_designer", {"logo": "/x.png"}),
        "manifest.json: salesbot_designer needs a handler",
    ),
    "a handler's code with capitals": (
        lambda files: manifest(
            "salesbot_designer.aiReply", json.loads(files["manifest.json"])["salesbot_designer"]["ai_reply"]
        )(files),
        "manifest.json: salesbot_designer.aiReply: a handler's code has small letters, digits and _",
    ),
    "a handler without a name": (
        manifest(f"{AI_REPLY}.name", None),
        f"manifest.json: {AI_REPLY} needs a name, the path of a text",
    ),
    "a handler without settings": (
        manifest(f"{AI_REPLY}.settings", None),
        f"manifest.json: {AI_REPLY} needs settings, an object that may be empty",
    ),
    "a designer's field without a name": (
        manifest(f"{AI_REPLY}.settings.instructions.name", None),
        f"manifest.json: {AI_REPLY}.settings.instructions needs a name, the path of a text",
    ),
    "a designer's field of another type": (
        manifest(f"{AI_REPLY}.settings.instructions.type", "textarea"),
        f"manifest.json: {AI_REPLY}.settings.instructions.type must be one of text, numeric, url",
    ),
    "a designer's field without a default": (
        manifest(f"{AI_REPLY}.settings.instructions.default_value", ""),
        f"manifest.json: {AI_REPLY}.settings.instructions needs a default_value, or no bot with this step can be saved",
    ),
    "a tour without a description": (
        manifest("tour", {"is_tour": True, "tour_images": {}}),
        "manifest.json: tour needs is_tour: true, tour_images and tour_description, the path of a text",
    ),
    "a tour without one language": (
        manifest("tour", tour_images(pt=["/images/t.png"], es=["/images/t.png"])),
        "manifest.json: tour.tour_images.en must name 1 to 5 images",
    ),
}

TEXTS: dict[str, tuple[Change, str]] = {
    "a language is missing": (
        without("i18n/es.json"),
        "i18n/es.json: is missing, and widget.locale names es",
    ),
    "a text is missing in one language": (
        json_set("i18n/es.json", "form.test", None),
        "i18n/es.json: form.test is missing; other languages have it",
    ),
    "a text is empty": (
        json_set("i18n/en.json", "form.test", " "),
        "i18n/en.json: form.test must be a text that is not empty",
    ),
    "a text is a number": (
        json_set("i18n/en.json", "form.test", 1),
        "i18n/en.json: form.test must be a text that is not empty",
    ),
    "a text of the manifest is missing": (
        texts("advanced.title", None),
        "i18n: advanced.title is missing in every language; manifest.json names it",
    ),
    "a text that Kommo reads is missing": (
        lambda files: (
            manifest("widget.name", "widget.title")(files),
            texts("widget.title", "ByteGPT")(files),
            texts("widget.name", None)(files),
        )[0],
        "i18n: widget.name is missing in every language; Kommo needs it",
    ),
    "a long name": (
        json_set("i18n/pt.json", "widget.name", "Respostas de inteligência do GPT"),
        "i18n/pt.json: widget.name is longer than 30 characters",
    ),
    "a long word in the name": (
        json_set("i18n/pt.json", "widget.name", "Respostasautomaticas"),
        "i18n/pt.json: widget.name has a word of more than 19 characters",
    ),
    "Kommo in the name": (
        json_set("i18n/en.json", "widget.name", "GPT for KOMMO"),
        "i18n/en.json: widget.name must not hold the word Kommo",
    ),
    "a long short description": (
        json_set("i18n/es.json", "widget.short_description", "a" * 51),
        "i18n/es.json: widget.short_description is longer than 50 characters",
    ),
    "a long description": (
        json_set("i18n/en.json", "widget.description", "a" * 401),
        "i18n/en.json: widget.description is longer than 400 characters",
    ),
}

IMAGES: dict[str, tuple[Change, str]] = {
    "a logo is missing": (without("images/logo_min.png"), "images/logo_min.png: is missing"),
    "a logo is a JPEG": (put("images/logo.png", b"\xff\xd8\xff\xe0"), "images/logo.png: is not a PNG image"),
    "a logo is too small": (
        put("images/logo_main.png", png(399, 272)),
        "images/logo_main.png: must be 400 x 272 pixels, not 399 x 272",
    ),
    "a logo ends in its header": (
        put("images/logo_small.png", png(108, 108)[:20]),
        "images/logo_small.png: must be 108 x 108 pixels, not 0 x 0",
    ),
    "a logo is heavy": (
        put("images/logo_medium.png", png(240, 84, padding=300 * 1024)),
        "images/logo_medium.png: is larger than 300 KB",
    ),
    "the pipeline needs its own": (
        lambda files: (
            manifest("dp", {"settings": {}})(files),
            manifest("locations", ["settings", "advanced_settings", "salesbot_designer", "digital_pipeline"])(files),
            replaced("script.js", "init: yes,", "init: yes, dpSettings: nothing,")(files),
        )[0],
        "images/logo_dp.png: is missing",
    ),
    "a tour's image of another size": (
        lambda files: (
            manifest("tour", whole_tour())(files),
            put("images/tour_1_pt.png", png(1188, 616))(files),
            put("images/tour_1_es.png", png(1188, 616))(files),
            put("images/tour_1_en.png", png(1280, 720))(files),
        )[0],
        "images/tour_1_en.png: must be 1188 x 616 pixels, not 1280 x 720",
    ),
}

SOURCES: dict[str, tuple[Change, str]] = {
    "no AMD module": (
        replaced("script.js", "define(['jquery']", "require(['jquery']"),
        "script.js: must be an AMD module that begins with define(",
    ),
    "eval": (added("script.js", "eval('1');"), "script.js: runs text as code"),
    "a function from a text": (added("script.js", "new Function('x');"), "script.js: runs text as code"),
    "the console": (
        added("script.js", "console.log(1);"),
        "script.js: writes to the console; only console.trace in a catch is allowed",
    ),
    "a synchronous request": (
        added("script.js", "$.ajax({ async: false });"),
        "script.js: makes a synchronous request",
    ),
    "a script of its own": (
        added("script.js", "document.createElement('script');"),
        "script.js: loads a script of its own",
    ),
    "a click": (added("script.js", "$('.js-widget-install').click();"), "script.js: clicks by itself"),
    "HTML": (added("script.js", "place.innerHTML = text;"), "script.js: reads text as HTML"),
    "jQuery's HTML": (added("script.js", "$('p').html(text);"), "script.js: reads text as HTML"),
    "the debugger": (added("script.js", "debugger;"), "script.js: stops in the debugger"),
    "one long line": (
        added("script.js", "// " + "x" * 400),
        "script.js: has a line of more than 400 characters; minified code is refused",
    ),
    "no destroy": (
        replaced("script.js", "destroy: forget", "end: forget"),
        "script.js: the callback destroy is missing",
    ),
    "no exits": (
        replaced("script.js", "salesbotDesignerSettings: function", "exits: function"),
        "script.js: the callback salesbotDesignerSettings is missing",
    ),
    "no address": (
        replaced("script.js", "https://bot.example.com", "https://bytegpt.invalid"),
        "script.js: the address of the service is still https://bytegpt.invalid",
    ),
    "a style for the whole page": (
        added("style.css", "body, .bytegpt p { margin: 0; }"),
        "style.css: the selector body reaches outside .bytegpt",
    ),
    "a style for the whole page of a telephone": (
        added("style.css", "@media (max-width: 9px) { h2 { margin: 0; } }"),
        "style.css: the selector h2 reaches outside .bytegpt",
    ),
    "another stylesheet": (
        added("style.css", '@import "other.css";'),
        "style.css: @import loads another stylesheet",
    ),
    "a style that is not loaded": (
        replaced("script.js", "/style.css?v=", "/theme.css?v="),
        "style.css: script.js does not load it with ?v= and the version, which clears what browsers keep",
    ),
}

CASES = {**FILES, **MANIFEST, **TEXTS, **IMAGES, **SOURCES}


def test_the_widget_breaks_no_rule() -> None:
    assert broken_rules(built()) == []


@pytest.mark.parametrize(("change", "message"), CASES.values(), ids=CASES)
def test_a_rule_that_is_broken_is_told_and_nothing_else(change: Change, message: str) -> None:
    assert broken_rules(changed(change)) == [message]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (replaced("manifest.json", '"advanced.title"\n', '"advanced.title",\n'), "manifest.json"),
        (put("manifest.json", b"// ours\n{}"), "manifest.json"),
        (put("i18n/es.json", b"{"), "i18n/es.json"),
    ],
    ids=["a comma too many", "a comment", "cut off"],
)
def test_what_is_no_json_is_told_with_its_place(change: Change, name: str) -> None:
    (message,) = broken_rules(changed(change))
    assert message.startswith(f"{name}: is not JSON: ")
    assert " line " in message


def test_several_broken_rules_are_told_together() -> None:
    files = changed(manifest("widget.version", "1"), manifest("widget.installation", value=False))
    assert len(broken_rules(files)) == 2


def test_the_widget_with_a_tour_breaks_no_rule_either() -> None:
    files = with_tour(built(), tour_image())
    assert broken_rules(files) == []
    assert read_object(files["manifest.json"])["tour"]["tour_images"].keys() == {"pt", "es", "en"}


def test_a_template_that_the_script_names_may_be_there() -> None:
    files = changed(put("templates/form.twig", b"<p></p>"), added("script.js", "// templates/form.twig\n"))
    assert broken_rules(files) == []


@pytest.mark.parametrize("content", [b"", b"null", b"[1]", b'{"a": 1,}', b"{'a': 1}", b'{"a": 1, "a": 2}'])
def test_only_plain_json_objects_are_read(content: bytes) -> None:
    with pytest.raises(NotReadable):
        read_object(content)
