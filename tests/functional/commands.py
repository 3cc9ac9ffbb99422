"""Commands of `bytegpt`: in this process where only what they do matters, as processes where that is what matters."""

import io
import json
import os
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from typing import Any
from unittest.mock import patch

from app.cli.main import run
from sandbox.stack import Stack


def bytegpt(stack: Stack, *arguments: str, stdin: str = "", **settings: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command in the service's environment, without a process of its own.

    settings: over those of the service.
    """
    output, errors = io.StringIO(), io.StringIO()
    keyboard = io.TextIOWrapper(io.BytesIO(stdin.encode()))
    with (
        patch.dict(os.environ, {**stack.environment, **settings}, clear=True),
        patch("sys.stdin", keyboard),
        redirect_stdout(output),
        redirect_stderr(errors),
    ):
        code = run(list(arguments))
    return code, output.getvalue(), errors.getvalue()


def printed(stack: Stack, *arguments: str) -> Any:
    """The one JSON document that a command prints."""
    code, output, errors = bytegpt(stack, *arguments, "--json")
    assert (code, errors) == (0, "")
    return json.loads(output)


def started(stack: Stack, *arguments: str) -> "subprocess.Popen[str]":
    """A command in the service's environment, with pipes in the places of a terminal."""
    pipe = subprocess.PIPE
    return subprocess.Popen(
        stack.argv(*arguments), env=stack.environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )


def set_account(stack: Stack, account_id: int, **fields: Any) -> None:
    """`bytegpt account set` with these fields."""
    code, _, errors = bytegpt(stack, "account", "set", str(account_id), stdin=json.dumps(fields))
    assert code == 0, errors
