"""The README says what the code says."""

from pathlib import Path

from config.reference import settings_table

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_lists_every_setting_as_it_is_defined() -> None:
    assert settings_table() in README.read_text()
