"""Which OpenAI API an Assistant ID is asked through (contract 3.1)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

ApiChoice = Literal["auto", "assistants", "responses"]


class Api(StrEnum):
    """The two wire formats; an adapter exists for each in app/clients."""

    RESPONSES = "responses"
    ASSISTANTS = "assistants"


@dataclass(frozen=True, slots=True)
class Profile:
    """An assistant as ByteGPT itself keeps it: what Responses needs instead of an id at OpenAI.

    source: `manual` when a person wrote it, `imported` when it was copied from the Assistants API.
    active: an imported profile sleeps until the Assistants API is gone.
    temperature: None leaves the model's default; reasoning models refuse any value (openai.md 3.1).
    """

    model: str
    instructions: str = ""
    vector_store_ids: tuple[str, ...] = ()
    temperature: float | None = None
    source: Literal["manual", "imported"] = "manual"
    active: bool = True


@dataclass(frozen=True, slots=True)
class Assistant:
    """An assistant that can be asked: its id, the API, and the profile when that is what is asked."""

    assistant_id: str
    api: Api
    profile: Profile | None = None


class AssistantUnknown(Exception):
    """The id names no assistant: none saved, or malformed."""


class ProfileMissing(Exception):
    """The Assistants API is switched off for this service and no profile of the assistant is stored."""


def resolve(assistant_id: str | None, profile: Profile | None, choice: ApiChoice) -> Assistant:
    """Say how this id is asked; the table of contract 3.1, a row each.

    choice is the setting OPENAI_API: `assistants` asks `asst_` ids there even where a profile is stored,
    `responses` wakes a sleeping imported profile.

    Raises AssistantUnknown and ProfileMissing.
    """
    given = assistant_id or ""
    is_asst, is_prompt = given.startswith("asst_"), given.startswith("pmpt_")
    if is_asst and choice == "assistants":
        return Assistant(given, Api.ASSISTANTS)
    if profile is not None and (profile.active or choice == "responses"):
        return Assistant(given, Api.RESPONSES, profile)
    if is_prompt:
        return Assistant(given, Api.RESPONSES)
    if is_asst and choice == "responses":
        raise ProfileMissing(given)
    if is_asst:
        return Assistant(given, Api.ASSISTANTS)
    raise AssistantUnknown(given)
