"""Drawing a bot in Salesbot's designer."""

from playwright.sync_api import Locator, Page, expect

HANDLER = "ai_reply"


class Designer:
    """The designer on one page; steps are counted from 0."""

    def __init__(self, page: Page) -> None:
        """Wait until the steps that can be added are there."""
        self.page = page
        self._steps = 0
        expect(page.locator("[data-step-kind=pause]")).to_be_visible()

    def add_widget(self, handler: str = HANDLER) -> int:
        """Add the Widget step of this handler; its number."""
        return self._add(f"[data-handler={handler}]")

    def add_pause(self) -> int:
        """Add "Pause: until a message is received"; its number."""
        return self._add("[data-step-kind=pause]")

    def add_message(self, text: str) -> int:
        """Add a message; its number."""
        number = self._add("[data-step-kind=message]")
        self.step(number).locator("textarea").fill(text)
        return number

    def _add(self, entry: str) -> int:
        self.page.locator(f"{entry} button").click()
        number, self._steps = self._steps, self._steps + 1
        expect(self.step(number)).to_be_visible()
        return number

    def step(self, number: int) -> Locator:
        """The block of a step."""
        return self.page.locator(f"[data-step='{number}']")

    def connect(self, step: int, way_out: str, target: int) -> None:
        """Let this exit lead to that step."""
        # The first choice is the end of the bot.
        self.step(step).locator(f"[data-exit={way_out}]").select_option(index=target + 1)

    @property
    def save_button(self) -> Locator:
        """Kommo's Save."""
        return self.page.locator(".js-bot-save")

    def save(self) -> None:
        """Save the bot and wait until Kommo has it."""
        self.save_button.click()
        expect(self.page.locator("[data-bot]")).to_be_visible()

    def draw_loop(self) -> None:
        """Answer, wait for the next message, answer again (kommo.md 1.9, pattern A)."""
        widget, pause = self.add_widget(), self.add_pause()
        self.connect(widget, "success", pause)
        self.connect(pause, "then", widget)
