"""The Markdown of a model as the client's channel shows it (contract 5).

WhatsApp has marks of its own; every other channel gets plain text. Only what Markdown shows as a mark is changed:
what a channel cannot show (HTML, entities, link definitions) stays as it was written, and no word is lost.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, blockquote, list_block, table
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from app.domain.provider_marks import without_provider_marks

_WHATSAPP_ORIGINS = frozenset({"whatsapp", "waba"})

# Without any of these a text means the same with and without Markdown.
_MARKDOWN = re.compile(r"[*_`|\[\\<]|~~|^[ \t]*(?:[#>+-]|\d{1,9}[.)])", re.MULTILINE)

# How deep quotes and lists may stand in each other. The parser drops what lies deeper than its own limit.
_DEEPEST = 20
_PARSER_LIMIT = 100

# `> 50 kg`, `>= 3`, `> R$ 100`: a comparison, not a quote.
_COMPARISON = re.compile(r">[ \t]*(?:=|\d|R?\$|€)")
_UNESCAPED_PIPE = re.compile(r"(?<!\\)\|")
# What follows the scheme of an address. Marks that may close around it are not a part of it.
_ADDRESS_REST = re.compile(r"://[^\s<>\[\]()*`|\\]*[^\s<>\[\]()*`|\\_~.,;:!?]")
_BRACKET = re.compile(r"!?\[")
# The parser looks for the end of a link from every bracket on, and in a long row of brackets that takes seconds. Only
# so many brackets of one paragraph may begin a link, and only where one ends within so many characters.
_MOST_LINKS = 100
_LONGEST_LINK_TEXT = 1000
_MARK_RUN = re.compile(r"\*+|~+")
_ENDS_IN_ADDRESS = re.compile(r"(?:https?://|www\.)\S*$", re.MULTILINE | re.IGNORECASE)
_LANGUAGE = re.compile(r"[\w+#.-]{1,20}")
_SCHEME = re.compile(r"^(?:https?://|mailto:|tel:)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Marks:
    """What a channel writes around a text to make it bold, and so on; empty where it cannot."""

    strong: str = ""
    emphasis: str = ""
    strike: str = ""
    code: str = ""
    quote: str = ""


_WHATSAPP = _Marks("*", "_", "~", "```", "> ")
_PLAIN = _Marks()


def channel_of(origin: str | None) -> str:
    """The channel that `data[origin]` names, "" where it names none."""
    return (origin or "").strip().lower()


def channel_text(markdown: str, origin: str | None) -> str:
    """What a model wrote, as this channel shows it, without OpenAI's citation marks and sandbox links.

    The line breaks of the model are kept. Text without any Markdown comes back byte for byte.
    The result may be empty.
    """
    text = without_provider_marks(markdown)
    if not _MARKDOWN.search(text):
        return text
    marks = _WHATSAPP if channel_of(origin) in _WHATSAPP_ORIGINS else _PLAIN
    written = _Writer(_parser().parse(text), marks).text()
    # Once more: an address may only have come together when the marks inside it fell away.
    return without_provider_marks(written)


# -- the parser -------------------------------------------------------------------------------------------------------


class _Parser(MarkdownIt):
    """Leaves addresses as they were written: nobody is sent percent signs in place of letters."""

    def normalizeLink(self, url: str) -> str:  # noqa: N802 - the name is the library's
        return url

    def normalizeLinkText(self, link: str) -> str:  # noqa: N802 - the name is the library's
        return link


@cache
def _parser() -> MarkdownIt:
    """One parser for all threads: parsing keeps no state in it.

    Off: indented code (models indent for looks), underlined headings (`---` after a line separates), and link
    definitions and entities, which would swallow or change words.
    """
    parser = _Parser("commonmark", {"html": False, "maxNesting": _PARSER_LIMIT})
    parser.enable(["table", "strikethrough"])
    parser.disable(["code", "lheading", "reference", "entity", "html_block", "html_inline"])
    block, inline = parser.block.ruler, parser.inline.ruler
    block.at("blockquote", _quote, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    block.at("list", _list, {"alt": ["paragraph", "reference", "blockquote"]})
    block.at("table", _table, {"alt": ["paragraph", "reference"]})
    block.before("paragraph", "after_list", _after_list, {"alt": ["paragraph"]})
    inline.before("escape", "address", _address)
    inline.before("escape", "mark_in_word", _mark_in_word)
    inline.before("escape", "bracket", _bracket)
    return parser


def _quote(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if state.level > _DEEPEST or _COMPARISON.match(_line(state, start)):
        return False
    return blockquote(state, start, end, silent)


def _list(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    return state.level <= _DEEPEST and list_block(state, start, end, silent)


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A table, unless a row has more cells than the header: the parser would drop them, so the lines stay text."""
    before = len(state.tokens)
    if not table(state, start, end, silent):
        return False
    if silent:
        return True
    made = state.tokens[before:]
    width = sum(token.type == "th_open" for token in made)
    rows = [token.map[0] for token in made if token.type == "tr_open" and token.map]
    if any(_cells_in(_line(state, row)) > width for row in rows):
        del state.tokens[before:]
        return False
    return True


