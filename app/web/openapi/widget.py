"""The routes of the widget, called from pages of Kommo."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.domain.accounts import LOCALES
from app.domain.failures import Failure
from app.services.usage_tables import COLUMNS
from app.web.openapi.operations import JSON_TYPE, Json, Operation, answer, error, exactly, query
from app.web.widget import MOST_CHECKS, MOST_SAVES
from app.web.widget_body import BODY_LIMIT
from app.web.widget_caller import TOKEN_HEADER
from app.web.widget_cors import METHODS

SCHEME = "widgetToken"
SECURITY_SCHEME: Json = {
    "type": "apiKey",
    "in": "header",
    "name": TOKEN_HEADER,
    "description": "Kommo's one-time token: a JWT, HS256. It is used up by one PUT or POST, and by no GET.",
}

_LANG = query(
    "lang", "Language of `message` and `remedy`; the account's own where it is left out.", {"enum": list(LOCALES)}
)
_PERIOD = query(
    "period",
    "The month; the present one where it is left out.",
    {"type": "string", "pattern": "^2[0-9]{3}-(0[1-9]|1[0-2])$"},
)
_TEXT: Json = {"type": "string"}
_TEXT_OR_NULL: Json = {"type": ["string", "null"]}
_COUNT: Json = {"type": "integer", "minimum": 0}
_NUMBER: Json = {"type": "number", "minimum": 0}
_DOLLARS: Json = {
    "type": ["string", "null"],
    "description": "US dollars, a decimal number; null where no price is known.",
}
_GRADE: Json = {"enum": ["exact", "estimated", "unknown"]}
_NAMED: Json = {"type": ["string", "null"], "description": "`*` stands for all that have no figures of their own."}
# What the columns of usage hold that are no counts.
_COLUMN_TYPES: Mapping[str, Json] = {
    "day": _TEXT,
    "outcome": _TEXT,
    "model": _TEXT,
    "price_id": _TEXT_OR_NULL,
    "handler": _NAMED,
    "contact": _NAMED,
    "dollars": _DOLLARS,
    "dollars_per_peak_hour": _DOLLARS,
    "grade": _GRADE,
    "mean_requests": _NUMBER,
    "mean_tokens": _NUMBER,
    "peak_requests_at": _TEXT,
    "peak_tokens_at": _TEXT,
}
_MONTH = ("account_id", "period", "plan", "allowance", "boosts", "used", "reserved", "remaining", "contacts")


def widget_operations(form: Json, shown: Json) -> Mapping[tuple[str, str], Operation]:
    """By method and rule. form: schema of what may be sent of the settings. shown: of what is shown of them."""
    saved = {
        **shown,
        "properties": {**shown["properties"], "setup": _CHECKED},
        "required": [*shown["required"], "setup"],
    }
    return {
        ("GET", "/widget/settings"): Operation(
            "The company's settings",
            parameters=[_LANG],
            answers={200: answer("The settings.", schema=shown), **_refusals()},
            security=[SCHEME],
        ),
        ("PUT", "/widget/settings"): Operation(
            "Change what is sent of the settings",
            description=f"Administrators only, at most {MOST_SAVES} times a minute. A masked key means unchanged.",
            parameters=[_LANG],
            body=_body(form, required=True),
            answers={
                200: answer("Saved; `setup` is a look at OpenAI that asks no question.", schema=saved),
                **_refusals("unauthorized", "token_used"),
                409: error(
                    409,
                    "Changed by somebody else meanwhile; nothing was saved.",
                    "settings_changed",
                    for_people=True,
                    beside={"settings": shown},
                ),
                **_LIMITS,
            },
            security=[SCHEME],
        ),
        ("POST", "/widget/check"): Operation(
            "Test the settings, with what is sent in the place of what is saved",
            description=f"At most {MOST_CHECKS} times a minute. Whoever is no administrator tests what is saved.",
            parameters=[_LANG],
            body=_body(form, required=False),
            answers={
                200: answer("The outcome of the test.", schema=_CHECKED),
                **_refusals("unauthorized", "token_used"),
                **_LIMITS,
            },
            security=[SCHEME],
        ),
        ("GET", "/widget/usage"): Operation(
            "The figures of a month",
            parameters=[_LANG, _PERIOD],
            answers={200: answer("The figures.", schema=_usage()), **_refusals()},
            security=[SCHEME],
        ),
        **{("OPTIONS", path): _PREFLIGHT for path in METHODS},
    }


def _body(form: Json, *, required: bool) -> Json:
    return {"required": required, "content": {JSON_TYPE: {"schema": form}}}


def _refusals(*unauthorized: str) -> dict[int, Json]:
    return {
        400: error(400, "Something that was sent is wrong.", for_people=True),
        401: error(401, "The token is missing, forged, not of now, not for this service, or used up.",
                   *unauthorized, for_people=True),
        403: error(403, "Not a page of this account, or not an administrator.", "forbidden", "admin_required",
                   for_people=True),
        404: error(404, "The account is not installed.", "account_not_installed", for_people=True),
        503: error(503, "Redis does not answer, or OpenAI is asked for others; nothing was saved.", for_people=True),
    }  # fmt: skip


_LIMITS: Mapping[int, Json] = {
    413: error(413, f"The body is longer than {BODY_LIMIT} bytes.", for_people=True),
    429: error(429, "Too often in one minute.", for_people=True),
}
_CHECKED = exactly(
    ok={"type": "boolean"},
    error_code={"enum": [None, *Failure]},
    error=_TEXT_OR_NULL,
    remedy=_TEXT_OR_NULL,
    reason=_TEXT_OR_NULL,
    assistants_api_gone={"type": "boolean"},
    left_behind={"type": "array", "items": {"type": "string"}, "description": "Tools that a profile cannot have."},
    reply=_TEXT_OR_NULL,
)
_PREFLIGHT = Operation(
    "What a browser asks before the real request",
    parameters=[
        {"name": "Origin", "in": "header", "required": True, "description": "The page.", "schema": {"type": "string"}}
    ],
    answers={
        204: answer("This page of Kommo may call."),
        403: error(403, "Not a page of Kommo.", for_people=True),
    },
)


def _usage() -> Json:
    """The document of a month: its figures, and its tables by their columns."""
    tables = {"rate" if name == "rate" else f"by_{name}": names for name, names in COLUMNS.items() if name != "minute"}
    money = [name for name in COLUMNS["day"] if name.startswith("tokens_") or name in ("dollars", "grade")]
    figures: dict[str, Any] = {
        **{name: _column(name) for name in (*_MONTH, *money)},
        "period": {"type": "string"},
        "plan": {"type": "string"},
    }
    return exactly(**figures, **{name: _table(columns) for name, columns in tables.items()})


def _table(columns: Sequence[str]) -> Json:
    return {"type": "array", "items": exactly(**{name: _column(name) for name in columns})}


def _column(name: str) -> Json:
    return _COLUMN_TYPES.get(name, _COUNT)
