"""The widget's own JSON drawn for people: a card for each of its steps, a line for each handler."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from sandbox.bot_words import WidgetWords, Words
from sandbox.kommo_design import Flow, Handler
from sandbox.svg import FONT_SIZE, LINE_HEIGHT, Picture, wrapped

WIDTH = 600
_MARGIN = 20
_HEADER = 28
_PADDING = 14
_GAP = 32
_INDENT = "      "


def draw_flow(flow: Flow, words: Words, widget: WidgetWords) -> Picture:
    """Draw every step of a flow with what its handlers do, in their order."""
    picture, y = Picture(WIDTH), 16.0
    width = WIDTH - 2 * _MARGIN
    for number, step in enumerate(flow):
        told = _told_in_order(step["question"], words, widget)
        lines = [line for text in told for line in _hanging(text, width - 2 * _PADDING)]
        height = _HEADER + len(lines) * LINE_HEIGHT + _PADDING
        picture.box((_MARGIN, y), (width, height))
        picture.box((_MARGIN, y), (width, _HEADER), "widget")
        title_y = y + _HEADER / 2 + FONT_SIZE / 3
        picture.text((_MARGIN + _PADDING, title_y), [f"{words.part} {number + 1}"], "on")
        for place, line in enumerate(lines):
            indent = 26 if line.startswith(_INDENT) else 0
            line_y = y + _HEADER + LINE_HEIGHT * (place + 1)
            picture.text((_MARGIN + _PADDING + indent, line_y), [line.strip()])
        y += height
        if number + 1 < len(flow):
            picture.arrow((WIDTH / 2, y), (WIDTH / 2, y + _GAP))
        y += _GAP
    return picture


def _told_in_order(handlers: Sequence[Handler], words: Words, widget: WidgetWords) -> Iterator[str]:
    """A handler after a condition that goes elsewhere when it holds runs only when it does not."""
    left = False
    for handler in handlers:
        for line in _told(handler, words, widget):
            yield f"{words.otherwise} {line[0].lower()}{line[1:]}" if left else line
        results = handler["params"].get("result", ())
        left = bool(results) and results[-1]["handler"] in ("goto", "exits")


def _told(handler: Handler, words: Words, widget: WidgetWords) -> Iterator[str]:
    params = handler["params"]
    match handler["handler"]:
        case "widget_request":
            yield f"{words.asks} {', '.join(params['data'])}."
            yield words.waits
        case "goto":
            yield f"{words.goes_to} {params['step'] + 1}."
        case "show":
            yield f"{words.shows} {params['value']}."
        case "exits":
            yield f"{words.leaves_by} “{widget.exits[params['value']]}”."
        case "conditions":
            yield f"{words.when} {_asked(params['conditions'], words)}:"
            for result in params["result"]:
                for line in _told(result, words, widget):
                    yield _INDENT + line
        case other:
            raise ValueError(f"no words for the handler {other!r}")


def _asked(conditions: list[dict[str, str]], words: Words) -> str:
    """`status = success` of one comparison, `parts = 2, 3, 4 ou 5` of several with one term."""
    terms = []
    for term, group in groupby(conditions, key=lambda condition: condition["term1"]):
        *some, last = [condition["term2"] for condition in group]
        values = f"{', '.join(some)} {words.or_} {last}" if some else last
        terms.append(f"{term} = {values}")
    return f" {words.or_} ".join(terms)


def _hanging(text: str, width: float) -> list[str]:
    if not text.startswith(_INDENT):
        return wrapped(text, width)
    return [_INDENT + line for line in wrapped(text, width - 26)]
