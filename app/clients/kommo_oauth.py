"""Kommo's token endpoint (kommo.md 5.3)."""

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from app.clients.http import NetworkFault, PartnerSession, Reply
from app.clients.kommo_transport import MAYBE_ARRIVED, SENDABLE_TOKEN, KommoTransport, document
from app.domain.answers import Deadline
from app.domain.oauth_tokens import GrantRefused, OAuthIntegration, Tokens, TokensUnavailable

# 4xx that say something about the moment and nothing about the grant.
_OF_THE_MOMENT = frozenset({408, 425, 429})


class _TokensSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    access_token = fields.String(required=True, validate=validate.Regexp(SENDABLE_TOKEN))
    refresh_token = fields.String(required=True, validate=validate.Regexp(SENDABLE_TOKEN))
    expires_in = fields.Integer(required=True, strict=True, validate=validate.Range(min=1))


class KommoOAuth:
    """Gets tokens. Every method is one call, and raises GrantRefused and TokensUnavailable."""

    def __init__(self, session: PartnerSession, connect_timeout: float, read_timeout: float) -> None:
        """connect_timeout: seconds for name, TCP and TLS together. read_timeout: the longest silence, in seconds."""
        self._transport = KommoTransport(session, connect_timeout, read_timeout)

    def exchange_code(self, origin: str, integration: OAuthIntegration, code: str, deadline: Deadline) -> Tokens:
        """The tokens for the code of an installation, which works once and for 20 minutes.

        origin: scheme, host and port of the account's address; the secret is sent there.
        """
        return self._tokens(origin, integration, {"grant_type": "authorization_code", "code": code}, deadline)

    def refresh(self, origin: str, integration: OAuthIntegration, refresh_token: str, deadline: Deadline) -> Tokens:
        """New tokens for a refresh token. The caller sees to it that one account is refreshed once at a time."""
        grant = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return self._tokens(origin, integration, grant, deadline)

    def _tokens(self, origin: str, integration: OAuthIntegration, grant: dict[str, str], deadline: Deadline) -> Tokens:
        body = {
            "client_id": integration.client_id,
            "client_secret": integration.client_secret,
            "redirect_uri": integration.redirect_uri,
            **grant,
        }
        asked_at = deadline.clock()
        try:
            with self._transport.post(f"{origin}/oauth2/access_token", body, deadline) as reply:
                return _tokens(reply, asked_at)
        except NetworkFault as fault:
            raise TokensUnavailable(fault.detail, maybe_granted=fault.fault in MAYBE_ARRIVED) from fault


def _tokens(reply: Reply, asked_at: float) -> Tokens:
    if reply.status >= 500 or reply.status in _OF_THE_MOMENT:
        reply.finish()
        raise TokensUnavailable(str(reply.status))
    if reply.status >= 300:
        reply.finish()
        raise GrantRefused(reply.status)
    try:
        loaded = _TokensSchema().load(document(reply))
    except ValidationError:
        # Without its cause, which holds the tokens.
        raise TokensUnavailable("not_tokens", maybe_granted=True) from None
    return Tokens(loaded["access_token"], loaded["refresh_token"], asked_at + loaded["expires_in"])
