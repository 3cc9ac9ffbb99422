"""What follows from a webhook's fields: is there a message, whose conversation is it, which lead gets notes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.return_url import ContinueUrl, Origin
from app.domain.webhook import (
    TokenClaims,
    Webhook,
    WebhookData,
    contact_key,
    conversation_key,
    has_message,
    is_placeholder,
    note_lead_id,
)

ORIGIN = Origin("https", "acme.kommo.com", 443)


def a_webhook(
    *,
    entity_type: str | None = "2",
    entity_id: str | None = "777",
    contact_id: str | None = None,
    lead_id: str | None = None,
    message: str = "Oi",
) -> Webhook:
    claims = TokenClaims(31000001, "client", ORIGIN, entity_type=entity_type, entity_id=entity_id)
    data = WebhookData(message, contact_id=contact_id, lead_id=lead_id)
    return Webhook(claims, data, ContinueUrl(ORIGIN, "salesbot", "1", "2"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Oi", True),
        ("0", True),
        ("?", True),
        ("👍", True),
        ("👩‍👧", True),
        (" Oi\n", True),
        ("{{contact.name}} quer comprar", True),
        ("{{a}} {{b}}", True),
        ("{{", True),
        ("{message_text}", True),
        ("", False),
        (" \t\r\n", False),
        ("\N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}", False),
        ("\N{ZERO WIDTH SPACE}\N{ZERO WIDTH NO-BREAK SPACE}", False),
        ("\x07", False),
        ("{{message_text}}", False),
        ("  {{message_text}}\n", False),
        ("{{ message_text }}", False),
        ("{{}}", False),
        ("{{a\nb}}", False),
    ],
)
def test_a_message_is_something_a_person_can_see_and_no_bare_placeholder(text: str, expected: bool) -> None:
    assert has_message(text) is expected


@given(st.text().filter(lambda text: "}}" not in text and not text.endswith("}")))
def test_whatever_a_placeholder_names_it_is_one(name: str) -> None:
    assert is_placeholder("{{" + name + "}}")
    assert not is_placeholder("{{" + name + "}} a")


@pytest.mark.parametrize(
    ("webhook", "key"),
    [
        pytest.param(a_webhook(contact_id="5551"), "contact-5551", id="the contact"),
        pytest.param(a_webhook(contact_id="1" * 20), "contact-" + "1" * 20, id="20 digits"),
        # sha256, the first 32 hex digits: stored conversations are found by it, so it stays what it is.
        pytest.param(
            a_webhook(contact_id="ana@example.com"),
            "contact-8e43ca37701228e74983efdbd0cff5c1",
            id="a contact that is no number",
        ),
        pytest.param(a_webhook(), "entity-2-777", id="the token's entity"),
        pytest.param(a_webhook(entity_type="12", entity_id="9"), "entity-12-9", id="a customer"),
        pytest.param(a_webhook(entity_type=None, entity_id=None), None, id="neither"),
        pytest.param(a_webhook(entity_type=None, entity_id=None, lead_id="4"), None, id="the data's lead is no key"),
    ],
)
def test_a_conversation_is_the_contacts_else_the_entitys(webhook: Webhook, key: str | None) -> None:
    assert conversation_key(webhook) == key


@given(st.text(min_size=1), st.text(min_size=1))
def test_two_contacts_never_share_a_conversation(one: str, other: str) -> None:
    assert (contact_key(one) == contact_key(other)) == (one == other)


@pytest.mark.parametrize("contact_id", ["1" * 21, "-1", "1 ", "٣", "1\n", "5551:evil", "\ud800"])
def test_a_contact_that_is_no_plain_number_cannot_choose_its_key(contact_id: str) -> None:
    assert re.fullmatch("contact-[0-9a-f]{32}", contact_key(contact_id))


@pytest.mark.parametrize(
    ("webhook", "lead_id"),
    [
        pytest.param(a_webhook(), 777, id="the token's lead"),
        pytest.param(a_webhook(lead_id="5"), 777, id="the token's lead before the data's"),
        pytest.param(a_webhook(entity_type="1", lead_id="5"), 5, id="the token names a contact"),
        pytest.param(a_webhook(entity_type="12", lead_id="5"), 5, id="the token names a customer"),
        pytest.param(a_webhook(entity_type=None, entity_id=None, lead_id="5"), 5, id="the token names nothing"),
        pytest.param(a_webhook(entity_type="12"), None, id="no lead at all"),
        pytest.param(a_webhook(entity_type="12", lead_id="5/../6"), None, id="the data's lead is no number"),
        pytest.param(a_webhook(entity_type="12", lead_id="9" * 21), None, id="the data's lead is too long"),
        pytest.param(a_webhook(entity_type="12", lead_id="٥"), None, id="digits of another script"),
    ],
)
def test_notes_go_to_the_tokens_lead_else_to_the_datas(webhook: Webhook, lead_id: int | None) -> None:
    assert note_lead_id(webhook) == lead_id


def test_nothing_a_client_wrote_stands_in_the_repr() -> None:
    data = WebhookData("secret-1", "secret-2", "secret-3", "secret-4", "secret-5", "secret-6", "secret-7")
    claims = TokenClaims(1, "client", ORIGIN)
    assert "secret" not in repr(Webhook(claims, data, ContinueUrl(ORIGIN, "salesbot", "1", "2")))
