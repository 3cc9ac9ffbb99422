"""`bytegpt demo --keep-running`: what it leaves up can be looked at with a browser."""

import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from app.childprocess import ChildProcess
from tests.browser.form import Form
from tests.waiting import wait_until

COMMAND = [sys.executable, "-m", "app.cli.main", "demo", "--fault", "no_message", "--keep-running"]
PAGES = re.compile(r"Kommo of Padaria .* (http://127\.0\.0\.1:\d+)")
START_SECONDS = 90.0


@pytest.fixture
def printed(tmp_path: Path) -> Iterator[Path]:
    """What a demo has printed that has come to its end and stays up."""
    output = tmp_path / "demo.txt"
    with output.open("wb") as out:
        demo = ChildProcess(COMMAND, output=out)
        try:
            # The last line of the table.
            wait_until(lambda: "logs" in output.read_text(), START_SECONDS)
            yield output
            demo.send_signal(signal.SIGINT)
            assert demo.wait(30)
        finally:
            demo.kill_group()
    assert demo.returncode == 0


def test_the_widget_is_installed_in_the_accounts_of_the_demo(printed: Path, browser: Browser) -> None:
    found = PAGES.search(printed.read_text())
    assert found is not None
    with browser.new_page() as page:
        page.goto(found[1])
        form = Form.opened(page)
        expect(form.part("notices")).to_contain_text("Tudo pronto")
