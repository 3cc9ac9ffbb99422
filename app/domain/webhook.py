"""A genuine webhook of Kommo as the rest of ByteGPT sees it, and what follows from its fields alone (contract 4-6)."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass, field

from app.domain.return_url import ContinueUrl, Origin

# Ids of Kommo are whole numbers. A key made of one can never equal one made of a hash: those have 32 characters.
_ID = re.compile(r"[0-9]{1,20}")
_HASH_LENGTH = 32
# What Kommo could not fill in arrives as it stood in the bot (kommo.md 2.2).
_PLACEHOLDER = re.compile(r"\{\{(?:(?!\}\}).)*\}\}", re.DOTALL)
_ENTITY_LEAD = "2"
# Unicode categories without anything to see: control and format characters.
_INVISIBLE = ("Cc", "Cf")


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What a verified token says (kommo.md 2.3).

    client_id: the integration that signed it. issuer: None where `iss` is no address at all.
    entity_type, entity_id: what the bot runs on (`2` is a lead); either both or none.
    """

    account_id: int
    client_id: str
    issuer: Origin | None
    subdomain: str | None = None
    entity_type: str | None = None
    entity_id: str | None = None
    bot_type: str | None = None


@dataclass(frozen=True, slots=True)
class WebhookData:
    """What stands in `data`: untrusted text, None where it is absent, empty or a placeholder that was not filled in.

    message is "" where there is none, and kept as it came otherwise: ask has_message about it.
    """

    message: str = field(repr=False)
    instructions: str | None = field(default=None, repr=False)
    contact_id: str | None = field(default=None, repr=False)
    contact_name: str | None = field(default=None, repr=False)
    lead_id: str | None = field(default=None, repr=False)
    origin: str | None = field(default=None, repr=False)
    handler: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Webhook:
    """One handler invocation, verified. str(return_url) is where its bot waits."""

    claims: TokenClaims
    data: WebhookData
    return_url: ContinueUrl


def is_id(text: str | None) -> bool:
    """Whether a text is an id as Kommo writes them: 1 to 20 digits."""
    return text is not None and _ID.fullmatch(text) is not None


def is_placeholder(text: str) -> bool:
    """Whether a text is one placeholder and nothing else, white space around it apart."""
    return _PLACEHOLDER.fullmatch(text.strip()) is not None


def has_message(text: str) -> bool:
    """Whether the client has written anything: not when empty, invisible, or a bare placeholder."""
    return not is_placeholder(text) and not all(_invisible(character) for character in text)


def _invisible(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) in _INVISIBLE


def contact_key(contact_id: str) -> str:
    """The conversation key, within an account, of a contact by the id that a bot sent or an operator wrote."""
    if is_id(contact_id):
        return f"contact-{contact_id}"
    # surrogatepass: an operator's shell may hand over what is no valid text; that is a contact nobody has, no error.
    return f"contact-{hashlib.sha256(contact_id.encode('utf-8', 'surrogatepass')).hexdigest()[:_HASH_LENGTH]}"


def lead_key(lead_id: str) -> str:
    """The conversation key, within an account, of a lead whose bots send no contact."""
    return f"entity-{_ENTITY_LEAD}-{lead_id}"


def conversation_key(webhook: Webhook) -> str | None:
    """The key of the webhook's conversation within its account; None: a turn without memory.

    The contact of the data, else the entity of the verified token (contract 6).
    """
    if webhook.data.contact_id is not None:
        return contact_key(webhook.data.contact_id)
    claims = webhook.claims
    if claims.entity_type is not None and claims.entity_id is not None:
        return f"entity-{claims.entity_type}-{claims.entity_id}"
    return None


def note_lead_id(webhook: Webhook) -> int | None:
    """The lead that notes about this turn go to: of the verified token, else of the data (contract 5)."""
    claims = webhook.claims
    lead_id = claims.entity_id if claims.entity_type == _ENTITY_LEAD else None
    chosen = lead_id if is_id(lead_id) else webhook.data.lead_id
    return int(chosen) if chosen is not None and is_id(chosen) else None