def _after_list(state: StateBlock, start: int, _end: int, silent: bool) -> bool:
    """Ends a list item where a line is not indented under it: to a person it stands after the list."""
    return silent and state.sCount[start] < state.blkIndent


def _line(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]]


def _cells_in(row: str) -> int:
    return len(_UNESCAPED_PIPE.findall(row.strip().removeprefix("|").removesuffix("|"))) + 1


def _address(state: StateInline, silent: bool) -> bool:
    """The rest of an address, from `://` on, is text: `_` and `~` in it are no marks."""
    found = _ADDRESS_REST.match(state.src, state.pos, state.posMax)
    scheme = state.src[max(0, state.pos - 5) : state.pos].lower()
    if not found or not scheme.endswith(("http", "https")):
        return False
    return _as_text(state, found.group(), silent)


def _mark_in_word(state: StateInline, silent: bool) -> bool:
    """`5*3*2`, `2**3 + 4**5`, `a*b*c`: stars and tildes between digits, and one between letters, are no marks."""
    found = _MARK_RUN.match(state.src, state.pos, state.posMax)
    if not found or state.pos == 0 or found.end() >= state.posMax:
        return False
    before, after = state.src[state.pos - 1], state.src[found.end()]
    single_in_word = len(found.group()) == 1 and before.isalnum() and after.isalnum()
    if not (single_in_word or (before.isdigit() and after.isdigit())):
        return False
    return _as_text(state, found.group(), silent)


def _bracket(state: StateInline, silent: bool) -> bool:
    """A bracket that can begin no link is text."""
    found = _BRACKET.match(state.src, state.pos, state.posMax)
    if not found:
        return False
    ends = state.src.find("](", state.pos, state.pos + _LONGEST_LINK_TEXT) >= 0
    if ends and state.src.count("[", 0, state.pos) < _MOST_LINKS:
        return False
    return _as_text(state, found.group(), silent)


def _as_text(state: StateInline, text: str, silent: bool) -> bool:
    if not silent:
        state.pending += text
    state.pos += len(text)
    return True


# -- blocks -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Block:
    """A piece of the text and the lines it was written on: from `first`, up to but without `end`."""

    first: int
    end: int
    text: str


class _Writer:
    """Writes the tokens of one text. A method that meets an opening token reads up to its closing one."""

    def __init__(self, tokens: Sequence[Token], marks: _Marks) -> None:
        self._tokens = iter(tokens)
        self._marks = marks

    def text(self) -> str:
        return _joined(self._blocks())

    def _blocks(self) -> list[_Block]:
        """The blocks up to the closing token of whatever holds them."""
        blocks = []
        for token in self._tokens:
            if token.nesting < 0:
                break
            blocks.append(self._block(token))
        return blocks

    def _block(self, token: Token) -> _Block:
        first, end = token.map or (0, 0)
        match token.type:
            case "paragraph_open":
                return _Block(first, end, self._inline(self._marks))
            case "heading_open":
                heading = self._inline(_without_strong(self._marks))
                return _Block(first, end, _marked(heading, self._marks.strong))
            case "fence":
                return _Block(first, end, _code(_fence_text(token), self._marks.code))
            case "blockquote_open":
                return self._container(first, lambda text: _quoted(text, self._marks.quote))
            case "bullet_list_open" | "ordered_list_open":
                return self._container(first, lambda text: text)
            case "list_item_open":
                marker = f"{token.info}{token.markup} " if token.info else "- "
                return self._container(first, lambda text: _hanging(marker, text))
            case "table_open":
                return _Block(first, end, self._table())
            case _:  # "hr": the gap it leaves is all that a chat shows of it
                return _Block(first, end, "")

    def _container(self, first: int, write: Callable[[str], str]) -> _Block:
        inner = self._blocks()
        return _Block(first, inner[-1].end if inner else first + 1, write(_joined(inner)))

    def _inline(self, marks: _Marks) -> str:
        """The text of a paragraph, heading or cell, whose opening token was just read."""
        text = _inline_text(next(self._tokens).children or [], marks)
        next(self._tokens)
        return text

    def _table(self) -> str:
        """A line for each row, the header in bold."""
        rows: list[list[str]] = []
        for token in self._tokens:
            if token.type == "table_close":
                break
            if token.type == "tr_open":
                rows.append([])
            elif token.type == "th_open":
                rows[-1].append(self._inline(_without_strong(self._marks)))
            elif token.type == "td_open":
                rows[-1].append(self._inline(self._marks))
        header, *lines = (" | ".join(cells).strip(" |") for cells in rows)
        return "\n".join([_marked(header, self._marks.strong), *lines])


