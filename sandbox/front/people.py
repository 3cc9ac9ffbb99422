"""Who works in an account of the simulated Kommo."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Language = Literal["pt", "es", "en"]
Theme = Literal["light", "dark"]
LANGUAGES: tuple[Language, ...] = ("pt", "es", "en")
THEMES: tuple[Theme, ...] = ("light", "dark")


@dataclass(slots=True)
class User:
    """A user of an account. admin: may install and save integrations. language, theme: of the user's profile."""

    user_id: int
    name: str
    admin: bool
    language: Language = "pt"
    theme: Theme = "light"


def staff(first_id: int) -> Sequence[User]:
    """The people of every new account: an administrator, a seller, a second administrator."""
    return (
        User(first_id, "Ana Souza", admin=True),
        User(first_id + 1, "Bruno Lima", admin=False),
        User(first_id + 2, "Clara Dias", admin=True),
    )
