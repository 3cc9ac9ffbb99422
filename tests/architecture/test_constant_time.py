"""What proves who somebody is, is compared so that the time it takes tells nothing."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Names of values that a stranger would like to guess letter by letter.
SECRET = re.compile(r"(?i)secret|signature|digest|password|credential|hmac|(?:^|_)(?:mac|token|key)(?:$|_)")
# Where what a stranger has sent is held against what only we or Kommo can know.
JUDGES = (
    "app/web/**/*.py",
    "app/domain/kommo_hooks.py",
    "app/domain/operator_sessions.py",
    "app/services/operators.py",
)


def modules() -> list[Path]:
    return [path for pattern in JUDGES for path in sorted(ROOT.glob(pattern))]


def names_in(node: ast.expr) -> Iterator[str]:
    """The names of what is compared: of the value itself, not of what it was made from."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            yield name
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
            yield name
        case ast.Subscript(value=ast.expr() as value, slice=ast.Constant(value=str() as name)):
            yield name
            yield from names_in(value)
        case _:
            return


def comparisons(path: Path) -> Iterator[str]:
    """Comparisons by `==`, `!=`, `in` or `not in` of something with a secret's name, as they are written.

    What is compared with a constant is no secret.
    """
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq | ast.In | ast.NotIn):
            sides = [node.left, *node.comparators]
            if any(isinstance(side, ast.Constant) for side in sides):
                continue
            if any(SECRET.search(name) for side in sides for name in names_in(side)):
                yield ast.unparse(node)


def test_no_secret_is_compared_letter_by_letter() -> None:
    found = [f"{path.relative_to(ROOT)}: {written}" for path in modules() for written in comparisons(path)]
    assert len(modules()) > len(JUDGES)
    assert not found, "compare with hmac.compare_digest"


@pytest.mark.parametrize(
    "written",
    [
        "signature == expected",
        "claims['token'] != given",
        "self._secret in known",
        "mac(text) == given",
        "a == b.digest",
    ],
)
def test_a_comparison_that_would_tell_something_is_found(tmp_path: Path, written: str) -> None:
    module = tmp_path / "module.py"
    module.write_text(f"found = {written}\n")
    assert list(comparisons(module)) == [written]


@pytest.mark.parametrize("written", ["token == ''", "len(key) == 4", "names == given", "secret is None"])
def test_a_comparison_that_tells_nothing_is_left_alone(tmp_path: Path, written: str) -> None:
    module = tmp_path / "module.py"
    module.write_text(f"found = {written}\n")
    assert not list(comparisons(module))


def test_whoever_makes_a_signature_to_look_at_one_compares_in_constant_time() -> None:
    """Other modules of these make signatures of their own to send or to name something, and look at none."""
    signing = {path for path in modules() if re.search(r"\bhmac\.(?:new|digest)\(", path.read_text())}
    comparing = {path for path in signing if "compare_digest(" in path.read_text()}
    named_only = {ROOT / "app/web/oauth_state.py", ROOT / "app/web/console/passwords.py"}
    assert signing - named_only == comparing
    assert comparing
