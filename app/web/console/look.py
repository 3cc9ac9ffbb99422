"""The language and the colours that an operator has chosen, in a cookie of their own that outlives the session."""

from dataclasses import dataclass
from typing import Literal, cast, get_args

from flask import Request, g
from werkzeug.wrappers import Response as BaseResponse

from app.domain.accounts import LOCALES, Locale
from app.web.console.addresses import PREFIX

Theme = Literal["auto", "light", "dark"]
THEMES: tuple[Theme, ...] = get_args(Theme)
LANGUAGE_TAGS: dict[Locale, str] = {"pt": "pt-BR", "es": "es", "en": "en"}

_COOKIE = "bytegpt_look"
_KEPT_SECONDS = 400 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Look:
    """theme: `auto` is what the operating system prefers."""

    locale: Locale
    theme: Theme = "auto"

    @property
    def language_tag(self) -> str:
        """What `lang` says of a page."""
        return LANGUAGE_TAGS[self.locale]


def look() -> Look:
    """How the operator of this request wants to see pages."""
    return cast("Look", g.look)


def chosen_look(request: Request, default: Locale) -> Look:
    """What the cookie says; whatever is missing or unknown in it counts as not chosen."""
    locale, _, theme = request.cookies.get(_COOKIE, "").partition(".")
    return changed_look(Look(default), locale, theme)


def changed_look(before: Look, locale: str | None, theme: str | None) -> Look:
    """The look with another language, other colours or both; what is unknown changes nothing."""
    return Look(
        locale if locale in LOCALES else before.locale,
        theme if theme in THEMES else before.theme,
    )


def keep_look(response: BaseResponse, chosen: Look, *, secure: bool) -> None:
    """Let the browser remember it."""
    response.set_cookie(
        _COOKIE,
        f"{chosen.locale}.{chosen.theme}",
        max_age=_KEPT_SECONDS,
        path=PREFIX,
        secure=secure,
        httponly=True,
        samesite="Strict",
    )
