"""What the tests of the page share: one browser, and one daemon with a console."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.system.console.calls import Caller
from tests.system.console.chromium import chromium
from tests.system.console.page import Page
from tests.system.daemon import Daemon

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selenium.webdriver import Chrome

# The embedded default, on ports that are free.
CONFIG = """\
services:
  hello-tcp: {listen: "tcp:0:interface=127.0.0.1", protocol: reply, reply: hi, then: close}
  hello-udp: {listen: "udp:0:interface=127.0.0.1", protocol: reply, reply: hi}
  echo-tcp: {listen: "tcp:0:interface=127.0.0.1", protocol: echo}
  echo-udp: {listen: "udp:0:interface=127.0.0.1", protocol: echo}
  closed:
    listen: ["tcp:0:interface=127.0.0.1", "udp:0:interface=127.0.0.1"]
    protocol: echo
    deny: [127.0.0.0/8]
console: {listen: "tcp:0:interface=127.0.0.1"}
"""


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Give the browser; it starts in more than a second, so all tests have the same."""
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Give a daemon with a console."""
    with Daemon(tmp_path_factory.mktemp("console"), CONFIG, listeners=7) as running:
        yield running


@pytest.fixture
def page(browser: Chrome, daemon: Daemon) -> Iterator[Page]:
    """
    Give the page, opened as for the first time.

    What a test adds is removed again. A complaint in the browser's console fails it.
    """
    shown = Page(browser, f"http://127.0.0.1:{daemon.at('console').port}/")
    shown.open()
    yield shown
    complaints = shown.complaints()
    browser.get("about:blank")
    call = Caller(daemon)
    for service in call("GET", "/api/services").json["services"]:
        if service["source"]["editable"]:
            assert call("DELETE", f"/api/services/{service['name']}").status == 204
    assert not complaints
