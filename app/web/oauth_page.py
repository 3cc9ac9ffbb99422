"""The one small page of the OAuth routes. The code stands in its address, so it leads and tells nobody anything."""

from functools import cache
from typing import cast

from flask import Response, request
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from app.domain.accounts import LOCALES, Locale
from app.domain.help_pages import help_index_path
from app.web.help import SECURITY_HEADERS
from app.web.help_pages import STYLE_PATH
from app.web.oauth_texts import TEXTS, Ending

STATUSES = {
    Ending.INSTALLED: 200,
    Ending.GOING_ON: 202,
    Ending.DECLINED: 403,
    Ending.CODE_REFUSED: 403,
    Ending.NOT_ADMINISTRATOR: 403,
    Ending.STATE_REFUSED: 403,
    Ending.NOT_OURS: 403,
    Ending.NO_WINDOW: 404,
    Ending.UNAVAILABLE: 503,
}
_LANGUAGE_TAGS: dict[Locale, str] = {"pt": "pt-BR", "es": "es", "en": "en"}


def page(ending: Ending, default_locale: Locale, status: int | None = None) -> Response:
    """The page in the reader's language.

    default_locale: for whoever asks for none of ours. status: of the answer, None for the ending's own.
    """
    offered = sorted(LOCALES, key=lambda locale: locale != default_locale)
    locale = cast("Locale", request.accept_languages.best_match(offered, default_locale))
    html = _template().render(
        language=_LANGUAGE_TAGS[locale],
        said=TEXTS[locale][ending],
        index=help_index_path(locale),
        style=STYLE_PATH,
    )
    headers = {**SECURITY_HEADERS, "Cache-Control": "no-store", "Vary": "Accept-Language"}
    return Response(html, status or STATUSES[ending], content_type="text/html; charset=utf-8", headers=headers)


@cache
def _template() -> Template:
    pages = Environment(loader=PackageLoader("app.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return pages.get_template("oauth.html")
