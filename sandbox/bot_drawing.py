"""A bot as the designer shows it: blocks below each other, side ways on the right, the way back on the left."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sandbox.bot_words import WidgetWords, Words
from sandbox.kommo_design import Block, ConditionBlock, MessageBlock, PauseBlock, WidgetBlock
from sandbox.svg import FONT_SIZE, LINE_HEIGHT, Picture, Point, wrapped

WIDTH = 600
_MAIN_X, _MAIN_WIDTH = 40, 280
_SIDE_X, _SIDE_WIDTH = 376, 208
_LANE_X = 18  # the way back
_GAP = 34
_HEADER = 28
_PADDING = 12
_PORT_ROW = 26

# From the middle of a line of text down to the line that its letters stand on.
_TO_BASE_LINE = FONT_SIZE / 3

# What stands in place of a block where an exit ends the bot.
_END = -1


@dataclass(frozen=True, slots=True)
class _Way:
    """A way out of a block. target: index of a block, or _END."""

    target: int
    label: str = ""


@dataclass(frozen=True, slots=True)
class _Card:
    """A block as it is drawn. down: the way that the main line takes; aside: the other one."""

    look: str
    title: str
    text: str
    badge: str = ""
    down: _Way | None = None
    aside: _Way | None = None


@dataclass(slots=True)
class _Drawing:
    picture: Picture
    blocks: Sequence[Block]
    words: Words
    widget: WidgetWords
    tops: dict[int, float] = field(default_factory=dict)


def draw_bot(blocks: Sequence[Block], words: Words, widget: WidgetWords) -> Picture:
    """Draw a bot from its trigger to its ends."""
    drawing = _Drawing(Picture(WIDTH), blocks, words, widget)
    trigger = _Card("start", words.trigger, words.trigger_text, down=_Way(0))
    y = _draw_main(drawing, trigger, 16.0)
    at: int | None = 0
    while at is not None:
        drawing.tops[at] = y
        card = _card(drawing, drawing.blocks[at])
        y = _draw_main(drawing, card, y)
        at = card.down.target if card.down else None
        if at == _END:
            _draw_end(drawing, y, words.end)
            at = None
        elif at in drawing.tops:
            at = None
    return drawing.picture


def _card(drawing: _Drawing, block: Block) -> _Card:
    words = drawing.words
    match block:
        case WidgetBlock(flow, exits):
            handler = flow[0]["question"][0]["params"]["data"]["handler"]
            text = "\n".join(filter(None, (drawing.widget.step, words.tasks.get(handler))))
            down, aside = (_Way(exits.get(code, _END), drawing.widget.exits[code]) for code in ("success", "fail"))
            return _Card("widget", words.widget, text, words.one_request, down, aside)
        case PauseBlock(then):
            return _Card("pause", words.pause, words.pause_text, down=_way(then))
        case MessageBlock(text, then):
            return _Card("message", words.message, text, down=_way(then))
        case ConditionBlock("{{message_text}}", "=", str(word), then, otherwise):
            ways = (_way(otherwise, words.no), _way(then, words.yes))
            return _Card("condition", words.condition, f"{words.message_is} “{word}”", "", *ways)
        case _:
            raise ValueError("there are words only for a condition that compares the client's message with one word")


def _way(target: int | None, label: str = "") -> _Way:
    return _Way(_END if target is None else target, label)


def _draw_main(drawing: _Drawing, card: _Card, y: float) -> float:
    """Draw a block of the main line, its side way, and its arrow down or back. Returns where the next one begins."""
    picture = drawing.picture
    bottom = _draw_card(picture, card, (_MAIN_X, y), _MAIN_WIDTH)
    following = bottom
    if card.aside:
        port = (_MAIN_X + _MAIN_WIDTH, bottom - 1.5 * _PORT_ROW)
        picture.port(port)
        following = max(following, _draw_aside(drawing, card.aside, port))
    if card.down:
        middle = _MAIN_X + _MAIN_WIDTH / 2
        picture.port((middle, bottom))
        if card.down.target in drawing.tops:
            target = drawing.tops[card.down.target] + _HEADER / 2
            turn = bottom + 20
            picture.arrow((middle, bottom + 5), (middle, turn), (_LANE_X, turn), (_LANE_X, target), (_MAIN_X, target))
        else:
            picture.arrow((middle, bottom + 5), (middle, following + _GAP))
    return following + _GAP


def _draw_aside(drawing: _Drawing, way: _Way, port: Point) -> float:
    """Draw what a side way leads to, down to the bot's end. Returns where that ends."""
    words, picture = drawing.words, drawing.picture
    y = port[1] - _HEADER / 2
    picture.arrow((port[0] + 5, port[1]), (_SIDE_X, port[1]))
    if way.target == _END:
        return _draw_card(picture, _Card("end", words.end, words.team_goes_on), (_SIDE_X, y), _SIDE_WIDTH)
    card = _card(drawing, drawing.blocks[way.target])
    if card.aside or card.down != _Way(_END):
        raise ValueError("a side way of a picture is one block, and then the bot ends")
    bottom = _draw_card(picture, card, (_SIDE_X, y), _SIDE_WIDTH)
    middle = _SIDE_X + _SIDE_WIDTH / 2
    picture.port((middle, bottom))
    picture.arrow((middle, bottom + 5), (middle, bottom + _GAP))
    end = _Card("end", words.end, words.team_goes_on)
    return _draw_card(picture, end, (_SIDE_X, bottom + _GAP), _SIDE_WIDTH)


def _draw_end(drawing: _Drawing, y: float, title: str) -> None:
    _draw_card(drawing.picture, _Card("end", title, ""), (_MAIN_X, y), _MAIN_WIDTH)


def _draw_card(picture: Picture, card: _Card, at: Point, width: float) -> float:
    """Draw a box with its header, its text, and, where it has two ways out, a row for each. Returns where it ends."""
    x, y = at
    lines = wrapped(card.text, width - 2 * _PADDING) if card.text else []
    bottom = y + _HEADER + len(lines) * LINE_HEIGHT + (_PADDING if lines else 0)
    if card.aside and card.down:
        bottom += 2 * _PORT_ROW
    picture.box(at, (width, bottom - y))
    picture.box(at, (width, _HEADER), card.look)
    base = y + _HEADER / 2 + _TO_BASE_LINE
    picture.text((x + _PADDING, base), [card.title], "on")
    if card.badge:
        picture.text((x + width - _PADDING, base), [card.badge], "on", "end")
    picture.text((x + _PADDING, y + _HEADER + LINE_HEIGHT), lines)
    if card.aside and card.down:
        aside_at = (x + width - _PADDING, bottom - 1.5 * _PORT_ROW + _TO_BASE_LINE)
        picture.text(aside_at, [card.aside.label], "soft", "end")
        picture.text((x + width / 2, bottom - _PORT_ROW / 2 + 2), [card.down.label], "soft", "middle")
    return bottom
