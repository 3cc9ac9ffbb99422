"""OpenAI's refusals as they stand on the wire: openai.md 2.6, 3.4, 3.5 and 4.2."""

from dataclasses import dataclass, field
from typing import Any

INVALID = "invalid_request_error"


@dataclass(slots=True)
class ApiError(Exception):
    """One answer in OpenAI's error envelope."""

    status: int
    message: str
    type: str = INVALID
    code: str | None = None
    param: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """The envelope of openai.md 4.1."""
        return {"error": self.fields()}

    def fields(self) -> dict[str, Any]:
        """What stands inside the envelope; also what `error` events carry."""
        return {"message": self.message, "type": self.type, "param": self.param, "code": self.code}


# --- who asks ---------------------------------------------------------------------------------------------------


def no_key() -> ApiError:
    """No Authorization header."""
    return ApiError(
        401,
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
        "(i.e. Authorization: Bearer YOUR_KEY). You can obtain an API key from "
        "https://platform.openai.com/account/api-keys.",
    )


def wrong_key(key: str) -> ApiError:
    """A key that OpenAI does not know; only its beginning and its tail are repeated."""
    prefix = "sk-proj-" if key.startswith("sk-proj-") else key[:3]
    masked = f"{prefix}{'*' * max(4, len(key) - len(prefix) - 4)}{key[-4:]}"
    return ApiError(
        401,
        f"Incorrect API key provided: {masked}. You can find your API key at "
        "https://platform.openai.com/account/api-keys.",
        code="invalid_api_key",
    )


def no_beta_header() -> ApiError:
    """Assistants without `OpenAI-Beta: assistants=v2`; 401 is the only status anybody recorded (openai.md 2)."""
    return ApiError(
        401,
        "You must provide the 'OpenAI-Beta' header to access the Assistants API. Please try again by setting the "
        "header 'OpenAI-Beta: assistants=v2'.",
        code="invalid_beta",
    )


# --- what is asked for ------------------------------------------------------------------------------------------


def unknown_url(method: str, path: str) -> ApiError:
    """No such route. The removed Assistants routes answer the same (openai.md 1.2: the body is unverified)."""
    return ApiError(404, f"Invalid URL ({method} {path})")


def not_found(kind: str, identifier: str) -> ApiError:
    """kind: `Prompt`, `Conversation`, `Response`, `Item`."""
    return ApiError(404, f"{kind} with id '{identifier}' not found.")


def none_found(kind: str, identifier: str) -> ApiError:
    """The Assistants wording. kind: `assistant`, `thread`, `run`, `message`."""
    return ApiError(404, f"No {kind} found with id '{identifier}'.")


def model_not_found(model: str) -> ApiError:
    """A model nobody knows, or one that is gone."""
    return ApiError(404, f"The model `{model}` does not exist or you do not have access to it.", code="model_not_found")


def previous_response_not_found(identifier: str) -> ApiError:
    """A 400, unlike all other unknown references."""
    return ApiError(
        400,
        f"Previous response with id '{identifier}' not found.",
        code="previous_response_not_found",
        param="previous_response_id",
    )


# --- what is busy -----------------------------------------------------------------------------------------------


def conversation_locked() -> ApiError:
    """Another response works on the conversation."""
    return ApiError(
        400,
        "Another process is currently operating on this conversation. Please retry in a few seconds.",
        code="conversation_locked",
        param="conversation",
    )


def thread_has_run(thread_id: str, run_id: str) -> ApiError:
    """A second run while one is active."""
    return ApiError(400, f"Thread {thread_id} already has an active run {run_id}.")


def thread_closed_to_messages(thread_id: str, run_id: str) -> ApiError:
    """A message while a run is active."""
    return ApiError(400, f"Can't add messages to {thread_id} while a run {run_id} is active.")


# --- what is malformed ------------------------------------------------------------------------------------------


def bad_request(code: str | None, param: str | None, message: str) -> ApiError:
    """A body that breaks a rule of the route."""
    return ApiError(400, message, code=code, param=param)


def context_too_long() -> ApiError:
    """More input than the model's window takes."""
    return ApiError(
        400,
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
        code="context_length_exceeded",
        param="input",
    )
