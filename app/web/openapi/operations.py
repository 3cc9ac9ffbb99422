"""The pieces of which the document of the public routes is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.web.errors import CODES

# A piece of an OpenAPI document.
Json = dict[str, Any]

JSON_TYPE, HTML_TYPE = "application/json", "text/html"
_RETRY_AFTER: Json = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}}}
CACHED: Json = {
    "ETag": {"description": "Send it back as If-None-Match.", "schema": {"type": "string"}},
    "Cache-Control": {"schema": {"type": "string"}},
}


@dataclass(frozen=True, slots=True)
class Operation:
    """What one method of one route takes and answers.

    answers: by status, all that a sender can bring about; 405 and 500 are said once for the whole service.
    body: the request body. security: names of schemes, of which one is needed; empty where none is.
    """

    summary: str
    answers: Mapping[int, Json]
    description: str = ""
    parameters: Sequence[Json] = field(default_factory=tuple)
    body: Json | None = None
    security: Sequence[str] = field(default_factory=tuple)


def answer(meaning: str, *, schema: Json | None = None, headers: Json | None = None) -> Json:
    """An answer in JSON, or without a body where there is no schema."""
    return answer_of(meaning, {JSON_TYPE: schema} if schema else {}, headers)


def answer_of(meaning: str, schemas: Mapping[str, Json], headers: Json | None = None) -> Json:
    """An answer with a body by its media type."""
    told: Json = {"description": meaning}
    if schemas:
        told["content"] = {media: {"schema": schema} for media, schema in schemas.items()}
    if headers:
        told["headers"] = headers
    return told


def page(meaning: str, headers: Json | None = None) -> Json:
    """An answer that people read."""
    return answer_of(meaning, {HTML_TYPE: {"type": "string"}}, headers)


def error(status: int, meaning: str, *codes: str, for_people: bool = False, beside: Json | None = None) -> Json:
    """A refusal. codes: what `error.code` may be, the status' own where none is named.

    for_people: it has a sentence to show. beside: schemas of what stands beside `error`.
    """
    inner: Json = {"code": {"enum": list(codes) or [CODES[status]]}}
    if for_people:
        inner["message"] = {"type": "string", "minLength": 1, "description": "For people, in the language asked for."}
    if status == 400:
        inner["fields"] = {
            "type": "object",
            "description": "What is wrong, by the field's name. No value is repeated.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        }
    return answer(
        meaning,
        schema=exactly(error=exactly(**inner), **(beside or {})),
        headers=_RETRY_AFTER if status in (429, 503) else None,
    )


def exactly(**properties: Json) -> Json:
    """An object with these properties, all of them, and no other ones."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def query(name: str, meaning: str, schema: Json, *, required: bool = False) -> Json:
    """A parameter in the address."""
    return {"name": name, "in": "query", "description": meaning, "required": required, "schema": schema}
