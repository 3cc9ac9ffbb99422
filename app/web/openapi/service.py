"""The routes that are open to everybody: how the service is, the help pages, and this document itself."""

from collections.abc import Mapping

from app.domain.accounts import LOCALES
from app.domain.failures import Failure
from app.web.errors import CODES
from app.web.help_pages import STYLE_PATH
from app.web.openapi.operations import (
    CACHED,
    HTML_TYPE,
    JSON_TYPE,
    Json,
    Operation,
    answer,
    answer_of,
    exactly,
    page,
    query,
)

DOCUMENT_PATH = "/openapi.json"

_LANG = query("lang", f"One of {', '.join(LOCALES)}; what else it may be counts as absent.", {"type": "string"})
_SAME: Json = answer("What the sender has is still right.", headers=CACHED)
_METRICS: Mapping[str, Json] = {"text/plain": {"type": "string"}, "application/openmetrics-text": {"type": "string"}}

SERVICE_OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/healthz"): Operation(
        "Whether the process lives", {200: answer("It does.", schema=exactly(status={"enum": ["alive"]}))}
    ),
    ("GET", "/readyz"): Operation(
        "Whether the service can do its work",
        {
            200: answer("Redis answers and a worker lives.", schema=exactly(status={"enum": ["ready"]})),
            503: answer(
                "It cannot, and why.",
                schema=exactly(
                    status={"enum": ["not_ready"]},
                    reasons={"type": "array", "items": {"type": "string"}, "minItems": 1},
                ),
            ),
        },
    ),
    ("GET", "/metrics"): Operation(
        "Figures for Prometheus",
        {200: answer_of("The figures; while Redis is away, that it is.", _METRICS)},
    ),
    ("GET", DOCUMENT_PATH): Operation(
        "This document", {200: answer("The document.", schema={"type": "object"}, headers=CACHED), 304: _SAME}
    ),
    ("GET", "/help"): Operation(
        "The messages and what to do about them",
        {200: page("The index.", CACHED), 304: _SAME},
        parameters=[_LANG],
    ),
    ("GET", "/help/errors/<code>"): Operation(
        "What a message means and what to do about it",
        {200: page("The page.", CACHED), 304: _SAME, 404: page("There is no such message.")},
        parameters=[
            _LANG,
            {
                "name": "code",
                "in": "path",
                "required": True,
                "description": f"The `error_code`: {', '.join(Failure)}.",
                "schema": {"type": "string", "minLength": 1},
            },
        ],
    ),
    ("GET", STYLE_PATH): Operation(
        "The look of the help pages",
        {200: answer_of("The stylesheet.", {"text/css": {"type": "string"}}, CACHED), 304: _SAME},
    ),
    ("GET", "/help/<path:_rest>"): Operation(
        "Where there is no help page",
        {
            404: answer_of(
                "There is no such page: the index; in JSON for what is no address of a page at all.",
                {HTML_TYPE: {"type": "string"}, JSON_TYPE: exactly(error=exactly(code={"enum": [CODES[404]]}))},
            )
        },
        parameters=[
            _LANG,
            {"name": "_rest", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}},
        ],
    ),
}
