"""What was tried in this process: inputs, what became of them and what failed, for each route and for each parser.

An input is counted where it is sent, before anybody knows what will become of it.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

# Parsers whose inputs do not all come through a route, by the name that their row has.
FORM_BODIES = "form and JSON bodies"
EVENT_STREAMS = "event streams of OpenAI"
REPLIES = "answers of a model, formatted"
TOKENS = "JWT"
ADDRESSES = "addresses (SSRF)"
SOCKET = "raw requests on the socket"
EXPORTS = "cells of CSV exports"
PARSERS = (FORM_BODIES, EVENT_STREAMS, REPLIES, TOKENS, ADDRESSES, SOCKET, EXPORTS)
# Requests to a path that no route has.
NO_ROUTE = "any other path"
# Where something failed before anything was sent.
NO_INPUT = "before any input"


@dataclass
class Row:
    """One line of the table.

    logged_in: inputs with the session of an operator. wrong_method: requests with a method that no route of the path
    takes. answers: by status class (`2xx`), or `taken` and `refused` of a parser. failures: what failed, once each.
    """

    inputs: int = 0
    logged_in: int = 0
    wrong_method: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    failures: set[str] = field(default_factory=set)

    def add(self, other: Self) -> None:
        """Add what another process has counted."""
        self.inputs += other.inputs
        self.logged_in += other.logged_in
        self.wrong_method += other.wrong_method
        self.answers += other.answers
        self.failures |= other.failures


class Tally:
    """All lines by name: `GET /widget/usage` of a route, one of PARSERS of a parser, or NO_ROUTE.

    at_each: called at each input, for whoever shows how far it is.
    """

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.at_each: Callable[[], None] | None = None
        self._last: str | None = None

    @property
    def inputs(self) -> int:
        """Of all lines; what came to a parser through a route counts there, too."""
        return sum(row.inputs for row in self.rows.values())

    @property
    def failures(self) -> list[str]:
        """All that failed, once each."""
        return sorted({failure for row in self.rows.values() for failure in row.failures})

    def row(self, name: str) -> Row:
        """The line of this name, an empty one where there is none yet."""
        return self.rows.setdefault(name, Row())

    def began(self, name: str) -> Row:
        """Count one more input; what fails next is its failure."""
        self._last = name
        row = self.row(name)
        row.inputs += 1
        if self.at_each is not None:
            self.at_each()
        return row

    def forget_last(self) -> None:
        """A new test begins."""
        self._last = None

    def failed(self, test: str) -> None:
        """A test failed: by the input that was tried last."""
        self.row(self._last or NO_INPUT).failures.add(test)

    def add(self, others: "Iterable[Tally]") -> Self:
        """Add what other processes have counted."""
        for other in others:
            for name, row in other.rows.items():
                self.row(name).add(row)
        return self

    def written(self) -> str:
        """As JSON, for another process."""
        return json.dumps({name: _told(row) for name, row in self.rows.items()})

    @classmethod
    def read(cls, text: str) -> Self:
        """What `written` wrote."""
        tally = cls()
        for name, told in json.loads(text).items():
            tally.rows[name] = Row(
                **{**told, "answers": Counter(told["answers"]), "failures": set(told["failures"])},
            )
        return tally


# Of this process.
TALLY = Tally()


def tried(parser: str) -> None:
    """Count one more input of a parser; it counts as refused until it is `taken`."""
    TALLY.began(parser).answers["refused"] += 1


def taken(parser: str) -> None:
    """The input of a parser that was tried last was taken."""
    TALLY.row(parser).answers.update({"taken": 1, "refused": -1})


def _told(row: Row) -> Mapping[str, Any]:
    return {
        "inputs": row.inputs,
        "logged_in": row.logged_in,
        "wrong_method": row.wrong_method,
        "answers": row.answers,
        "failures": sorted(row.failures),
    }
