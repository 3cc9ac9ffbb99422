"""The figures as CSV: fixed columns, and no cell that a spreadsheet would run."""

import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.usage_figures import DayFigures, Minute, ModelFigures
from app.services.usage_documents import minute_document, rate_documents, usage_document
from app.services.usage_tables import COLUMNS, rows_of, safe_cell, safe_rows

MINUTE = Minute(datetime(2026, 11, 2, tzinfo=UTC), "gpt-6-luna", 1, 10)
DAY = DayFigures(
    "2026-11-02",
    outcomes={"answered": 1},
    hours={9: 1},
    handlers={"=1+1": 1},
    contacts={"contact-1": 1},
    models=(ModelFigures("gpt-6-luna", "gpt-6-luna@start", "exact", 1),),
)
DOCUMENT = {**usage_document("2026-11", [DAY], str), "rate": rate_documents([MINUTE], [DAY])}


@pytest.mark.parametrize("table", [name for name in COLUMNS if name != "minute"])
def test_the_columns_of_a_table_are_what_its_rows_hold(table: str) -> None:
    rows = rows_of(DOCUMENT, table)
    assert rows
    assert all(tuple(row) == COLUMNS[table] for row in rows)


def test_the_columns_of_minutes_are_what_minutes_hold() -> None:
    assert tuple(minute_document(MINUTE)) == COLUMNS["minute"]


def test_every_list_of_the_document_has_a_table() -> None:
    lists = {name.removeprefix("by_") for name, value in DOCUMENT.items() if isinstance(value, list)}
    assert lists | {"minute"} == set(COLUMNS)


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+55 11", "'+55 11"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t'=1"),
        ("\r=1", "'\r'=1"),
        ("\n=1", "'\n'=1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("\uff20SUM(A1)", "'\uff20SUM(A1)"),
        ("a;=1+1", "a;'=1+1"),
        ("a\n@SUM(A1)", "a\n'@SUM(A1)"),
        ("a; b, c-d", "a; b, c-d"),
        ("ai_reply", "ai_reply"),
        ("a=1", "a=1"),
        ("", ""),
        ("0.00015", "0.00015"),
        (-1, -1),
        (0, 0),
        (None, None),
    ],
)
def test_a_text_that_looks_like_a_formula_gets_an_apostrophe(value: Any, cell: Any) -> None:
    assert safe_cell(value) == cell


FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
CELLS = st.lists(st.one_of(st.sampled_from((*FORMULA_STARTS, ";", ",", '"', "'", " ", "a")), st.text(max_size=3)))


@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@given(handlers=st.lists(CELLS.map("".join), min_size=1, max_size=5))
def test_no_cell_of_a_file_begins_like_a_formula_wherever_it_is_opened(handlers: list[str], separator: str) -> None:
    file = io.StringIO()
    csv.writer(file).writerows(safe_rows(({"handler": handler, "requests": 1} for handler in handlers), ("handler",)))
    opened = csv.reader(io.StringIO(file.getvalue(), newline=""), delimiter=separator)
    assert not [cell for line in opened for cell in line if cell.startswith(FORMULA_STARTS)]


def test_a_row_without_a_column_is_an_error() -> None:
    with pytest.raises(KeyError):
        list(safe_rows([{"handler": "a"}], COLUMNS["handler"]))
