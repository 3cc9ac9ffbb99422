"""Whether a webhook is let in: the order of the checks is that of contract 4."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from werkzeug import Request

from app.domain.acceptance import Acceptance, AccountChanged, StoreUnavailable
from app.domain.accounts import Account, AccountUnknown
from app.domain.return_url import (
    AddressInvalid,
    ContinueUrl,
    Origin,
    ReturnUrlRefused,
    account_origin,
    continue_url,
)
from app.domain.webhook import TokenClaims, Webhook
from app.web.body import limited_body, usual_form
from app.web.deps import Directory, WebDeps
from app.web.errors import Refusal
from app.web.kommo_jwt import TokenRefused
from app.web.kommo_request import BodyRefused, Fields, Parts, read_fields, read_form, read_parts
from app.web.kommo_token import verified_claims

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

BODY_LIMIT = 64 * 1024
# How often an account may change between our look and its acceptance before Kommo is told 503.
MOST_LOOKS = 4


@dataclass(slots=True)
class Seen:
    """What is known of a webhook for its line in the log. algorithm: of its token, where it was refused for that."""

    account_id: int | None = None
    algorithm: str | None = None


@dataclass(slots=True, eq=False)
class _FromElsewhere(Refusal):
    """A genuine token from an address that is not the account's, as far as we know."""

    account: Account | None = None
    issuer: Origin | None = None


def admitted(deps: WebDeps, environ: "WSGIEnvironment", audiences: tuple[str, ...], seen: Seen) -> Acceptance:
    """What becomes of a webhook; decided anew, by a better directory, where it was refused or the account changed.

    audiences: the values of a token's `aud` that mean this service. seen: is filled in as far as this comes.
    Raises Refusal, StoreUnavailable, and the HTTPException of a body that is too long or cut off.
    """
    parts = _parts(environ)
    *earlier, last = deps.directories
    for directory in (*earlier, *[last] * MOST_LOOKS):
        try:
            return _decided(deps, directory, parts, audiences, seen)
        except _FromElsewhere as refusal:
            if directory is last and not _was_renamed(deps, refusal):
                raise
        except Refusal:
            if directory is last:
                raise
        except AccountChanged:
            continue
    raise StoreUnavailable("the account changed at every look")


def admitted_at_once(deps: WebDeps, form: bytes, audiences: tuple[str, ...], seen: Seen) -> Acceptance:
    """What becomes of a webhook with this form, as far as its sender is remembered.

    Raises WouldWait where one is not, Refusal, StoreUnavailable and AccountChanged, and what damaged records raise.
    """
    try:
        parts = read_form(form)
    except BodyRefused as refused:
        raise Refusal(400, "body", fields=refused.fields) from None
    return _decided(deps, deps.directories[0], parts, audiences, seen)


def _was_renamed(deps: WebDeps, refusal: _FromElsewhere) -> bool:
    return (
        refusal.account is not None
        and refusal.issuer is not None
        and deps.kommo.relearned(refusal.account, refusal.issuer)
    )


def _decided(deps: WebDeps, directory: Directory, parts: Parts, audiences: tuple[str, ...], seen: Seen) -> Acceptance:
    claims = _claims(directory, parts, audiences, seen)
    seen.account_id = claims.account_id
    received = _fields(parts)
    account = _account(deps, directory, claims)
    waiting_at = _waiting_at(deps, account, claims, received.return_url)
    try:
        return deps.accept(account, Webhook(claims, received.data, waiting_at))
    except AccountUnknown:
        raise Refusal(404, "account_removed", "account_not_installed") from None


def _parts(environ: "WSGIEnvironment") -> Parts:
    form = usual_form(environ, BODY_LIMIT)
    try:
        if form is not None:
            return read_form(form)
        sent = Request(environ)
        return read_parts(limited_body(sent, BODY_LIMIT), sent.mimetype)
    except BodyRefused as refused:
        raise Refusal(400, "body", fields=refused.fields) from None


def _claims(directory: Directory, parts: Parts, audiences: tuple[str, ...], seen: Seen) -> TokenClaims:
    try:
        return verified_claims(parts.token, directory.secrets_of, audiences)
    except TokenRefused as refused:
        seen.algorithm = refused.algorithm
        raise Refusal(401, refused.reason) from None


def _fields(parts: Parts) -> Fields:
    try:
        return read_fields(parts)
    except BodyRefused as refused:
        raise Refusal(400, "fields", fields=refused.fields) from None


def _account(deps: WebDeps, directory: Directory, claims: TokenClaims) -> Account:
    account = directory.account(claims.account_id)
    if account is None:
        raise Refusal(404, "account_unknown", "account_not_installed")
    # Whoever owns a private integration can sign tokens for any account: they count for its own only.
    if claims.client_id != (account.client_id or deps.public_client_id):
        raise Refusal(403, "integration")
    return account


def _waiting_at(deps: WebDeps, account: Account, claims: TokenClaims, return_url: str) -> ContinueUrl:
    try:
        origin = account_origin(deps.kommo_base_url, account.subdomain)
    except AddressInvalid:
        raise Refusal(403, "subdomain") from None
    if claims.issuer != origin:
        raise _FromElsewhere(403, "issuer", account=account, issuer=claims.issuer)
    try:
        return continue_url(return_url, origin, claims.bot_type)
    except ReturnUrlRefused as refused:
        raise Refusal(403, f"return_url_{refused.reason}") from None
