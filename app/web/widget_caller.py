"""Who calls the widget's API: the token, the page it is sent from, and the account both must belong to (kommo.md 6)."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import g, request

from app.domain.accounts import LOCALES, Account
from app.domain.return_url import AddressInvalid, Origin, account_origin
from app.web.deps import WebDeps
from app.web.errors import Refusal
from app.web.kommo_jwt import TokenRefused
from app.web.widget_token import WidgetClaims, widget_claims

TOKEN_HEADER = "X-Auth-Token"


@dataclass(frozen=True, slots=True)
class Caller:
    """A user of an account, in a page of that account."""

    account: Account
    claims: WidgetClaims


def identified(deps: WebDeps, audiences: Sequence[str]) -> Caller:
    """Who sends the present request. Raises Refusal and StoreUnavailable.

    Nothing of a caller is remembered: each request is looked at with the account and the secrets as they are now.
    """
    try:
        claims = widget_claims(request.headers.get(TOKEN_HEADER), deps.directories[-1].secrets_of, audiences)
    except TokenRefused as refused:
        if refused.algorithm is not None:
            g.seen["algorithm"] = refused.algorithm
        raise Refusal(401, refused.reason) from None
    g.seen |= {"account_id": claims.account_id, "user_id": claims.user_id}
    account = _account(deps, claims)
    told = claims.issuer
    if told is not None and told != _origin_of(deps, account) and deps.kommo.relearned(account, told):
        account = _account(deps, claims)
    _in_its_own_page(_origin_of(deps, account), claims)
    _in_a_language(account)
    return Caller(account, claims)


def require_admin(caller: Caller) -> None:
    """Raise Refusal for a user who may look and not change."""
    if not caller.claims.is_admin:
        raise Refusal(403, "not_admin", "admin_required")


def _account(deps: WebDeps, claims: WidgetClaims) -> Account:
    account = deps.directories[-1].account(claims.account_id)
    if account is None or account.access == "revoked":
        raise Refusal(404, "account_unknown" if account is None else "account_revoked", "account_not_installed")
    # Whoever owns a private integration can sign tokens for any account: they count for its own only.
    if claims.client_id != (account.client_id or deps.public_client_id):
        raise Refusal(403, "integration")
    return account


def _origin_of(deps: WebDeps, account: Account) -> Origin:
    try:
        return account_origin(deps.kommo_base_url, account.subdomain)
    except AddressInvalid:
        raise Refusal(403, "subdomain") from None


def _in_its_own_page(origin: Origin, claims: WidgetClaims) -> None:
    if claims.issuer != origin:
        raise Refusal(403, "issuer")
    page = request.headers.get("Origin")
    if page is not None and _origin_or_none(page) != origin:
        # A page of another account may not even read this.
        g.readable = False
        raise Refusal(403, "origin")


def _in_a_language(account: Account) -> None:
    """Speak the language that was asked for from here on, else the account's."""
    asked = request.args.get("lang")
    if asked is None:
        g.locale = account.locale
    elif asked not in LOCALES:
        raise Refusal(400, "lang", fields={"lang": [f"Must be one of: {', '.join(LOCALES)}."]})


def _origin_or_none(text: str) -> Origin | None:
    try:
        return Origin.parse(text)
    except AddressInvalid:
        return None
