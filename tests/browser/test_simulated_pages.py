"""The simulated pages treat a widget as Kommo's own do (kommo.md 1.2 to 1.4, 1.8, 6, 7)."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jwt
import pytest
from playwright.sync_api import Browser, Page, expect

from sandbox.front.people import LANGUAGES, Language
from sandbox.kommo_accounts import Account
from sandbox.kommo_server import KommoSimulator
from tests.browser.visits import ADMIN, ADVANCED, CHAT, DESIGNER, NARROW, SELLER, SETTINGS, Look, Visits
from tests.widget_archives import TEXTS, widget_files, zipped


def with_tiny_widget(kommo: KommoSimulator) -> Account:
    account = kommo.add_account()
    account.office.upload(zipped(widget_files())).status = "installed"
    return account


@pytest.fixture
def account(kommo: KommoSimulator) -> Account:
    """An account in which the tiny widget is installed."""
    return with_tiny_widget(kommo)


@pytest.fixture(scope="module")
def open_page(kommo: KommoSimulator, browser: Browser) -> Iterator[Page]:
    """The settings of such an account, opened once for all who only look."""
    visits = Visits(browser)
    page = visits.open(with_tiny_widget(kommo))
    expect(page.locator(".js-open-widget")).to_be_enabled()
    yield page
    visits.close()
    assert not visits.complaints


@pytest.fixture
def hooks() -> Iterator[ThreadingHTTPServer]:
    """A server of another origin that answers whatever comes and keeps `requests`."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.requests.append(self)  # type: ignore[attr-defined]
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Access-Control-Allow-Headers", "X-Auth-Token")
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"seen": true}')

        do_OPTIONS = do_GET  # noqa: N815 - named by the method

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - of the base class
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.requests = []  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def notes(page: Page) -> list[str]:
    """What the tiny widget says has happened to it."""
    return page.locator(".tiny").all_inner_texts()


def open_settings(page: Page) -> None:
    page.locator(".js-open-widget").click()
    expect(page.locator("#tiny_own")).to_be_visible()


def type_own(page: Page, text: str) -> None:
    page.locator("#tiny_own").fill(text)
    page.locator("#tiny_own").press("Tab")


def test_an_administrator_uploads_installs_saves_and_uninstalls(
    kommo: KommoSimulator, visits: Visits, hooks: ThreadingHTTPServer, tmp_path: Path
) -> None:
    hook = f"http://127.0.0.1:{hooks.server_port}/callback"
    account = kommo.add_account(redirect_uri=hook)
    archive = tmp_path / "widget.zip"
    archive.write_bytes(zipped(widget_files()))

    page = visits.open(account)
    page.locator("[name=archive]").set_input_files(archive)
    open_settings(page)
    install = page.locator(".js-widget-install")
    expect(install).to_be_disabled()
    page.locator(".widget-settings__consent input").check()
    install.click()

    save = page.locator(".js-widget-save")
    expect(save).to_be_disabled()
    type_own(page, "kept")
    save.click()
    expect(page.locator(".modal")).to_have_count(0)
    assert notes(page) == ["settings install", "saved Y", "installed", "settings installed", "saved Y kept"]
    assert account.office.widget is not None
    assert (account.office.widget.status, account.office.widget.settings) == ("installed", {"custom": "kept"})

    open_settings(page)
    page.locator(".js-widget-uninstall").click()
    expect(install).to_be_visible()
    assert notes(page)[-3:] == ["saved N kept", "destroyed", "settings install"]
    assert [(sent.url, sent.status) for sent in account.office.hooks] == [(hook, 200)]
    query = hooks.requests[0].path.partition("?")[2]  # type: ignore[attr-defined]
    assert {"code", "referer", "client_id", "from_widget"} == {pair.partition("=")[0] for pair in query.split("&")}


def test_a_refused_upload_says_why(kommo: KommoSimulator, visits: Visits, tmp_path: Path) -> None:
    archive = tmp_path / "widget.zip"
    archive.write_bytes(zipped(widget_files() | {"notes.txt": b""}))
    page = visits.open(kommo.add_account())
    page.locator("[name=archive]").set_input_files(archive)
    expect(page.locator(".notification_error")).to_contain_text("notes.txt does not belong")


