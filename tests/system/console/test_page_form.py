"""The page's form in a real browser: services are added, changed and removed, and problems are at their fields."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.system.clients import rest
from tests.system.daemon import LIMIT
from tests.system.programs import program

if TYPE_CHECKING:
    from tests.system.console.page import Page
    from tests.system.daemon import Daemon

LISTEN = "[data-path='listen[0]'] input"


@pytest.fixture
def port() -> int:
    """Return a port that is free for TCP and for UDP."""
    with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram:
        stream.bind(("127.0.0.1", 0))
        datagram.bind(stream.getsockname())
        return int(stream.getsockname()[1])


def nc(port: int, data: bytes, *options: str) -> bytes:
    """Return what netcat prints that sends something."""
    command = [program("nc"), *options, "127.0.0.1", str(port)]
    return subprocess.run(command, input=data, capture_output=True, check=True, timeout=LIMIT).stdout


def answered(port: int) -> bytes:
    """Return all that a TCP service says to hello."""
    with socket.create_connection(("127.0.0.1", port), LIMIT) as sock:
        sock.sendall(b"hello")
        return rest(sock)


def add(page: Page, name: str, start: str, listen: str) -> None:
    """Add a service in the form."""
    page.click("#add")
    page.one("#editor-starts")
    next(each for each in page.all("#editor-starts button") if each.text == start).click()
    page.type("#editor-name", name)
    page.type(LISTEN, listen)
    page.click("#editor-save")
    page.gone("#editor")
    page.one(f"tr[data-name={name}]")


def test_add_a_udp_echo_and_use_it_with_nc(page: Page, daemon: Daemon, port: int) -> None:
    """What is added is served at once, and kept in a file of its own."""
    add(page, "udp-echo", "UDP echo", f"udp:{port}:interface=127.0.0.1")

    assert nc(port, b"over the wire\n", "-u", "-w1") == b"over the wire\n"
    assert f"UDP127.0.0.1:{port}" in page.row("udp-echo")
    kept = yaml.safe_load((daemon.file.parent / "conf.d" / "udp-echo.yaml").read_text(encoding="utf-8"))
    assert kept["services"]["udp-echo"] == {"listen": f"udp:{port}:interface=127.0.0.1", "protocol": "echo"}


def test_edit(page: Page, port: int) -> None:
    """What is changed is served changed; what nobody touched stays as it is."""
    add(page, "edited", "hello → hi", f"tcp:{port}:interface=127.0.0.1")
    assert answered(port) == b"hi"

    page.act("Edit", "edited")
    page.type("[data-path='reply[0]'] input", r"good \"day\"\r\n".replace(r"\"", '"'))
    page.type("[data-path='description'] input", "says good day")
    page.click("#editor-save")
    page.gone("#editor")

    assert answered(port) == b'good "day"\r\n'
    assert "says good day" in page.row("edited")
    page.act("Edit", "edited")
    assert page.one("[data-path='then'] select").get_property("value") == "close"
    page.click("#editor-cancel")
    page.gone("#editor")


def test_rules(page: Page, port: int) -> None:
    """Rules can be added, filled, moved and removed; a wrong one is told at its own field."""
    page.click("#add")
    page.type("#editor-name", "ruled")
    page.choose("#setting-protocol", "reply")
    page.type(LISTEN, f"tcp:{port}:interface=127.0.0.1")
    page.one(".segmented label:last-child input").click()
    adder = ".field-many[data-path=rules] > .row button"
    page.click(adder)
    page.type("[data-path='rules[0].reply[0]'] input", "500 unknown")
    page.click(adder)
    page.choose("[data-path='rules[1].when'] select", "regex")
    page.type("[data-path='rules[1].when.regex'] input", "^(he")
    page.type("[data-path='rules[1].reply[0]'] input", "{1}!")
    page.choose("[data-path='rules[1].then'] select", "close")
    page.click("[data-path=rules] > .items > .item:nth-child(2) > .acts button[aria-label='Move up']")
    page.click("#editor-save")

    page.says("[data-path='rules[1].when.regex'] > .problem", "missing")
    page.until(lambda: page.focused().get_property("value") == "^(he", "the field has the keyboard")
    page.shoot("rules")
    page.type("[data-path='rules[1].when.regex'] input", "^(hel)")
    page.click("#editor-save")
    page.gone("#editor")
    assert answered(port) == b"hel!"
    expected(page, "422")


def test_a_bad_port_is_told_at_its_field(page: Page, daemon: Daemon) -> None:
    """So are an address that is taken, and a limit that was folded away."""
    page.click("#add")
    page.type("#editor-name", "wrong")
    page.type(LISTEN, "tcp:99999:interface=127.0.0.1")
    page.click("#editor-save")
    page.says("[data-path='listen[0]'] .problem", "99999")
    assert page.one(LISTEN).get_attribute("aria-invalid") == "true"
    assert page.focused().get_property("value") == "tcp:99999:interface=127.0.0.1"
    described = "return document.getElementById(document.activeElement.getAttribute('aria-describedby')).textContent"
    assert "99999" in page.run(described)
    page.shoot("bad-port")

    taken = daemon.at("console").port
    page.type(LISTEN, f"tcp:{taken}:interface=127.0.0.1")
    page.click("#editor-save")
    page.says("[data-path='listen[0]'] .problem", str(taken))

    page.click(".more > summary")
    page.type("[data-path='limits.idle_timeout'] input", "soon")
    page.click(".more > summary")
    page.click("#editor-save")
    page.says("[data-path='limits.idle_timeout'] .problem", "soon")

    page.type("#editor-name", "../wrong")
    page.click("#editor-save")
    page.says("#editor-name-problem", "letter or digit")
    page.click("#editor-cancel")
    page.click("#editor-discard")
    page.gone("#editor")
    assert "wrong" not in page.names()
    expected(page, "409", "422")


def test_conflict_in_two_tabs(page: Page, port: int) -> None:
    """Who comes second is told, loses nothing of what is there, and can go on from the newer version."""
    add(page, "shared", "hello → hi", f"tcp:{port}:interface=127.0.0.1")
    first = page.driver.current_window_handle
    page.act("Edit", "shared")
    page.type("[data-path='reply[0]'] input", "mine")

    page.driver.switch_to.new_window("tab")
    page.driver.get(page.url)
    page.act("Edit", "shared")
    page.type("[data-path='reply[0]'] input", "theirs")
    page.click("#editor-save")
    page.gone("#editor")
    page.driver.close()
    page.driver.switch_to.window(first)

    page.click("#editor-save")
    page.says("#editor-conflict", "Somebody else has changed shared")
    assert "differ from yours: reply" in page.text("#editor-conflict")
    page.shoot("conflict")
    assert answered(port) == b"theirs"
    page.click("#editor-conflict button")
    page.until(lambda: page.one("[data-path='reply[0]'] input").get_property("value") == "theirs", "the newer is there")
    page.type("[data-path='reply[0]'] input", "ours")
    page.click("#editor-save")
    page.gone("#editor")
    assert answered(port) == b"ours"
    expected(page, "412")


def test_remove_and_undo(page: Page, port: int) -> None:
    """What is removed is gone at once; undo brings it back as it was."""
    add(page, "fleeting", "hello → hi", f"tcp:{port}:interface=127.0.0.1")

    page.act("Remove", "fleeting")
    page.gone("tr[data-name=fleeting]")
    with pytest.raises(ConnectionRefusedError):
        answered(port)
    assert page.focused().text == "Undo"
    page.shoot("undo")
    page.press("\ue007")
    page.one("tr[data-name=fleeting]")
    assert answered(port) == b"hi"


def test_files_are_reloaded(page: Page, daemon: Daemon, port: int) -> None:
    """What somebody else put into the directory is there after a click; what is wrong in it is told."""
    other = daemon.file.parent / "conf.d" / "deployed.yaml"
    text = (
        f'services: {{deployed: {{listen: "tcp:{port}:interface=127.0.0.1", protocol: reply, reply: yo, then: close}}}}'
    )
    other.parent.mkdir(exist_ok=True)
    other.write_text(text, encoding="utf-8")
    page.click("#reload")
    page.one("tr[data-name=deployed]")
    page.says(".notice.good", "1 added")
    assert answered(port) == b"yo"

    other.write_text(text.replace("reply: yo", "replies: yo"), encoding="utf-8")
    page.click("#reload")
    page.says(".notice.bad", "deployed.yaml")
    other.unlink()
    page.click("#reload")
    page.gone("tr[data-name=deployed]")
    expected(page, "422")


def expected(page: Page, *statuses: str) -> None:
    """Take the browser's own notes of refused requests, which name these statuses, for granted."""
    for complaint in page.complaints():
        assert any(f"the server responded with a status of {status}" in complaint for status in statuses), complaint
