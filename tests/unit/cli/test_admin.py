"""`bytegpt admin hash-password`."""

import pytest
from click.testing import CliRunner
from werkzeug.security import check_password_hash

from app.cli.admin import hash_password
from config.settings import load_settings


@pytest.mark.parametrize("given", ["pässword 1", "pässword 1\n", "pässword 1\r\n"], ids=["bare", "unix", "windows"])
def test_the_last_line_is_a_hash_that_the_settings_accept(given: str) -> None:
    result = CliRunner().invoke(hash_password, input=given)
    made = result.stdout.splitlines()[-1]
    assert check_password_hash(made, "pässword 1")
    read = load_settings({"ADMIN_USERNAME": "ana", "ADMIN_PASSWORD_HASH": made}, dotenv=None)
    assert read.admin_password_hash == made


@pytest.mark.parametrize("given", ["", "\n", "two\nlines\n"])
def test_what_is_no_password_is_refused(given: str) -> None:
    result = CliRunner().invoke(hash_password, input=given)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: stdin holds ")
