"""Cells of exports that a company, a client or an operator can name: no spreadsheet finds a formula in them."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.usage_tables import safe_rows
from tests.hostile.tally import EXPORTS, taken, tried
from tests.hostile.target import effort

STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
FORMULAS = (
    '=HYPERLINK("https://evil.example","x")',
    "+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r\n=1+1",
    "a;=1+1;b",
    'a"\n=1+1\n"b',
    "\uff1d1+1",
    ";;;=1",
    "',=1",
)
PIECES = (*STARTS, *FORMULAS, ";", ",", '"', "'", '""', " ", "a", "\0", "\u2028", "\ufeff", "\v", "\f", "1", "%0A")


def opened(cells: list[str], separator: str) -> list[str]:
    """The cells as a spreadsheet shows them that splits a file of ours at this character."""
    file = io.StringIO()
    rows = [{"handler": cell, "requests": 1} for cell in cells]
    csv.writer(file, lineterminator="\n").writerows(safe_rows(rows, ("handler", "requests")))
    lines = csv.reader(io.StringIO(file.getvalue(), newline=""), delimiter=separator)
    return [cell for line in lines for cell in line]


@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize("formula", FORMULAS)
def test_a_known_formula_is_taken_apart(formula: str, separator: str) -> None:
    tried(EXPORTS)
    assert not [cell for cell in opened([formula], separator) if cell.startswith(STARTS)]
    taken(EXPORTS)


@effort(3)
@given(
    cells=st.lists(
        st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=4)), max_size=8).map("".join),
        min_size=1,
        max_size=4,
    ),
    separator=st.sampled_from(",;\t"),
)
def test_no_mixture_of_pieces_becomes_a_formula(cells: list[str], separator: str) -> None:
    tried(EXPORTS)
    assert not [cell for cell in opened(cells, separator) if cell.startswith(STARTS)]
    taken(EXPORTS)


def test_what_is_no_formula_is_written_as_it_is() -> None:
    assert opened(["vendas", "a-b", "2026-11", "olá @ana"], ",") == [
        *("vendas", "1", "a-b", "1", "2026-11", "1", "olá @ana", "1"),
    ]
