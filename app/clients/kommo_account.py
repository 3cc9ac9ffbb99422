"""Whose a token is, and where its account lives now (kommo.md 5.3, 8.1, 8.2)."""

import re
from collections.abc import Mapping

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from app.clients.http import NetworkFault, PartnerSession, Reply
from app.clients.kommo_transport import SENDABLE_TOKEN, JsonObject, KommoTransport, document
from app.domain.answers import Deadline
from app.domain.oauth_tokens import AccessRefused, KommoAccount, KommoUnavailable

_OF_THE_MOMENT = frozenset({408, 425, 429})
_ID = validate.Range(min=1, max=2**53 - 1)
_SUBDOMAIN = validate.Regexp(re.compile(r"[A-Za-z0-9_-]{1,63}\Z"))


class _AccountSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    id = fields.Integer(required=True, validate=_ID)
    subdomain = fields.String(required=True, validate=_SUBDOMAIN)
    current_user_id = fields.Integer(load_default=None, allow_none=True, validate=_ID)


class _RightsSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    is_admin = fields.Boolean(required=True)


class _UserSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    rights = fields.Nested(_RightsSchema, required=True)


class KommoAccountClient:
    """Looks accounts up. Every method is one call to an address of the caller's choice, which gets the token.

    Each raises AccessRefused for an answer that gives nothing, and KommoUnavailable where there is none to rely on.
    """

    def __init__(self, session: PartnerSession, connect_timeout: float, read_timeout: float) -> None:
        """connect_timeout: seconds for name, TCP and TLS together. read_timeout: the longest silence, in seconds."""
        self._transport = KommoTransport(session, connect_timeout, read_timeout)

    def account(self, origin: str, access_token: str, deadline: Deadline) -> KommoAccount:
        """The account that this access token opens."""
        return self._account(f"{origin}/api/v4/account", _bearer(access_token), deadline)

    def account_of_refresh_token(self, origin: str, refresh_token: str, deadline: Deadline) -> KommoAccount:
        """The account of this refresh token, which is not used up, wherever it lives now.

        origin: the shared API host that the access token beside it names.
        """
        credential = {"X-Refresh-Token": _sendable(refresh_token)}
        return self._account(f"{origin}/oauth2/account/current/subdomain", credential, deadline)

    def is_administrator(self, origin: str, user_id: int, access_token: str, deadline: Deadline) -> bool | None:
        """Whether the user who gave this token administrates the account; None where Kommo does not say.

        Users are shown to administrators only (developers.kommo.com/reference/users-list).
        """
        try:
            user = self._document(f"{origin}/api/v4/users/{user_id}", _bearer(access_token), deadline)
        except AccessRefused as refused:
            return False if refused.status == 403 else None
        try:
            return bool(_UserSchema().load(user)["rights"]["is_admin"])
        except ValidationError:
            return None

    def _account(self, url: str, credential: Mapping[str, str], deadline: Deadline) -> KommoAccount:
        try:
            loaded = _AccountSchema().load(self._document(url, credential, deadline))
        except ValidationError:
            raise KommoUnavailable("not_an_account") from None
        return KommoAccount(loaded["id"], loaded["subdomain"].lower(), loaded["current_user_id"])

    def _document(self, url: str, credential: Mapping[str, str], deadline: Deadline) -> JsonObject:
        try:
            with self._transport.get(url, credential, deadline) as reply:
                return _read(reply)
        except NetworkFault as fault:
            raise KommoUnavailable(fault.detail) from fault


def _bearer(access_token: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {_sendable(access_token)}"}


def _sendable(token: str) -> str:
    """The token, where a header can hold it; Kommo would take no other one."""
    if not SENDABLE_TOKEN.match(token):
        raise AccessRefused(401)
    return token


def _read(reply: Reply) -> JsonObject:
    if reply.status == 200:
        return document(reply)
    reply.finish()
    if reply.status >= 500 or reply.status in _OF_THE_MOMENT:
        raise KommoUnavailable(str(reply.status))
    raise AccessRefused(reply.status)