def test_save_wakes_up_by_kommos_own_field_alone(account: Account, visits: Visits) -> None:
    page = visits.open(account)
    open_settings(page)
    page.locator("#tiny_own").press_sequentially("typed, not handed over")
    expect(page.locator(".js-widget-save")).to_be_disabled()
    page.locator("#tiny_own").press("Tab")
    expect(page.locator(".js-widget-save")).to_be_enabled()


def test_a_refused_save_keeps_the_modal_and_saves_nothing(account: Account, visits: Visits) -> None:
    page = visits.open(account)
    open_settings(page)
    type_own(page, "refuse")
    page.locator(".js-widget-save").click()
    expect(page.locator(".tiny").last).to_have_text("saved Y refuse")
    expect(page.locator(".js-widget-save")).to_be_enabled()
    assert account.office.widget is not None
    assert account.office.widget.settings == {}


def test_who_is_no_administrator_can_neither_install_nor_save(account: Account, visits: Visits) -> None:
    page = visits.open(account, person=SELLER)
    expect(page.locator("[name=archive]")).to_have_count(0)
    open_settings(page)
    type_own(page, "mine")
    expect(page.locator(".js-widget-save")).to_be_disabled()
    expect(page.locator(".js-widget-uninstall, .js-widget-install")).to_have_count(0)
    status = page.evaluate(
        "code => fetch(`/ajax/widgets/${code}/save`, {method: 'POST', body: '{}'}).then(answer => answer.status)",
        account.office.widget and account.office.widget.code,
    )
    assert status == 403


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_come_in_the_language_of_the_user(account: Account, visits: Visits, language: Language) -> None:
    page = visits.open(account, look=Look(language))
    open_settings(page)
    expect(page.locator("#tiny_greeting")).to_have_text(TEXTS[language]["settings"]["greeting"])
    assert page.evaluate("APP.lang_id") == language


def test_the_theme_is_told_to_the_page(account: Account, visits: Visits) -> None:
    page = visits.open(account, look=Look(theme="dark", size=NARROW))
    assert page.evaluate("document.documentElement.dataset.colorScheme") == "dark"
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW[0]


def test_the_page_of_the_widget_is_its_own(account: Account, visits: Visits) -> None:
    page = visits.open(account, ADVANCED)
    expect(page.locator("#tiny_area")).to_have_text("advanced-settings")
    expect(page.locator(".content__top__preset")).to_have_text("Tiny page")


