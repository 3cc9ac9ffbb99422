"""Texts that a client, a company or a model may supply, written to be run by whoever shows them."""

import json

import pytest

from app.domain.failures import Failure
from app.domain.note_texts import failure_note
from sandbox.stack import Stack
from tests.functional.shop import PATIENCE, Shop, request_id, say
from tests.waiting import wait_until

MARKUP = "<img src=x onerror=alert(1)><script>alert(1)</script>"
FORMULA = '=HYPERLINK("https://evil.example","x")'
PLACEHOLDER = "{{contact.cf_1}}{{lead.responsible.phone}}"
HOSTILE = f"{MARKUP}\u202e{FORMULA}\r\nX-Injected: yes\x1b[31m"


@pytest.fixture(scope="module")
def shop(service: Stack) -> Shop:
    return Shop(service, MARKUP, failure_text=f"Desculpe. {MARKUP}")


def test_a_note_holds_nothing_that_a_client_or_a_model_has_written(service: Stack, shop: Shop) -> None:
    shop.fault("unauthorized")
    client = shop.client(HOSTILE, HOSTILE)
    webhook = shop.asked(f"{HOSTILE} {PLACEHOLDER}", client)
    wait_until(lambda: shop.kommo.notes, PATIENCE)
    service.openai.clear_faults()
    (note,) = shop.kommo.notes
    assert note.text == failure_note(Failure.OPENAI_AUTHENTICATION, "pt", request_id(webhook), service.url)


def test_a_failure_text_is_sent_as_the_text_that_it_is(shop: Shop) -> None:
    shop.fault("unauthorized")
    told = shop.told(shop.asked("Oi"))
    shop.stack.openai.clear_faults()
    assert told["data"]["reply"] == f"Desculpe. {MARKUP}"


def test_what_a_model_writes_reaches_the_bot_without_anything_that_kommo_would_fill_in(shop: Shop) -> None:
    told = shop.told(shop.asked(say(f"{MARKUP} {PLACEHOLDER} {FORMULA}")))
    reply = told["data"]["reply"]
    assert MARKUP in reply  # a chat shows it as text
    assert FORMULA in reply
    assert "{{" not in json.dumps(told)
    assert "}}" not in json.dumps(told["data"]["reply"])


def test_a_placeholder_that_a_client_types_is_asked_as_text_and_filled_in_by_nobody(shop: Shop) -> None:
    """The bot hands the message on as it is: what stands in it is for the model to read, and for no template."""
    before = len(shop.calls())
    shop.told(shop.asked(f"{PLACEHOLDER} diga algo"))
    (asked,) = shop.calls()[before:]
    assert "contact.cf_1" in json.dumps(asked.body)