def _joined(blocks: Sequence[_Block]) -> str:
    """The blocks with as many blank lines between them as the model left; at least one where a rule stood."""
    written: list[str] = []
    end, rule_between = 0, False
    for block in blocks:
        if block.text:
            gap = max(int(rule_between), block.first - end)
            written += ["\n" * (1 + gap) if written else "", block.text]
        rule_between = not block.text
        end = block.end
    return "".join(written)


def _fence_text(token: Token) -> str:
    """What a fence holds. Its first line names a language, or is text where the model fenced a sentence."""
    info, content = token.info.strip(), token.content.rstrip("\n")
    if not info or (content and _LANGUAGE.fullmatch(info)):
        return content
    return f"{info}\n{content}".rstrip("\n")


def _quoted(text: str, mark: str) -> str:
    return "\n".join(line if not line or line.startswith(mark) else mark + line for line in text.split("\n"))


def _hanging(marker: str, text: str) -> str:
    """A list item: its marker, and its further lines under its text."""
    indent = " " * len(marker)
    first, *more = text.split("\n")
    return "\n".join([(marker + first).rstrip(), *(indent + line if line else line for line in more)])


# -- inside a block ---------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Open:
    """A mark or link that is still open: its token, None for the block itself, and its text so far."""

    token: Token | None
    text: str = ""


def _inline_text(tokens: Sequence[Token], marks: _Marks) -> str:
    # A stack and no recursion: a model gone astray writes thousands of stars in a row.
    stack = [_Open(None)]
    for place, token in enumerate(tokens):
        if token.nesting > 0:
            stack.append(_Open(token))
        elif token.nesting == 0:
            stack[-1].text += _leaf(token, marks)
        else:
            closed = stack.pop()
            after = tokens[place + 1].content[:1] if place + 1 < len(tokens) else ""
            in_word = stack[-1].text[-1:].isalnum() or after.isalnum()
            stack[-1].text += _closed(closed, marks, in_word)
    return stack[0].text


def _leaf(token: Token, marks: _Marks) -> str:
    match token.type:
        case "softbreak" | "hardbreak":
            return "\n"
        case "code_inline":
            return _code(token.content, marks.code)
        case "image":
            return _link(_inline_text(token.children or [], marks), str(token.attrs["src"]))
        case _:
            return token.content


def _closed(opened: _Open, marks: _Marks, in_word: bool) -> str:
    kind = opened.token.type if opened.token else ""
    if opened.token and kind == "link_open":
        return _link(opened.text, str(opened.token.attrs["href"]))
    if in_word:  # no channel shows a mark inside a word
        return opened.text
    mark = {"strong_open": marks.strong, "em_open": marks.emphasis, "s_open": marks.strike}[kind]
    return _marked(opened.text, mark)


def _marked(text: str, mark: str) -> str:
    """Each line between marks, because WhatsApp ends a mark with the line.

    Left alone: a text that has the mark inside, and an address at the end, which would take the mark along.
    """
    if not mark or mark in text or _ENDS_IN_ADDRESS.search(text):
        return text
    return "\n".join(f"{mark}{line}{mark}" if line.strip() else line for line in text.split("\n"))


def _code(text: str, mark: str) -> str:
    return text if not text.strip() or "`" in text else f"{mark}{text}{mark}"


def _link(text: str, href: str) -> str:
    """`text (address)`, or the address alone where the text says the same."""
    address = re.sub(r"^(?:mailto:|tel:)", "", href, flags=re.IGNORECASE)
    if not address or not text.strip():
        return address or text
    if _bare(text) == _bare(href):
        return address
    return f"{text} ({address})"


def _bare(address: str) -> str:
    return _SCHEME.sub("", address.strip()).rstrip("/").lower()


def _without_strong(marks: _Marks) -> _Marks:
    """Inside what is bold as a whole nothing is bold again."""
    return replace(marks, strong="")
