"""The final tables, as Markdown that is readable as it stands."""

from collections.abc import Iterable, Sequence

from tests.hostile.tally import NO_INPUT, NO_ROUTE, PARSERS, SOCKET, Row, Tally

CLASSES = ("2xx", "3xx", "4xx", "5xx")
ROUTE_HEADS = ("route", "inputs", "logged in", "another method", *CLASSES, "failures")
PARSER_HEADS = ("parser", "inputs", "taken", "refused", "failures")
SOCKET_HEADS = ("socket", "inputs", *CLASSES, "hung up on", "failures")


def drawn(tally: Tally) -> str:
    """One line for each route, each parser and the socket."""
    routes = sorted((name for name in tally.rows if " /" in name), key=lambda name: (name.partition(" ")[2], name))
    named = [name for name in [*routes, NO_ROUTE, NO_INPUT] if name in tally.rows]
    parsers = [name for name in PARSERS if name in tally.rows and name != SOCKET]
    parts = []
    if named:
        lines = [(f"`{name}`" if name in routes else name, tally.rows[name]) for name in named]
        parts.append(_drawn(ROUTE_HEADS, [_route(*line) for line in [*lines, ("all", _sum(lines))]]))
    if parsers:
        parts.append(_drawn(PARSER_HEADS, [_parser(name, tally.rows[name]) for name in parsers]))
    if SOCKET in tally.rows:
        parts.append(_drawn(SOCKET_HEADS, [_socket(SOCKET, tally.rows[SOCKET])]))
    return "\n\n".join(parts)


def _sum(lines: Iterable[tuple[str, Row]]) -> Row:
    whole = Row()
    for _, row in lines:
        whole.add(row)
    return whole


def _route(name: str, row: Row) -> Sequence[str]:
    answers = [row.answers[kind] for kind in CLASSES]
    return _cells(name, row.inputs, row.logged_in, row.wrong_method, *answers, len(row.failures))


def _parser(name: str, row: Row) -> Sequence[str]:
    return _cells(name, row.inputs, row.answers["taken"], row.answers["refused"], len(row.failures))


def _socket(name: str, row: Row) -> Sequence[str]:
    return _cells(name, row.inputs, *(row.answers[kind] for kind in (*CLASSES, "hung up")), len(row.failures))


def _cells(name: str, *numbers: int) -> Sequence[str]:
    return (name, *(f"{number:,}" for number in numbers))


def _drawn(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[place]) for line in [heads, *lines]) for place in range(len(heads))]
    rule = "|".join("-" * (width + 1) + (":" if place else "-") for place, width in enumerate(widths))
    return "\n".join([_line(heads, widths), f"|{rule}|", *(_line(line, widths) for line in lines)])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell.rjust(width) if place else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "| " + " | ".join(padded) + " |"
