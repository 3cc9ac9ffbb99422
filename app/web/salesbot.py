"""The door: `POST /kommo/salesbot` verifies, parses, hands over and answers (contract 4)."""

import time
from typing import Any

import structlog
from flask import Blueprint, Response, g, request

from app.domain.acceptance import AccountChanged, StoreUnavailable
from app.domain.accounts import Account, AccountUnknown
from app.domain.return_url import (
    AddressInvalid,
    ContinueUrl,
    ReturnUrlRefused,
    account_origin,
    continue_url,
    expected_audiences,
)
from app.domain.webhook import TokenClaims, Webhook
from app.web.body import limited_body
from app.web.deps import Directory, WebDeps
from app.web.errors import CODES, Refusal, json_response
from app.web.kommo_request import BodyRefused, Fields, Parts, read_fields, read_parts
from app.web.kommo_token import TokenRefused, verified_claims

BODY_LIMIT = 64 * 1024
# How often an account may change between our look and its acceptance before Kommo is told 503.
MOST_LOOKS = 4

_log = structlog.get_logger()


def salesbot_blueprint(deps: WebDeps) -> Blueprint:
    """The door's blueprint. Raises AddressInvalid where PUBLIC_URL is no address."""
    salesbot = Blueprint("salesbot", __name__)
    audiences = expected_audiences(deps.public_url)

    @salesbot.before_request
    def begin() -> None:
        g.began = time.perf_counter()
        g.seen = {}

    @salesbot.after_request
    def tell(response: Response) -> Response:
        """Write the webhook's one line in the log: ids and words of ours, no text of a client, no token."""
        seen: dict[str, Any] = {
            "request_id": None,
            "account_id": None,
            "outcome": CODES.get(response.status_code, "error"),
            "reason": g.get("refused_for"),
            **g.seen,
            "ms": round((time.perf_counter() - g.began) * 1000, 1),
        }
        write = _log.error if response.status_code >= 500 else _log.info
        write("webhook", **seen)
        return response

    @salesbot.post("/kommo/salesbot", provide_automatic_options=False)
    def receive() -> Response:
        return _accepted(deps, _parts(), audiences)

    return salesbot


def _accepted(deps: WebDeps, parts: Parts, audiences: tuple[str, ...]) -> Response:
    """The answer to a webhook; decided anew, by a better directory, where it was refused or the account changed."""
    *earlier, last = deps.directories
    for directory in (*earlier, *[last] * MOST_LOOKS):
        try:
            return _decided(deps, directory, parts, audiences)
        except Refusal:
            if directory is last:
                raise
        except AccountChanged:
            continue
    raise StoreUnavailable("the account changed at every look")


def _decided(deps: WebDeps, directory: Directory, parts: Parts, audiences: tuple[str, ...]) -> Response:
    claims = _claims(directory, parts, audiences)
    g.seen["account_id"] = claims.account_id
    received = _fields(parts)
    account = _account(deps, directory, claims)
    waiting_at = _waiting_at(deps, account, claims, received.return_url)
    try:
        acceptance = deps.accept(account, Webhook(claims, received.data, waiting_at))
    except AccountUnknown:
        raise Refusal(404, "account_removed", "account_not_installed") from None
    g.seen |= {"request_id": acceptance.request_id, "outcome": acceptance.status}
    return json_response({"status": acceptance.status, "request_id": acceptance.request_id})


def _parts() -> Parts:
    try:
        return read_parts(limited_body(request, BODY_LIMIT), request.mimetype)
    except BodyRefused as refused:
        raise Refusal(400, "body", fields=refused.fields) from None


def _claims(directory: Directory, parts: Parts, audiences: tuple[str, ...]) -> TokenClaims:
    try:
        return verified_claims(parts.token, directory.secrets_of, audiences)
    except TokenRefused as refused:
        if refused.algorithm is not None:
            g.seen["algorithm"] = refused.algorithm
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
        raise Refusal(403, "issuer")
    try:
        return continue_url(return_url, origin, claims.bot_type)
    except ReturnUrlRefused as refused:
        raise Refusal(403, f"return_url_{refused.reason}") from None
