"""The page of other daemons: with a token, with no service at all, and gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.system.console.page import Page
from tests.system.daemon import Daemon

if TYPE_CHECKING:
    from pathlib import Path

    from selenium.webdriver import Chrome

CONFIG = """\
services:
  hello: {listen: "tcp:0:interface=127.0.0.1", protocol: reply, reply: hi, then: close}
console: {listen: "tcp:0:interface=127.0.0.1", token_file: token}
"""
TOKEN = "correct-horse-battery-staple-0123456789"

EMPTY = """\
services: {}
console: {listen: "tcp:0:interface=127.0.0.1"}
"""


def test_nothing_served_is_a_beginning(browser: Chrome, tmp_path: Path) -> None:
    """Where there is no service, the page offers some that work, and after the last one is removed it does again."""
    with Daemon(tmp_path, EMPTY, listeners=1) as daemon:
        page = Page(browser, f"http://127.0.0.1:{daemon.at('console').port}/")
        page.open()
        page.says("#nothing", "Nothing is served yet")
        page.shoot("empty")

        page.click("#nothing-starts button:nth-child(2)")
        page.click("#editor-save")
        page.one("tr[data-name=echo-udp]")
        page.gone("#nothing")
        page.act("Try", "echo-udp")
        page.click("#try-send")
        page.says("#try-results .answer .content", "hello")
        page.act("Remove", "echo-udp")
        page.one("#nothing")
        assert page.complaints() == []
        browser.get("about:blank")


def test_the_token_is_asked_for(browser: Chrome, tmp_path: Path) -> None:
    """A wrong one is refused, the right one is kept for the tab alone; a daemon that is gone is told."""
    (tmp_path / "token").write_text(TOKEN + "\n", encoding="utf-8")
    (tmp_path / "token").chmod(0o600)
    with Daemon(tmp_path, CONFIG, listeners=2) as daemon:
        page = Page(browser, f"http://127.0.0.1:{daemon.at('console').port}/")
        browser.get(page.url)
        page.look()

        page.type("#token-input", "wrong")
        page.press("\ue007")
        page.one("#token-wrong")
        page.shoot("token")
        page.click("#token-cancel")
        page.says("#status-text", "a token is needed")
        page.click("#token-again")
        page.type("#token-input", TOKEN)
        page.press("\ue007")
        page.one("tr[data-name=hello]")
        assert TOKEN not in str(page.run("return Object.entries(localStorage)"))

        page.act("Say hello to", "hello")
        page.says("#try-results .answer .content", "hi")
        page.until(lambda: "closed" in [kind for kind, _ in page.events()], "the stream has the token too")
        browser.refresh()
        page.one("tr[data-name=hello]")

        daemon.stop()
        page.says("#status-text", "no contact with the daemon")
        page.shoot("lost")
    for complaint in page.complaints():
        assert "401" in complaint or "ERR_" in complaint, complaint
    browser.get("about:blank")
