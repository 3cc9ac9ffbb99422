"""Browsers from which the operator has logged in before: strangers who guess passwords do not lock them out."""

import secrets

from flask import Request
from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug.wrappers import Response as BaseResponse

from app.web.console.addresses import LOGIN_PATH

_COOKIE = "bytegpt_known"
_SALT = "console-known-browser"
_KEPT_SECONDS = 180 * 24 * 3600


class KnownBrowsers:
    """Marks them with a signed cookie that only the login gets."""

    def __init__(self, secret_key: str, credentials: str, *, secure: bool) -> None:
        """credentials: of the operator; a mark that was given for others counts for nothing."""
        self._signer = URLSafeTimedSerializer(secret_key, salt=_SALT)
        self._credentials = credentials
        self._secure = secure

    def mark_of(self, request: Request) -> str | None:
        """The mark of the browser that asks, None where it has none of ours."""
        try:
            told = self._signer.loads(request.cookies.get(_COOKIE, ""), max_age=_KEPT_SECONDS)
        except BadData:
            return None
        match told:
            case [str(mark), self._credentials]:
                return mark
        return None

    def remember(self, response: BaseResponse) -> None:
        """Mark this browser, anew each time: a mark that was copied is worth one more round of guesses at the most."""
        response.set_cookie(
            _COOKIE,
            self._signer.dumps([secrets.token_hex(8), self._credentials]),
            max_age=_KEPT_SECONDS,
            path=LOGIN_PATH,
            secure=self._secure,
            httponly=True,
            samesite="Strict",
        )
