"""The page in a real browser: what it shows, and hello to hi."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.system.console.page import Page
from tests.system.daemon import Daemon

if TYPE_CHECKING:
    from pathlib import Path

    from selenium.webdriver import Chrome


def test_hello_is_found_without_being_told(browser: Chrome, tmp_path: Path) -> None:
    """Who starts the embedded default and opens the page finds one great button, and gets hi for it."""
    with Daemon(tmp_path, None) as daemon:
        page = Page(browser, f"http://127.0.0.1:{daemon.at('console').port}/")
        page.open()

        assert page.names() == ["hello-tcp", "hello-udp", "echo-tcp", "echo-udp"]
        page.shoot("first-visit")
        page.click("#welcome-buttons button.primary")
        page.says("#try-results .answer .content", "hi")
        page.until(lambda: "closed" in [kind for kind, _ in page.events()], "it is watched")

        page.click("#welcome-buttons button:last-child")
        page.until(lambda: len(page.events("hello-udp")) == 2, "so is the datagram")
        page.until(lambda: len(page.all("#try-results .answer")) == 2, "it is answered as well")
        page.look((1280, 1060))
        page.run("scrollTo(0, 0)")
        page.shoot("hello")
        assert page.complaints() == []
        browser.get("about:blank")


def test_services_are_listed(page: Page, daemon: Daemon) -> None:
    """Each has its protocol, its addresses, its counts, and its place in the file."""
    assert page.run("return document.documentElement.lang") == "en"
    assert page.names() == ["hello-tcp", "hello-udp", "echo-tcp", "echo-udp", "closed"]
    row = page.row("echo-udp")
    assert "echo" in row
    assert f"UDP{daemon.at('echo-udp').text}" in row
    assert f"{daemon.file.name}:5" in row


def test_say_hello_is_one_click(page: Page) -> None:
    """The answer, its bytes, its time, and what happened on the wire, for TCP and for UDP."""
    page.act("Say hello to", "hello-tcp")

    page.says("#try-results .answer .content", "hi")
    facts = page.text("#try-results .answer .facts")
    assert re.search(r"2 bytes\d+(\.\d+)? msthen it closed", facts), facts
    assert "0000  68 69" in page.text("#try-results .answer pre")
    kinds = ["opened", "received", "sent", "half-closed", "half-closed", "closed"]
    page.until(lambda: [kind for kind, _ in page.events("hello-tcp")] == kinds, "a connection comes and goes")
    assert page.events("hello-tcp")[1][1].startswith("received5 Bhello")

    page.act("Say hello to", "hello-udp")
    page.until(lambda: [kind for kind, _ in page.events("hello-udp")] == ["received", "sent"], "two datagrams")
    page.until(lambda: len(page.all("#try-results .answer")) == 2, "both answers are shown")
    page.until(lambda: page.run("return document.querySelector('.line.out').getAttribute('d')"), "a line is drawn")


def test_the_greeting_goes_for_good(page: Page) -> None:
    """Who has closed it is not greeted again."""
    page.click("#welcome-close")

    page.gone("#welcome")
    page.driver.refresh()
    page.one("#services-body tr")
    page.gone("#welcome")


def test_search(page: Page) -> None:
    """By name, protocol or address; what is not found can be unsaid."""
    page.type("#search", "udp echo")
    page.until(lambda: page.names() == ["echo-udp", "closed"], "two are found")

    page.type("#search", "no such thing")
    page.says("#no-match-text", "no such thing")
    page.click("#search-clear")
    page.until(lambda: len(page.names()) == 5, "all are there again")


def test_try_text_and_hex(page: Page) -> None:
    """Escapes and hex make the same bytes; what cannot be read is told at its field."""
    page.act("Try", "echo-tcp")
    page.type("#try-message", r"caf\u{e9}\r\n")
    page.click("#try-hex")
    assert page.one("#try-message").get_property("value") == "63 61 66 c3 a9 0d 0a"
    page.click("#try-send")
    page.says("#try-results .answer .content", r"café\r\n")
    assert "0000  63 61 66 c3  a9 0d 0a" in page.text("#try-results .answer pre")

    page.type("#try-message", "6")
    page.click("#try-send")
    page.says("#try-problem", "write two for each")
    page.type("#try-message", "ff fe")
    page.click("#try-send")
    page.says("#try-results .answer .content", r"\xff\xfe")


def test_no_answer_is_said_in_words(page: Page) -> None:
    """A failure has its word, and a sentence."""
    page.act("Try", "closed")
    page.click("#try-send")
    page.says("#try-results .failure", "The service c")

    page.choose("#try-address", "1")
    page.click("#try-send")
    page.says("#try-results .failure", "timeout")
    assert "No connection, or no answer, in time." in page.text("#try-results .failure")


def test_view_tells_where_to_edit(page: Page, daemon: Daemon) -> None:
    """What is written by hand is shown as YAML, with its file and line, and can be copied."""
    page.act("View", "hello-tcp")

    page.says("#view-where", f"{daemon.file.name}, line 2")
    assert "  reply: hi\n  then: close" in page.text("#view-yaml")
    page.click("#view-copy")
    assert page.one("#editor-name").get_property("value") == "hello-tcp-2"
    page.click("#editor-cancel")
    page.gone("#editor")
