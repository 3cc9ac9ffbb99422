"""What script.js writes into a bot, apart from what Salesbot's designer lets people do."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from app.domain.widget_package.archive import archive
from sandbox.flows import recommended_flow
from sandbox.kommo_bot import BotRun, Continuation, Request, Show
from sandbox.kommo_design import designed
from sandbox.kommo_server import KommoSimulator
from tests.browser.visits import DESIGNER, Visits
from tests.unit.domain.widget_package.built import ADDRESS, built

DOOR = f"{ADDRESS}/kommo/salesbot"
CALLBACKS = "Object.values(APP.widgets.list)[0].callbacks"


@pytest.fixture(scope="module")
def page(browser: Browser, kommo: KommoSimulator) -> Iterator[Page]:
    """The designer of an account in which the widget is installed; no service is behind it."""
    account = kommo.add_account()
    account.office.upload(archive(built())).status = "installed"
    visits = Visits(browser)
    page = visits.open(account, DESIGNER)
    expect(page.locator("[data-handler=ai_reply]")).to_be_visible()
    yield page
    visits.close()
    assert not visits.complaints


def steps(page: Page, handler: str, params: dict[str, Any] | None) -> Any:
    """What the script returns for a block whose fields hold these params."""
    returned = page.evaluate(
        f"([handler, params]) => {CALLBACKS}.onSalesbotDesignerSave(handler, params)", [handler, params]
    )
    assert isinstance(returned, str)
    return json.loads(returned)


@pytest.mark.parametrize(
    ("params", "instructions"),
    [
        pytest.param(None, "", id="nothing"),
        pytest.param({}, "", id="no fields"),
        pytest.param({"instructions": ""}, "", id="an empty field"),
        pytest.param({"instructions": "-"}, "", id="the default"),
        pytest.param({"instructions": " – "}, "", id="a dash with spaces"),
        pytest.param({"instructions": {"value": "x"}}, "", id="no text"),
        pytest.param({"instructions": " Seja breve. "}, "Seja breve.", id="typed"),
        pytest.param({"value_manual": "Seja breve."}, "Seja breve.", id="typed, as value_manual"),
        pytest.param({"value_manual": "Seja breve.", "instructions": "-"}, "Seja breve.", id="both, one the default"),
        pytest.param({"value_manual": "-", "instructions": "Seja breve."}, "Seja breve.", id="both, the other one"),
        pytest.param({"instructions": "{{lead.cf.7}}"}, "{{lead.cf.7}}", id="a field of the lead"),
    ],
)
def test_the_step_is_the_flow_that_the_simulation_plays(
    page: Page, params: dict[str, Any] | None, instructions: str
) -> None:
    assert steps(page, "ai_reply", params) == recommended_flow(DOOR, "ai_reply", instructions)


def test_another_handler_says_its_own_code(page: Page) -> None:
    assert steps(page, "ai_summary", {}) == recommended_flow(DOOR, "ai_summary")


def test_an_account_with_customers_sends_the_customer(page: Page) -> None:
    page.evaluate("window.leads = APP.getBaseEntity; APP.getBaseEntity = () => 'customers'")
    returned = steps(page, "ai_reply", {})
    page.evaluate("APP.getBaseEntity = window.leads")
    run = BotRun(designed(returned), {"customer.id": "9", "contact.id": "8", "lead.id": "7"}, "Oi")
    asked = run.send()
    assert isinstance(asked, Request)
    assert (asked.data["customer_id"], asked.data["contact_id"], "lead_id" in asked.data) == ("9", "8", False)
    assert run.send(Continuation({"status": "success", "reply": "Olá", "parts": "1"})) == Show("Olá")


def test_the_exits_have_codes_that_never_change(page: Page) -> None:
    exits = page.evaluate(f"{CALLBACKS}.salesbotDesignerSettings().exits.map((exit) => exit.code)")
    assert exits == ["success", "fail"]


def test_every_callback_that_kommo_calls_is_there(page: Page) -> None:
    kinds = page.evaluate(
        f"['render', 'init', 'bind_actions', 'contacts', 'leads', 'todo'].map((name) => {{"
        f"  const callback = {CALLBACKS}[name];"
        f"  return typeof callback === 'function' ? callback() : callback.selected();"
        f"}})"
    )
    assert kinds == [True, True, True, None, None, None]
