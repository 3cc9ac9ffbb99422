"""The pages of docs/errors as HTML: one for each message and an index, in every language.

Their one source is the Markdown in docs/errors. The folder help_texts beside this module is a link to it, through
which it comes into an installed wheel.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import cast

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markdown_it import MarkdownIt
from markdown_it.token import Token

from app.domain.accounts import LOCALES, Locale
from app.domain.failures import Failure
from app.domain.help_pages import help_index_path, help_path

STYLE_PATH = "/help/style.css"

_INDEX = "README"
_LANGUAGE_TAGS: dict[Locale, str] = {"pt": "pt-BR", "es": "es", "en": "en"}
_NOTHING_HERE: dict[Locale, str] = {
    "pt": "Esta página não existe. Estas são as mensagens que têm uma:",
    "es": "Esta página no existe. Estos son los mensajes que tienen una:",
    "en": "There is no such page. These are the messages that have one:",
}
# How pages link to each other: `plan_quota.md`, `../es/plan_quota.md`, `../es/README.md`.
_NEIGHBOUR = re.compile(r"(?:\.\./(?P<locale>[a-z]{2})/)?(?P<name>\w+)\.md")


@dataclass(frozen=True, slots=True)
class Document:
    """What one address answers. etag: a hash of the body."""

    body: bytes
    content_type: str
    etag: str


@dataclass(frozen=True, slots=True)
class HelpPages:
    """All pages. missing: the index again, under the remark that there is no such page."""

    messages: Mapping[tuple[Failure, Locale], Document]
    indexes: Mapping[Locale, Document]
    missing: Mapping[Locale, Document]
    style: Document


@cache
def help_pages() -> HelpPages:
    """Read and render the pages, once in a process. Raises FileNotFoundError where the package lacks one."""
    indexes = {locale: _article(_INDEX, locale) for locale in LOCALES}
    return HelpPages(
        messages={
            (failure, locale): _page(_article(failure.value, locale), locale)
            for failure in Failure
            for locale in LOCALES
        },
        indexes={locale: _page(article, locale) for locale, article in indexes.items()},
        missing={locale: _page(article, locale, _NOTHING_HERE[locale]) for locale, article in indexes.items()},
        style=_document(_packaged("static", "help.css"), "text/css; charset=utf-8"),
    )


@dataclass(frozen=True, slots=True)
class _Article:
    title: str
    html: str


def _article(name: str, locale: Locale) -> _Article:
    markdown = MarkdownIt("commonmark", {"html": False})
    tokens = markdown.parse(_packaged("help_texts", locale, f"{name}.md"))
    heading, title = tokens[:2]
    if name != _INDEX:
        heading.attrSet("lang", _LANGUAGE_TAGS["pt"])  # a message is Portuguese on every page
    for token in tokens:
        for inner in token.children or ():
            if inner.type == "link_open":
                _lead_here(inner, locale)
    return _Article(title.content, markdown.renderer.render(tokens, markdown.options, {}))


def _lead_here(link: Token, locale: Locale) -> None:
    """Make a link to another page's file a link to its address here."""
    found = _NEIGHBOUR.fullmatch(str(link.attrGet("href")))
    if not found:
        return
    target = cast("Locale", found["locale"] or locale)
    if found["name"] == _INDEX:
        link.attrSet("href", help_index_path(target))
    else:
        link.attrSet("href", help_path(Failure(found["name"]), target))
    if target != locale:
        link.attrSet("hreflang", _LANGUAGE_TAGS[target])
        link.attrSet("lang", _LANGUAGE_TAGS[target])


def _page(article: _Article, locale: Locale, remark: str = "") -> Document:
    html = _template().render(
        language=_LANGUAGE_TAGS[locale],
        title=article.title,
        article=article.html,
        remark=remark,
        index=help_index_path(locale),
        style=STYLE_PATH,
    )
    return _document(html, "text/html; charset=utf-8")


@cache
def _template() -> Template:
    pages = Environment(loader=PackageLoader("app.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return pages.get_template("help.html")


def _document(text: str, content_type: str) -> Document:
    body = text.encode()
    return Document(body, content_type, hashlib.sha256(body).hexdigest()[:32])


def _packaged(*path: str) -> str:
    return files("app.web").joinpath(*path).read_text("utf-8")
