"""`/help`: what every message means and what to do about it, for whoever reads one; open to everybody."""

from typing import cast

from flask import Blueprint, Response, request

from app.domain.accounts import LOCALES, Locale
from app.domain.failures import Failure
from app.web.cached import sent_once
from app.web.help_pages import STYLE_PATH, Document, help_pages

# The pages need nothing but their stylesheet: no script, no picture, no frame, no form.
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
# They change with a new version of ByteGPT only.
CACHE_CONTROL = "public, max-age=3600"


def help_blueprint(default_locale: Locale) -> Blueprint:
    """The help pages. default_locale: for a browser that asks for none of our languages."""
    blueprint = Blueprint("help", __name__)
    pages = help_pages()

    @blueprint.get("/help", strict_slashes=False)
    def index() -> Response:
        return _found(pages.indexes[_locale(default_locale)])

    @blueprint.get("/help/errors/<code>")
    def message(code: str) -> Response:
        try:
            failure = Failure(code)
        except ValueError:
            return _missing(pages.missing[_locale(default_locale)])
        return _found(pages.messages[failure, _locale(default_locale)])

    @blueprint.get(STYLE_PATH)
    def style() -> Response:
        return _found(pages.style)

    @blueprint.get("/help/<path:_rest>")
    def missing(_rest: str) -> Response:
        return _missing(pages.missing[_locale(default_locale)])

    return blueprint


def _locale(default: Locale) -> Locale:
    """`?lang=`, else what the browser prefers, else the default; a language that we do not have counts as absent."""
    named = request.args.get("lang")
    for locale in LOCALES:
        if locale == named:
            return locale
    # The default first: it is the one for a browser that takes any.
    offered = sorted(LOCALES, key=lambda locale: locale != default)
    return cast("Locale", request.accept_languages.best_match(offered, default))


def _found(document: Document) -> Response:
    return sent_once(_response(document, 200, CACHE_CONTROL), document.etag)


def _missing(document: Document) -> Response:
    return _response(document, 404, "no-store")


def _response(document: Document, status: int, cache_control: str) -> Response:
    headers = {**SECURITY_HEADERS, "Cache-Control": cache_control, "Vary": "Accept-Language"}
    return Response(document.body, status, content_type=document.content_type, headers=headers)
