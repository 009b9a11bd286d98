"""The page's timeline in a real browser: what happens is seen as it happens, and only while somebody looks."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from selenium.webdriver.common.keys import Keys

from echod.console.streams import MOST_STREAMS
from tests.system.clients import connected, datagrams
from tests.system.console.page import NARROW

if TYPE_CHECKING:
    from tests.system.console.page import Page
    from tests.system.daemon import Daemon

CONNECTIONS = 6
"""As many as browsers have for one host and HTTP/1.1."""

SCRIPT = b"<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"


def watch(page: Page) -> None:
    """Open the panel, and wait until the stream is there."""
    page.click("#watch-toggle")
    page.until(lambda: page.run("return document.getElementById('timeline').dataset.state") == "open", "it is open")


def kinds(page: Page, service: str) -> list[str]:
    """Return what happened on a service."""
    return [kind for kind, _ in page.events(service)]


def talk(daemon: Daemon, data: bytes) -> None:
    """Let the echo answer over TCP, then cut the connection."""
    with connected(daemon.at("echo-tcp")) as sock:
        sock.sendall(data)
        assert sock.recv(1 << 16) == data
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_what_happens_is_seen(page: Page, daemon: Daemon) -> None:
    """Connections in lanes, datagrams beside them, drops with the reason, and the bytes on demand."""
    watch(page)
    with connected(daemon.at("echo-tcp")) as quiet:
        talk(daemon, b"one\x00two")
        assert datagrams(daemon.at("echo-udp"), [b"beside"]) == [b"beside"]
        with connected(daemon.at("closed", "udp"), socket.SOCK_DGRAM) as sock:
            sock.send(b"let me in")
        seen = ["opened", "opened", "received", "sent", "reset"]
        page.until(lambda: kinds(page, "echo-tcp") == seen, "two connections, one of them cut")
        page.until(lambda: kinds(page, "echo-udp") == ["received", "sent"], "a datagram and its echo")
        page.until(lambda: kinds(page, "closed") == ["dropped"], "a datagram that is dropped")

        assert page.events("closed")[0][1].startswith("dropped9 Bnot allowed in")
        lanes = page.run("""
            return [...document.querySelectorAll("#timeline [data-service=echo-tcp]")].map((row) =>
                [...row.querySelectorAll(".lane")].map((lane) => lane.querySelector(".node") ? "o"
                    : lane.matches(".above.below") ? "|" : ".").join(""))
        """)
        assert lanes == ["o....", "|o...", "|o...", "|o...", "|o..."]
        page.shoot("timeline")
        quiet.shutdown(socket.SHUT_WR)
        page.until(lambda: kinds(page, "echo-tcp")[5:] == ["half-closed", "closed"], "the other ends well")

    page.click("#timeline [data-kind=received] .what")
    assert "0000  6f 6e 65 00 74 77 6f  " in page.text("#timeline .dump")
    assert "127.0.0.1" in page.text("#timeline .unfolded")
    page.click("#timeline [data-kind=received] .what")
    page.gone("#timeline .dump")


def test_filter_pause_and_clear(page: Page, daemon: Daemon) -> None:
    """One service alone; nothing moves while it is paused, and nothing of it is lost; the list can be emptied."""
    page.act("Watch", "echo-udp")
    page.until(lambda: page.run("return document.getElementById('timeline').dataset.state") == "open", "it is open")
    talk(daemon, b"not seen")
    datagrams(daemon.at("echo-udp"), [b"seen"])
    page.until(lambda: len(page.events()) == 2, "the datagram and its echo")

    page.click("#watch-pause")
    datagrams(daemon.at("echo-udp"), [b"later"])
    page.says("#watch-pause", "Resume (2 new)")
    assert len(page.events()) == 2
    page.click("#watch-pause")
    page.until(lambda: len(page.events()) == 4, "what came meanwhile")

    page.click("#watch-clear")
    page.one("#timeline-empty")
    assert page.events() == []


def test_only_who_looks_is_told(page: Page) -> None:
    """The stream is opened with the panel and closed with it: there are never more than the daemon allows."""
    asked = "return performance.getEntriesByType('resource').filter((one) => one.name.includes('/events')).length"
    page.one("#watch-invitation")
    assert page.run(asked) == 0

    for _ in range(MOST_STREAMS + 2):
        watch(page)
        page.click("#watch-toggle")
        page.one("#watch-invitation")
    watch(page)
    assert page.all("#watch-state") == []


def test_a_page_that_was_left_is_told_nothing(page: Page) -> None:
    """The browser keeps pages for the way back, but not their streams: it has six connections for a host."""
    for _ in range(CONNECTIONS):
        watch(page)
        page.driver.get("about:blank")
        page.driver.get(page.url)
    page.act("Say hello to", "hello-tcp")
    page.says("#try-results .answer .content", "hi")

    page.driver.get("about:blank")
    page.driver.back()
    page.act("Say hello to", "hello-udp")
    page.until(lambda: kinds(page, "hello-udp") == ["received", "sent"], "it is watched again")


def test_a_script_in_a_payload_is_text(page: Page, daemon: Daemon) -> None:
    """In the timeline and in the answer it stands as it came, and nothing of it is run."""
    watch(page)
    assert datagrams(daemon.at("echo-udp"), [SCRIPT]) == [SCRIPT]
    page.until(lambda: len(page.events("echo-udp")) == 2, "it is seen")
    assert SCRIPT.decode() in page.events("echo-udp")[0][1]
    page.click("#timeline .what")

    page.act("Try", "echo-tcp")
    page.type("#try-message", SCRIPT.decode())
    page.click("#try-send")
    page.says("#try-results .answer .content", SCRIPT.decode())
    page.shoot("script")

    assert page.run("return [window.hacked ?? null, document.querySelectorAll('main img, main script').length]") == [
        None,
        0,
    ]


def test_a_flood_is_sampled_and_bounded(page: Page, daemon: Daemon) -> None:
    """However much happens, the list stays short, says that it is not all, and loses its oldest rows."""
    watch(page)
    with connected(daemon.at("echo-udp"), socket.SOCK_DGRAM) as sock:

        def more() -> list[tuple[str, str]]:
            """Send some hundred datagrams, and return what is in the list."""
            for _ in range(400):
                sock.send(b"flood")
            return page.events()

        sock.send(b"the very first")
        page.until(lambda: len(page.events()) == 2, "the first is seen")
        page.until(lambda: "first" not in str(more()[:2]), "the oldest rows have gone")

    page.until(lambda: "sampled" in kinds(page, ""), "it is said that some are left out")
    assert 400 < len(page.events()) <= 500
    page.shoot("flood")


def test_rows_are_walked_with_arrow_keys(page: Page, daemon: Daemon) -> None:
    """The list is one stop for Tab; the arrow keys lead on, and Enter shows the bytes."""
    watch(page)
    datagrams(daemon.at("echo-udp"), [b"first", b"second"])
    page.until(lambda: len(page.events()) == 4, "two datagrams and their echoes")

    assert page.run("return document.querySelectorAll('#timeline [tabindex=\"0\"]').length") == 1
    page.run("document.querySelector('#timeline [tabindex=\"0\"]').focus()")
    page.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER)
    assert "second" in page.text("#timeline .event:nth-child(3) .dump")
    page.look(NARROW)
    page.shoot("timeline-narrow")
