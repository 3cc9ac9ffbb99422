"""Operators before the console in a real Chromium.

How to use it: take the fixtures `service` (the whole service, with a console) and `operators`.

    def test_something(service: Stack, operators: Operators, pictures: Path | None) -> None:
        page = operators.enter("/console/accounts")               # a new browser that logs in and then opens the page
        page.get_by_role("button", name="Entrar")                 # …
        assert troubles(page) == []                               # axe-core: nothing serious
        seen_everywhere(page, pictures, "accounts")               # light and dark, wide and narrow: axe, nothing sticks
                                                                  # out; pictures with `--screenshots DIR`

Scripts that complain, and whatever the pages' Content-Security-Policy blocks, make the test fail at its end. The policy
holds here as everywhere, so `page.wait_for_function` with a text fails: wait with `expect` and selectors.
"""

from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from sandbox.stack import Stack
from tests.browser.looks import photograph, sticking_out
from tests.browser.visits import NARROW, WIDE
from tests.consoles import PASSWORD, USERNAME, password_hash

_AXE = Path(__file__).parent / "axe" / "axe.min.js"
# What the browser says by itself of a status of 400 or more.
_OF_CHROMIUM = "Failed to load resource: the server responded with a status of"
_FOUND_BY_AXE = """
async () => (await axe.run()).violations.map(one => ({
  rule: one.id, impact: one.impact, where: one.nodes.map(node => node.html.slice(0, 120)),
}))
"""


def offer_console(stack: Stack) -> None:
    """Let the service have an operator whose password is known here, before its processes start."""
    stack.environment |= {"ADMIN_USERNAME": USERNAME, "ADMIN_PASSWORD_HASH": password_hash()}


class Operators:
    """Opens the console, each time in a browser profile of its own, and writes down what pages complain about."""

    def __init__(self, browser: Browser, service: Stack) -> None:
        self._browser = browser
        self._service = service
        self._contexts: list[BrowserContext] = []
        self.complaints: list[str] = []

    def open(self, path: str = "/console/", size: tuple[int, int] = WIDE) -> Page:
        """Look at a page as somebody who has not logged in."""
        width, height = size
        context = self._browser.new_context(
            viewport={"width": width, "height": height}, locale="pt-BR", base_url=self._service.url
        )
        context.set_default_timeout(15_000)
        context.add_init_script(path=_AXE)
        self._contexts.append(context)
        page = context.new_page()
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        page.goto(path)
        return page

    def enter(self, path: str = "/console/", size: tuple[int, int] = WIDE) -> Page:
        """Log in, and look at a page."""
        page = self.open(f"/console/login?next={path}", size)
        log_in(page)
        page.wait_for_url(self._service.url + path)
        return page

    def close(self) -> None:
        """Close every page."""
        for context in self._contexts:
            context.close()

    def _heard(self, message: ConsoleMessage) -> None:
        if not message.text.startswith(_OF_CHROMIUM):
            self.complaints.append(f"{message.type}: {message.text}")


def log_in(page: Page, password: str = PASSWORD) -> None:
    """Fill in the login's form, and send it."""
    page.get_by_label("Usuário").fill(USERNAME)
    page.get_by_label("Senha").fill(password)
    page.get_by_role("button", name="Entrar").click()


def troubles(page: Page) -> list[dict[str, Any]]:
    """What axe-core finds on the page as it is now, of any weight."""
    return list(page.evaluate(_FOUND_BY_AXE))


def seen_everywhere(page: Page, pictures: Path | None, name: str) -> None:
    """Check a page in both themes and both sizes, and photograph it if somebody wants to see it."""
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        for width, height in (WIDE, NARROW):
            page.set_viewport_size({"width": width, "height": height})
            if pictures is not None:
                photograph(page, pictures / f"{name}-{theme}-{width}.png")
            # The heads of tables are clipped on narrow screens, where each cell says its own.
            wide = [one for one in sticking_out(page, "main") if not one.startswith('<th scope="col"')]
            found = [*wide, *troubles(page)]
            assert not found, found
            assert page.evaluate("document.documentElement.scrollWidth") <= width
