"""The routes that Kommo calls: the door of the salesbots, and the hooks of installations."""

from collections.abc import Mapping
from typing import Any

from app.domain.kommo_hooks import CODE_SECONDS
from app.web.admission import BODY_LIMIT
from app.web.openapi.operations import (
    HTML_TYPE,
    JSON_TYPE,
    Json,
    Operation,
    answer,
    answer_of,
    error,
    exactly,
    page,
    query,
)

FORM_TYPE = "application/x-www-form-urlencoded"

_REQUEST_ID: Json = {"type": "string", "description": "Names the turn from here on."}
_AGAIN = "Redis does not answer. Nothing was charged or queued."
_STATUS = answer(
    "Looked into.",
    schema=exactly(status={"enum": ["done"], "description": "What it asked for is done, or was before."}),
)
_CODE = {"type": "string", "pattern": "^[!-~]{1,4000}$"}
_CLIENT_ID = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,100}$"}


def kommo_operations(json_body: Json, form_body: Json) -> Mapping[tuple[str, str], Operation]:
    """By method and rule. json_body, form_body: schemas of a webhook in both of its forms."""
    return {
        ("POST", "/kommo/salesbot"): _door(json_body, form_body),
        ("GET", "/kommo/oauth/start"): _START,
        ("GET", "/kommo/oauth/callback"): _CALLBACK,
        ("GET", "/kommo/oauth/revoked"): _REVOKED,
    }


def _door(json_body: Json, form_body: Json) -> Operation:
    accepted: dict[str, Any] = {
        "accepted": "Charged, or refused by a limit, which is told through the bot; and queued.",
        "duplicate": "This return_url was accepted before; request_id is that one's. Nothing is charged or queued.",
    }
    meaning = " ".join(f"`{status}`: {text}" for status, text in accepted.items())
    return Operation(
        "A step of a salesbot asks for an answer",
        description=(
            f"Kommo's `widget_request`, at most {BODY_LIMIT} bytes. The answer waits neither for OpenAI nor for Kommo: "
            "the bot is continued at its return_url later, exactly once."
        ),
        body={
            "required": True,
            "content": {FORM_TYPE: {"schema": form_body}, JSON_TYPE: {"schema": json_body}},
        },
        answers={
            200: answer(meaning, schema=exactly(status={"enum": list(accepted)}, request_id=_REQUEST_ID)),
            400: error(400, "Not parseable, or fields are missing or wrong."),
            401: error(401, "The token is missing, forged, not of now, or not for this service."),
            403: error(403, "The token or return_url is not of the account's own address, or of another integration."),
            404: error(404, "The account is not installed.", "account_not_installed"),
            413: error(413, f"The body is longer than {BODY_LIMIT} bytes."),
            503: error(503, _AGAIN),
        },
    )


_START = Operation(
    "Opens Kommo's window in which an administrator installs the integration",
    parameters=[query("client_id", "The integration; the public one where it is left out.", _CLIENT_ID)],
    answers={
        302: answer_of(
            "To Kommo's window.",
            {HTML_TYPE: {"type": "string"}},
            {"Location": {"description": "Kommo's window.", "schema": {"type": "string"}}},
        ),
        400: page("The parameter names no integration."),
        403: page("The integration is not known here."),
        404: page("Where Kommo lives here, there is no such window."),
        503: page("Redis does not answer."),
    },
)
_CALLBACK = Operation(
    "Kommo's install hook",
    description=(
        "Unsigned: nothing counts until Kommo has exchanged the code for tokens. A code works for "
        f"{CODE_SECONDS // 60} minutes."
    ),
    parameters=[
        query("code", "Works once. Required but for a refusal.", _CODE),
        query(
            "referer", "Host of the account; `referrer` is read too. Required but for a refusal.", {"type": "string"}
        ),
        query(
            "client_id",
            "The integration; `client_uuid` is read too; the public one where both are left out.",
            _CLIENT_ID,
        ),
        query("state", "From `/kommo/oauth/start`; from inside Kommo there is none.", {"type": "string"}),
        query("error", "The administrator has declined.", {"type": "string"}),
    ],
    answers={
        200: page("Installed."),
        202: page("Goes on after this answer."),
        400: page("Parameters are missing, malformed or contradict each other."),
        403: page("Declined, not an administrator, a bad or used code or state, a foreign host, another integration."),
        503: page("Redis does not answer, or too many installations at once."),
    },
)
_REVOKED = Operation(
    "Kommo's access-revoked hook",
    description="Makes ByteGPT ask Kommo whether the access is really gone; repeating it changes nothing.",
    parameters=[
        query("account_id", "The account.", {"type": "string", "pattern": "^[1-9][0-9]{0,15}$"}, required=True),
        query("client_uuid", "The integration; `client_id` is read too. One of them is required.", _CLIENT_ID),
        query(
            "signature",
            "HMAC-SHA256 of `client_uuid|account_id` with the integration's secret, hexadecimal.",
            {"type": "string", "pattern": "^[0-9A-Fa-f]{64}$"},
            required=True,
        ),
    ],
    answers={
        200: _STATUS,
        202: answer("Goes on after this answer.", schema=exactly(status={"enum": ["going_on"]})),
        400: error(400, "Parameters are missing, malformed or contradict each other."),
        403: error(403, "The signature is not Kommo's, or the integration is not known."),
        503: error(503, "Redis does not answer, or too many hooks at once."),
    },
)
