"""The guides for operators are the same in both languages, and tell what to do at every alert that can come."""

from pathlib import Path

import pytest
import yaml

from tests import markdown

GUIDES = {"pt": markdown.DOCS / "pt" / "operacao.md", "en": markdown.DOCS / "en" / "operations.md"}
FIRST_WORDS = {"page": "Page.", "ticket": "Ticket."}

every_language = pytest.mark.parametrize("path", GUIDES.values(), ids=GUIDES)


def severities() -> dict[str, str]:
    """How bad each alert is, in the order of the rules."""
    read = yaml.safe_load((markdown.DOCS / "operations" / "alerts.yml").read_text())
    return {rule["alert"]: rule["labels"]["severity"] for group in read["groups"] for rule in group["rules"]}


def told(path: Path) -> dict[str, tuple[str, ...]]:
    """The paragraphs below the name of each alert, in the order of the guide."""
    return {part.title: part.paragraphs for part in markdown.sections(path) if part.title.startswith("ByteGPT")}


@every_language
def test_every_alert_has_its_paragraph_and_no_paragraph_is_of_an_alert_that_is_not_there(path: Path) -> None:
    assert list(told(path)) == list(severities())
    assert all(len(paragraphs) == 1 for paragraphs in told(path).values())


@every_language
def test_a_paragraph_begins_with_how_bad_the_alert_is(path: Path) -> None:
    for alert, (paragraph,) in told(path).items():
        assert paragraph.startswith(FIRST_WORDS[severities()[alert]]), alert
        assert len(paragraph) > 150, alert


def test_both_languages_have_the_same_parts_and_the_same_commands() -> None:
    portuguese, english = GUIDES.values()
    assert markdown.skeleton(portuguese) == markdown.skeleton(english)
    assert markdown.fences(portuguese) == markdown.fences(english)


def test_each_language_leads_to_the_other() -> None:
    for path, other in ((GUIDES["pt"], "../en/operations.md"), (GUIDES["en"], "../pt/operacao.md")):
        assert markdown.addresses(path, "link_open", "href")[0] == other


@every_language
def test_the_folder_of_the_rules_leads_to_the_guide(path: Path) -> None:
    links = markdown.addresses(markdown.DOCS / "operations" / "README.md", "link_open", "href")
    assert f"../{path.parent.name}/{path.name}" in links
