"""Markdown files as their readers see them: what they are made of, and where their links lead."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@cache
def tokens(path: Path) -> list[Token]:
    """The blocks of a file; tables are read too."""
    return MarkdownIt("commonmark").enable("table").parse(path.read_text("utf-8"))


def inline(path: Path) -> Iterator[Token]:
    """Everything that stands inside its blocks."""
    for token in tokens(path):
        yield from token.children or ()


def addresses(path: Path, kind: str, attribute: str) -> list[str]:
    """Where its links (`link_open`, `href`) or pictures (`image`, `src`) lead."""
    return [str(token.attrGet(attribute)) for token in inline(path) if token.type == kind]


def code(path: Path) -> Iterator[str]:
    """Every piece of code: in a sentence, or in a block of its own."""
    yield from (token.content for token in inline(path) if token.type == "code_inline")
    yield from fences(path)


def fences(path: Path) -> list[str]:
    """Its blocks of code."""
    return [token.content for token in tokens(path) if token.type == "fence"]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with its level (`h1`), and the paragraphs below it, each on one line; items of lists are no such."""

    level: str
    title: str
    paragraphs: tuple[str, ...]


def sections(path: Path) -> list[Section]:
    """The sections of a file, in order."""
    found: list[tuple[str, str, list[str]]] = []
    for before, token in pairwise(tokens(path)):
        text = " ".join(token.content.split())
        if before.type == "heading_open":
            found.append((before.tag, text, []))
        elif before.type == "paragraph_open" and before.level == 0:
            found[-1][2].append(text)
    return [Section(level, title, tuple(paragraphs)) for level, title, paragraphs in found]


def skeleton(path: Path) -> list[tuple[str, Counter[str]]]:
    """What a translation must have as well: the level of each heading, and what is counted below it."""
    found: list[tuple[str, Counter[str]]] = []
    counted = {"list_item_open", "tr_open", "td_open", "fence", "image", "paragraph_open"}
    for token in tokens(path):
        if token.type == "heading_open":
            found.append((token.tag, Counter()))
            continue
        names = [token.type, *(child.type for child in token.children or ())]
        found[-1][1].update(name for name in names if name in counted)
    return found
