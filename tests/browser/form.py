"""The widget's form as people use it, by the names in its elements."""

from typing import Self

from playwright.sync_api import Locator, Page, expect

MODAL = ".modal"


def agree_and_install(page: Page) -> None:
    """Press Install in the open modal."""
    page.locator(".widget-settings__consent input").check()
    page.locator(".js-widget-install").click()


class Form:
    """The open settings of one page."""

    def __init__(self, page: Page) -> None:
        """Wait until the saved settings and the usage stand in the form; its modal is open."""
        self.page = page
        expect(self.field("assistant_id")).to_be_visible()
        expect(self.part("usage").locator("[role=meter]")).to_be_visible()

    @classmethod
    def opened(cls, page: Page) -> Self:
        """Open the modal first."""
        page.locator(".js-open-widget").click()
        return cls(page)

    def field(self, name: str) -> Locator:
        """A field by its name in the API; it may stand in a folded part."""
        return self.page.locator(f"#bytegpt-{name}")

    def error(self, name: str) -> Locator:
        """What is said about a wrong field."""
        return self.page.locator(f"#bytegpt-{name}-error")

    def part(self, name: str) -> Locator:
        """Something that is marked for scripts: buttons, results, folded parts."""
        return self.page.locator(f"[data-bytegpt={name}]")

    def unfold(self, name: str) -> None:
        """Open a folded part."""
        self.part(name).locator("summary").click()

    def type(self, **values: str) -> None:
        """Write into fields."""
        for name, value in values.items():
            self.field(name).fill(value)

    def test(self, outcome: str) -> Locator:
        """Press "Test"; the result, when it is `ok` or `failed`."""
        self.part("test").click()
        return self._result("result", outcome)

    def save(self, outcome: str = "ok") -> Locator:
        """Press the form's own "Save"; the result."""
        self.part("save").click()
        return self._result("saved", outcome)

    def _result(self, name: str, outcome: str) -> Locator:
        result = self.part(name)
        expect(result).to_have_attribute("data-outcome", outcome)
        return result
