"""Comparisons of Salesbot conditions (kommo.md 1.5, 4.2)."""

from collections.abc import Callable, Sequence


def _in_range(left: str, right: Sequence[str]) -> bool:
    try:
        low, value, high = float(right[0]), float(left), float(right[-1])
    except ValueError:
        return False
    return low <= value <= high


# Comparisons are on strings (kommo.md 1.5). How a list stands in term2 is not documented: here a JSON list.
OPERATIONS: dict[str, Callable[[str, Sequence[str]], bool]] = {
    "=": lambda left, right: left == right[0],
    "!=": lambda left, right: left != right[0],
    "in": lambda left, right: left in right,
    "not_in": lambda left, right: left not in right,
    "in_range": _in_range,
}