@pytest.mark.parametrize(("person", "admin"), [(ADMIN, True), (SELLER, False)], ids=["admin", "seller"])
def test_authorized_ajax_tells_another_server_who_asks(
    account: Account, visits: Visits, hooks: ThreadingHTTPServer, person: int, admin: bool
) -> None:
    page = visits.open(account, person=person)
    expect(page.locator(".js-open-widget")).to_be_enabled()
    url = f"http://127.0.0.1:{hooks.server_port}/settings"
    answer = page.evaluate("url => tinyWidget.$authorizedAjax({url: url, dataType: 'json'}).promise()", url)
    assert answer == {"seen": True}
    preflight, request = hooks.requests  # type: ignore[attr-defined]
    assert (preflight.command, request.command, request.headers["Origin"]) == ("OPTIONS", "GET", account.url)
    claims = jwt.decode(
        request.headers["X-Auth-Token"], account.integration.secret, algorithms=["HS256"], audience="http://127.0.0.1"
    )
    assert (claims["user_id"], claims["is_admin"]) == (account.office.users[person].user_id, admin)
    assert (claims["iss"], claims["exp"] - claims["iat"]) == (account.url, 1800)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        pytest.param("self.i18n('settings').greeting + self.i18n('settings.greeting')", "OláOlá", id="i18n"),
        pytest.param("self.system().amouser_id", 9001001, id="system"),
        pytest.param("(system => system().subdomain === location.port)(self.system)", True, id="a bare system"),
        pytest.param("self.get_version()", "1.0.0", id="get_version"),
        pytest.param("self.get_install_status()", "installed", id="get_install_status"),
        pytest.param(
            "[self.set_status('error'), self.get_install_status(), self.set_status('installed')][1]", "error",
            id="set_status",
        ),
        pytest.param("(self.set_settings({own: 1}), self.get_settings().own)", 1, id="set_settings"),
        pytest.param("(self.set_callbacks({more: () => 'more'}), self.callbacks.more())", "more", id="set_callbacks"),
        pytest.param("(self.set_lang({own: 'x'}), self.i18n('own'))", "x", id="set_lang"),
        pytest.param("self.render({data: '<b>{{ a.b }}</b>'}, {a: {b: '<i>'}})", "<b>&lt;i&gt;</b>", id="render"),
        pytest.param(
            "$(self.render({ref: '/tmpl/controls/input.twig'}, {value: '\"'})).val()", '"', id="one of Kommo's controls"
        ),
        pytest.param(
            "new Promise(done => self.render({href: '/i18n/en.json', base_path: self.params.path, load: found =>"
            " done(found.render({}).includes('Tiny'))}))", True, id="a file of the widget",
        ),
        pytest.param("APP.constant('user').name + APP.constant('user').theme", "Ana Souza1", id="who looks"),
        pytest.param("APP.getBaseEntity() + APP.isCard() + APP.getWidgetsArea()", "leadsfalsesettings", id="where"),
        pytest.param(
            "(APP.notifications.show_message({header: 'H', text: 'T'}), $('.notification_information').text())", "HT",
            id="notifications",
        ),
    ],
)  # fmt: skip
def test_a_widget_finds_what_kommo_gives_it(open_page: Page, expression: str, value: object) -> None:
    assert open_page.evaluate(f"((self, $) => {expression})(tinyWidget, jQuery)") == value


def test_a_widget_opens_windows_of_its_own(account: Account, visits: Visits) -> None:
    page = visits.open(account)
    expect(page.locator(".js-open-widget")).to_be_enabled()
    page.evaluate(
        "new Promise(done => require(['lib/components/base/modal'], Modal => done(void new Modal({"
        "  class_name: 'own', init: $body => $body.html('<p>Hello</p>').trigger('modal:loaded')"
        "}))))"
    )
    expect(page.locator(".modal.own p")).to_have_text("Hello")
    page.locator(".modal.own .modal-body__close").click()
    expect(page.locator(".modal.own")).to_have_count(0)


# --- the designer -----------------------------------------------------------------------------------------------------


def test_a_bot_is_drawn_saved_and_answers(account: Account, visits: Visits) -> None:
    page = visits.open(account, DESIGNER)
    expect(page.locator(".js-bot-save")).to_be_disabled()
    page.locator("[data-handler=tiny] button").click()
    assert page.locator("[data-step='0'] .salesbot-block__exit span").all_inner_texts() == ["Answered", "Failed"]
    page.locator("[data-step-kind=pause] button").click()
    page.locator("[data-step='0'] [data-exit=success]").select_option(index=2)
    page.locator("[data-step='1'] [data-exit=then]").select_option(index=1)
    expect(page.locator(".designer-lines > path")).to_have_count(2)
    page.locator(".js-bot-save").click()
    expect(page.locator("[data-bot]")).to_be_visible()

    client = account.client("Maria")
    assert client.ask("oi") == client.ask("oi de novo") == ['tiny 1.0.0 {"words":"Olá!"}']


def test_a_saved_bot_keeps_what_the_old_version_of_the_widget_wrote(account: Account, visits: Visits) -> None:
    page = visits.open(account, DESIGNER)
    page.locator("[data-handler=tiny] button").click()
    page.locator(".js-bot-save").click()
    expect(page.locator("[data-bot]")).to_be_visible()
    account.office.upload(zipped(widget_files(version="1.0.1")))
    assert account.client("Maria").ask("oi")[0].startswith("tiny 1.0.0 ")

    page.reload()
    page.locator("[data-handler=tiny] button").click()
    page.locator(".js-bot-save").click()
    expect(page.locator("[data-bot]")).to_be_visible()
    assert account.client("Maria").ask("oi")[0].startswith("tiny 1.0.1 ")


