"""Streams of events of a real daemon, under a flood and without a reader."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from echod.console.streams import MOST_STREAMS
from tests.system.console.calls import Caller, asked
from tests.system.daemon import Daemon, wait_until

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """\
services:
  echo: {listen: udp:0:interface=127.0.0.1, protocol: echo}
console: {listen: tcp:0:interface=127.0.0.1}
"""
SECONDS = 2.0
"""How long the flood is."""

MOST_GROWTH = 16 << 20
"""Bytes that all unread streams may cost together: their queues, and what waits to be sent."""


def flood(address: tuple[str, int]) -> int:
    """Send datagrams as fast as it goes, in bursts whose answers nobody reads, and return how many."""
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(address)
        sock.setblocking(False)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            with suppress(BlockingIOError):
                for _ in range(100):
                    sock.send(b"\x00\xff" * 200)
                    sent += 1
    return sent


def answers(address: tuple[str, int]) -> bool:
    """Tell whether an echo comes back; what comes behind a flood may be lost in the kernel."""
    try:
        return asked(address, b"hello") == b"hello"
    except TimeoutError:
        return False


def test_unread_streams_cost_bounded_memory(tmp_path: Path) -> None:
    """As many as there may be, while more happens than anyone could read; others are served meanwhile."""
    with Daemon(tmp_path, CONFIG, listeners=2) as daemon, ExitStack() as streams:
        call, echo = Caller(daemon), daemon.at("echo").name
        for _ in range(MOST_STREAMS):
            sock = socket.socket()
            streams.callback(sock.close)
            # The kernel must not take it all for the reader.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            sock.connect(daemon.at("console").name)
            sock.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert asked(echo, b"hello") == b"hello"
        assert call("GET", "/api/events").status == 429
        before = daemon.resident
        sent = flood(echo)
        growth = daemon.resident - before
        print(f"{sent} datagrams in {SECONDS:g} s; {growth / 1024:.0f} KiB more")
        assert sent > 1_000
        assert growth < MOST_GROWTH
        assert call("GET", "/api/services").status == 200
        wait_until(lambda: answers(echo), "an echo is answered when the flood is over")


def test_a_flood_is_sampled_and_says_so(tmp_path: Path) -> None:
    """What is shown and what is said to be left out is all that there was."""
    with Daemon(tmp_path, CONFIG, listeners=2) as daemon:
        call = Caller(daemon)
        with call.events() as events:
            flood(daemon.at("echo").name)
            shown = skipped = quiet = 0
            counted: dict[str, Any] = {}
            while quiet < 3:
                event = next(events)
                shown += event.kind in ("received", "sent", "dropped")
                skipped += event.data["count"] if event.kind == "sampled" else 0
                if event.kind == "counters":
                    counted = event.data["services"].get("echo", counted)
                    quiet = 0 if event.data["services"] else quiet + 1
        assert skipped > shown > 0
        # A datagram and its answer are two events.
        dropped = sum(count for reason, count in counted["dropped"].items() if reason != "kernel")
        assert shown + skipped == counted["messages_received"] + counted["messages_sent"] + dropped
