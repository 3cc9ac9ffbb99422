"""The token of a `widget_request` (kommo.md 2.3): HS512, signed with the client secret of the integration it names."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import jwt

from app.domain.return_url import AddressInvalid, Origin
from app.domain.webhook import TokenClaims

ALGORITHM = "HS512"
LEEWAY = 30.0

# HMAC fills a key that is shorter than its block with zeros, so filling it up here changes no signature. It only
# keeps PyJWT from warning about each short secret; which secrets there are is Kommo's choice.
_KEY_LENGTH = 64
# Verified against where an integration is unknown, so that the answer takes as long; the outcome is not looked at.
_NOBODYS_SECRET = "nobody"
# No time of a token is later, in seconds since the epoch; NaN and the infinities are none either.
_END_OF_TIME = 2**53
_ACCOUNT_ID = re.compile(r"[1-9][0-9]{0,17}")
_CLIENT_ID = re.compile(r"[!-~]{1,128}")
_ENTITY_TYPE = re.compile(r"[A-Za-z0-9_]{1,32}")
_ENTITY_ID = re.compile(r"[0-9]{1,20}")
_ALGORITHM_NAME = re.compile(r"[A-Za-z0-9_+.-]{1,20}")

_REASONS: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.InvalidSignatureError, "signature"),
    (jwt.ExpiredSignatureError, "expired"),
    (jwt.ImmatureSignatureError, "not_yet_valid"),
    (jwt.InvalidAudienceError, "audience"),
    (jwt.MissingRequiredClaimError, "claim_missing"),
)


class TokenRefused(Exception):
    """The token is not genuine, not for us, or not of now.

    reason: a word for the log; the sender is told none. algorithm: the refused one where that is the reason.
    """

    def __init__(self, reason: str, algorithm: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.algorithm = algorithm


def verified_claims(token: object, secrets_of: Callable[[str], Sequence[str]], audiences: Sequence[str]) -> TokenClaims:
    """Verify a token and return what it says.

    secrets_of: the client secrets of an integration, each of them valid (a rotation has several), empty when unknown.
    audiences: the values of `aud` that mean this service. Raises TokenRefused, and what secrets_of raises.
    """
    if token is None or token == "":
        raise TokenRefused("missing")
    if not isinstance(token, str) or not token.isascii():
        raise TokenRefused("malformed")
    client_id = _named_client(_unverified(token))
    secrets = [secret for secret in secrets_of(client_id) if secret]
    if not secrets:
        with suppress(TokenRefused):
            _verified(token, [_NOBODYS_SECRET], audiences)
        raise TokenRefused("integration_unknown")
    return _claims(_verified(token, secrets, audiences), client_id)


def _unverified(token: str) -> Mapping[str, Any]:
    """The payload before anything is proved: good for nothing but to learn whose secret to verify with."""
    try:
        complete = jwt.decode_complete(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        raise TokenRefused("malformed") from None
    algorithm = complete["header"].get("alg")
    if algorithm != ALGORITHM:
        raise TokenRefused("algorithm", _printable(algorithm))
    payload: Mapping[str, Any] = complete["payload"]
    return payload


def _printable(algorithm: object) -> str:
    """The name of an algorithm as a log may have it: a stranger wrote it."""
    return algorithm if isinstance(algorithm, str) and _ALGORITHM_NAME.fullmatch(algorithm) else "unreadable"


def _named_client(payload: Mapping[str, Any]) -> str:
    """The integration by either of the claim's two spellings (kommo.md 12)."""
    named = [payload[name] for name in ("client_uuid", "client_uid") if payload.get(name) is not None]
    if not named:
        raise TokenRefused("integration_missing")
    client_id = named[0]
    if named[-1] != client_id:
        raise TokenRefused("integrations_differ")
    if not isinstance(client_id, str) or not _CLIENT_ID.fullmatch(client_id):
        raise TokenRefused("integration_malformed")
    return client_id


def _verified(token: str, secrets: Sequence[str], audiences: Sequence[str]) -> Mapping[str, Any]:
    """The payload, by the first secret that signed it."""
    for secret in secrets:
        try:
            payload: Mapping[str, Any] = jwt.decode(
                token,
                secret.encode().ljust(_KEY_LENGTH, b"\0"),
                algorithms=[ALGORITHM],
                audience=audiences,
                leeway=LEEWAY,
                options={"require": ["exp", "aud"], "verify_sub": False, "verify_jti": False},
            )
        except (jwt.InvalidSignatureError, jwt.InvalidKeyError):
            continue
        except jwt.PyJWTError as error:
            raise TokenRefused(_reason(error)) from None
        return payload
    raise TokenRefused("signature")


def _reason(error: jwt.PyJWTError) -> str:
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), "malformed")


def _claims(payload: Mapping[str, Any], client_id: str) -> TokenClaims:
    # PyJWT takes whatever int() takes, "1700000000" included.
    if not all(_is_time(payload[name]) for name in ("exp", "nbf", "iat") if name in payload):
        raise TokenRefused("times")
    account_id = _text(payload.get("account_id"))
    if account_id is None or not _ACCOUNT_ID.fullmatch(account_id):
        raise TokenRefused("account_id")
    entity_type, entity_id = _entity(payload)
    return TokenClaims(
        account_id=int(account_id),
        client_id=client_id,
        issuer=_issuer(payload.get("iss")),
        subdomain=_text(payload.get("subdomain")),
        entity_type=entity_type,
        entity_id=entity_id,
        bot_type=_bot_type(payload.get("bot_type")),
    )


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _END_OF_TIME


def _text(value: object) -> str | None:
    """A claim that Kommo writes as a string or as a number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


def _bot_type(value: object) -> str | None:
    """The claim where the token has it; one that is no text is "", which no return_url agrees with."""
    return value if value is None or isinstance(value, str) else ""


def _entity(payload: Mapping[str, Any]) -> tuple[str, str] | tuple[None, None]:
    entity_type, entity_id = _text(payload.get("entity_type")), _text(payload.get("entity_id"))
    if entity_type is None or entity_id is None:
        return None, None
    if not _ENTITY_TYPE.fullmatch(entity_type) or not _ENTITY_ID.fullmatch(entity_id):
        return None, None
    return entity_type, entity_id


def _issuer(iss: object) -> Origin | None:
    """The address that sent it; None where `iss` is missing or no address, which is then not the account's own."""
    try:
        return Origin.parse(iss) if isinstance(iss, str) else None
    except AddressInvalid:
        return None