@pytest.mark.parametrize(
    ("options", "editable", "savable"),
    [
        pytest.param({"manual": False}, False, True, id="a field of the CRM"),
        pytest.param({"manual": True}, True, False, id="typed"),
        pytest.param({"required": False}, True, False, id="optional without a default"),
        pytest.param({"manual": True, "required": False}, False, True, id="typed and optional"),
        pytest.param({"required": False, "default_value": "x"}, True, True, id="optional with a default"),
    ],
)
def test_fields_follow_the_rules_that_were_measured(
    kommo: KommoSimulator, visits: Visits, options: dict[str, Any], editable: bool, savable: bool
) -> None:
    account = kommo.add_account()
    field = {"name": "salesbot.words", "type": "text", **options}
    account.office.upload(zipped(widget_files(field=field))).status = "installed"
    page = visits.open(account, DESIGNER)
    page.locator("[data-handler=tiny] button").click()
    typed = page.locator("textarea[name=words]:not([readonly])")
    expect(typed).to_have_count(int(editable))
    expect(page.locator(".js-bot-save")).to_be_enabled(enabled=savable)
    if editable:
        typed.fill("something")
        expect(page.locator(".js-bot-save")).to_be_enabled()
        typed.fill(" ")
        expect(page.locator(".js-bot-save")).to_be_disabled()


def test_typed_text_may_come_under_another_name(account: Account, visits: Visits) -> None:
    page = visits.open(account, f"{DESIGNER}?typed_as=value_manual")
    page.locator("[data-handler=tiny] button").click()
    page.locator("textarea[name=words]").fill("Seja breve")
    page.locator(".js-bot-save").click()
    expect(page.locator("[data-bot]")).to_be_visible()
    shown = account.client("Maria").ask("oi")[0].removeprefix("tiny 1.0.0 ")
    assert json.loads(shown) == {"value_manual": "Seja breve"}


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        pytest.param("[]", "a flow needs at least one step", id="no step"),
        pytest.param('[{"question": [{"handler": "dance", "params": {}}]}]', "dance", id="unknown handler"),
        pytest.param('[{"question": [{"handler": "show"}]}]', "cannot be read", id="no params"),
        pytest.param('[{"execute_handler": []}]', "a step consists of", id="outside of a question"),
    ],
)
def test_a_bot_that_cannot_run_is_not_saved(account: Account, visits: Visits, returned: str, reason: str) -> None:
    page = visits.open(account, DESIGNER)
    page.locator("[data-handler=tiny] button").click()
    page.evaluate("returned => { tinyWidget.callbacks.onSalesbotDesignerSave = () => returned; }", returned)
    page.locator(".js-bot-save").click()
    expect(page.locator(".notification_error")).to_contain_text(reason)
    assert not account.bots


def test_a_client_writes_and_reads_on_the_page_of_the_chats(account: Account, visits: Visits) -> None:
    account.add_bot([{"question": [{"handler": "show", "params": {"type": "text", "value": "Olá {{name}}"}}]}])
    page = visits.open(account, CHAT)
    page.locator("[name=name]").fill("João")
    page.locator("form button").click()
    page.locator("[name=text]").fill("oi")
    page.locator("[name=text]").press("Enter")
    expect(page.locator("[data-who=bot]")).to_have_text("Olá João")


# Later, because what a test evaluates by itself is exempt from the page's policy.
EVALUATED_LATER = """
new Promise(resolve => setTimeout(() => {
  try { resolve(eval('1')); } catch (error) { resolve(error.name); }
  console.log('hello');
  throw new Error('oops');
}))
"""


def test_a_widget_may_neither_evaluate_texts_nor_write_on_the_console(account: Account, visits: Visits) -> None:
    page = visits.open(account)
    with page.expect_event("pageerror"):
        assert page.evaluate(EVALUATED_LATER) == "EvalError"
    assert {"log: hello", "page error: oops"} <= set(visits.complaints)
    visits.complaints.clear()


def test_calls_of_browsers_are_no_calls_of_the_api(kommo: KommoSimulator, account: Account, visits: Visits) -> None:
    before = len(kommo.calls)
    visits.open(account, SETTINGS)
    assert len(kommo.calls) == before
