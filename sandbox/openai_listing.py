"""Pages of a list, the same for both APIs: openai.md 2.1 and 3.3."""

from typing import Any

from sandbox.openai_validation import Field, check

QUERY = {
    "limit": Field(("integer",), at_least=1, at_most=100),
    "order": Field(("string",), choices=("asc", "desc")),
}


def page(entries: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
    """The page that `limit` (20), `order` (desc), `after` and `before` ask for. entries: oldest first.

    Raises ApiError for a limit outside 1 to 100 and an unknown order.
    """
    limit: Any = query.get("limit", "20")
    limit = int(limit) if limit.isdigit() else limit
    check({"limit": limit, "order": query.get("order", "desc")}, QUERY)
    ordered = entries if query.get("order") == "asc" else entries[::-1]
    ordered = _between(ordered, query.get("after"), query.get("before"))
    data = ordered[:limit]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": len(ordered) > limit,
    }


def _between(ordered: list[dict[str, Any]], after: str | None, before: str | None) -> list[dict[str, Any]]:
    ids = [entry["id"] for entry in ordered]
    start = ids.index(after) + 1 if after in ids else 0
    end = ids.index(before) if before in ids else len(ids)
    return ordered[start:end]
