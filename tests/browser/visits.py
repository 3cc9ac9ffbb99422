"""People who look at the pages of an account in a real browser."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from sandbox.front.people import Language, Theme
from sandbox.kommo_accounts import Account

SETTINGS, ADVANCED, DESIGNER, CHAT = "/settings/widgets", "/advanced", "/salesbot/designer", "/chat"

# In the order of sandbox.front.people.staff.
ADMIN, SELLER, SECOND_ADMIN = range(3)

# What the browser says by itself: a status of 400 or more, which pages deal with, and hints about forms.
_OF_CHROMIUM = ("Failed to load resource: the server responded with a status of", "[DOM] ")

WIDE, NARROW = (1280, 900), (390, 844)


@dataclass(frozen=True, slots=True)
class Look:
    """How somebody's pages look."""

    language: Language = "pt"
    theme: Theme = "light"
    size: tuple[int, int] = WIDE


class Visits:
    """Opens pages, each person in a browser profile of their own, and writes down what scripts complain about.

    A page error, a message on the console and a request that never got an answer are complaints.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.complaints: list[str] = []

    def open(self, account: Account, path: str = SETTINGS, *, person: int = ADMIN, look: Look | None = None) -> Page:
        """Let this person of the account look at a page. person: ADMIN, SELLER or SECOND_ADMIN."""
        look = look or Look()
        width, height = look.size
        context = self._browser.new_context(viewport={"width": width, "height": height}, locale=look.language)
        context.set_default_timeout(15_000)
        self._contexts.append(context)
        page = context.new_page()
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        user = account.office.users[person]
        profile = {"user": user.user_id, "language": look.language, "theme": look.theme, "to": path}
        page.goto(_address(f"{account.url}/login", profile))
        return page

    def close(self) -> None:
        """Close every page."""
        for context in self._contexts:
            context.close()

    def _heard(self, message: ConsoleMessage) -> None:
        if not message.text.startswith(_OF_CHROMIUM):
            self.complaints.append(f"{message.type}: {message.text}")


def _address(url: str, query: Mapping[str, object]) -> str:
    return f"{url}?{urlencode(query)}"
