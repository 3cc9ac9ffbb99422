"""What the guides in docs name exists: files, commands, settings, the widget's labels. Every language has the same."""

import json
import re
import shlex
from pathlib import Path

import click
import pytest

from app.cli.main import bytegpt
from app.domain.accounts import LOCALES, Locale
from app.schemas.account import read_new_account
from config.settings import definitions
from tests import markdown

FILES = sorted(markdown.DOCS.rglob("*.md"))
INSTALLATION: dict[Locale, str] = {"pt": "instalacao.md", "es": "instalacion.md", "en": "installation.md"}
GUIDES = {
    "installation": [markdown.DOCS / locale / name for locale, name in INSTALLATION.items()],
    "salesbot": [markdown.DOCS / locale / "salesbot.md" for locale in LOCALES],
}
# Of the widget's texts, what a guide tells its readers to look for.
LABELS = {
    "installation": [
        "salesbot.handler_name",
        "salesbot.exit_success",
        "salesbot.exit_fail",
        "form.openai_api_key",
        "form.assistant_id",
        "form.profile",
        "form.failure",
        "form.save",
        "form.test",
    ],
    "salesbot": ["salesbot.handler_name", "salesbot.exit_success", "salesbot.exit_fail", "form.failure", "form.test"],
}

every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(markdown.DOCS)))
every_guide = pytest.mark.parametrize("guide", GUIDES)


def slug(title: str) -> str:
    """The anchor of a heading, as hosts of repositories make it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


@every_file
def test_every_link_leads_to_something(path: Path) -> None:
    for link in markdown.addresses(path, "link_open", "href"):
        if "://" in link:
            assert link.startswith("https://")
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        assert target.is_file(), link
        assert not anchor or anchor in {slug(section.title) for section in markdown.sections(target)}, link


@every_file
def test_every_picture_is_there_and_is_told_to_who_does_not_see_it(path: Path) -> None:
    pictures = [token for token in markdown.inline(path) if token.type == "image"]
    for picture in pictures:
        assert (path.parent / str(picture.attrGet("src"))).is_file()
        assert len(picture.content) > 80


@every_guide
def test_a_guide_is_the_same_in_every_language(guide: str) -> None:
    portuguese, *others = (markdown.skeleton(path) for path in GUIDES[guide])
    assert len(portuguese) > 5
    for other in others:
        assert other == portuguese
    pictures = [markdown.addresses(path, "image", "src") for path in GUIDES[guide]]
    assert pictures[0] == pictures[1] == pictures[2]


@every_guide
def test_the_languages_of_a_guide_lead_to_each_other(guide: str) -> None:
    for path in GUIDES[guide]:
        links = markdown.addresses(path, "link_open", "href")
        others = [f"../{other.parent.name}/{other.name}" for other in GUIDES[guide] if other != path]
        assert links[:2] == others


def commands() -> list[object]:
    found: set[tuple[str, str]] = set()
    for path in FILES:
        lines = [line for piece in markdown.code(path) for line in piece.splitlines()]
        found |= {(str(path.relative_to(markdown.DOCS)), line) for line in lines if line.startswith("bytegpt ")}
    return [pytest.param(line, id=f"{path}: {line}") for path, line in sorted(found)]


@pytest.mark.parametrize("line", commands())
def test_every_command_exists_with_its_options(line: str) -> None:
    command: click.Command = bytegpt
    context = click.Context(bytegpt)
    arguments = shlex.split(line.partition("<<")[0])[1:]
    while isinstance(command, click.Group) and arguments:
        found = command.get_command(context, arguments[0])
        assert found, f"there is no command {arguments[0]!r}"
        command, arguments = found, arguments[1:]
    assert not isinstance(command, click.Group) or not arguments
    options = {name for parameter in command.params for name in parameter.opts if name.startswith("--")}
    assert {argument for argument in arguments if argument.startswith("--")} <= options


@pytest.mark.parametrize("locale", LOCALES)
def test_the_account_of_the_guide_is_one_that_the_command_takes(locale: Locale) -> None:
    (given,) = (
        fence for fence in markdown.fences(markdown.DOCS / locale / INSTALLATION[locale]) if "account add" in fence
    )
    document = given.split("<<'JSON'\n")[1].removesuffix("JSON\n")
    account_id, change = read_new_account(json.loads(document))
    assert account_id == 31000001
    assert {"client_id", "client_secret", "access_token", "openai_api_key", "assistant_id", "plan"} <= set(change)


@every_file
def test_every_setting_that_is_named_exists(path: Path) -> None:
    names = {setting.name for _, setting in definitions()}
    named = {piece for piece in markdown.code(path) if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", piece)}
    assert named - names - {"REQUEST_ID"} == set()


@pytest.mark.parametrize("locale", LOCALES)
@every_guide
def test_a_guide_names_things_as_the_widget_does(guide: str, locale: Locale) -> None:
    texts = json.loads((markdown.ROOT / "widget" / "package" / "i18n" / f"{locale}.json").read_text("utf-8"))
    (path,) = (path for path in GUIDES[guide] if path.parent.name == locale)
    bold = "".join(path.read_text("utf-8")).replace("\n", " ")
    for label in LABELS[guide]:
        section, name = label.split(".")
        assert f"**{texts[section][name]}**" in re.sub(r" +", " ", bold), label
