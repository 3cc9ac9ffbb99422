"""Commands of `bytegpt` as processes of their own."""

import json
import subprocess
from typing import Any

from sandbox.stack import Stack
from tests.functional.shop import PATIENCE


def started(stack: Stack, *arguments: str) -> "subprocess.Popen[str]":
    """A command in the service's environment, with pipes in the places of a terminal."""
    pipe = subprocess.PIPE
    return subprocess.Popen(
        stack.argv(*arguments), env=stack.environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )


def set_account(stack: Stack, account_id: int, **fields: Any) -> None:
    """`bytegpt account set` with these fields."""
    command = started(stack, "account", "set", str(account_id))
    _, errors = command.communicate(json.dumps(fields), PATIENCE)
    assert command.returncode == 0, errors
