"""The settings as the README and the example for development tell them."""

import re
from pathlib import Path

from config.reference import settings_table
from config.settings import definitions, load_settings

EXAMPLE = Path(__file__).parents[3] / ".env.example"


def test_every_setting_has_one_row_of_three_cells() -> None:
    heading, rule, *rows = settings_table().splitlines()
    assert (heading, rule) == ("| name | meaning | default |", "|---|---|---|")
    assert [row.split("`")[1] for row in rows] == [setting.name for _, setting in definitions()]
    assert {row.count(" | ") for row in rows} == {2}


def test_a_row_says_what_stands_without_the_setting() -> None:
    table = settings_table()
    assert "| `PORT` | port that gunicorn listens on | `8000` |" in table
    assert "none: embedded |" in table


def test_the_example_for_development_names_only_settings_and_is_valid() -> None:
    named = re.findall(r"^#?([A-Z][A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE)
    assert len(named) > 5
    assert set(named) <= {setting.name for _, setting in definitions()}
    assert load_settings({}, dotenv=EXAMPLE).log_format == "console"
