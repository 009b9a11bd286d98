"""The access log: off unless wanted, beginnings and ends as lines, messages escaped and at the level debug alone."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
from twisted.logger import (
    ILogObserver,
    LogEvent,
    LogLevel,
    eventAsJSON,
    formatEvent,
    globalLogPublisher,
)
from zope.interface import provider

from echod.access import SHOWN, Access
from echod.config.sides import Log
from echod.watch import SUM_UP, Event
from tests.watched import WatchedServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.transport.wires import Wire


class Logged:
    """An echo whose access log is taken down."""

    def __init__(self) -> None:
        self.served = WatchedServer(watching=False)
        self.access = Access(self.served.hub)
        self.events: list[LogEvent] = []

    def become(self, **settings: Any) -> None:
        """Write as settings say."""
        self.access.become(Log.model_validate(settings))

    def lines(self, level: LogLevel) -> list[str]:
        """Return what was written at a level."""
        return [formatEvent(event) for event in self.events if event["log_level"] is level]

    def talk(self, data: bytes) -> Wire:
        """Let a client have its echo and go."""
        wire = self.served.wire()
        wire.peer.send(data)
        assert wire.read(len(data)) == data
        wire.peer.shutdown(socket.SHUT_WR)
        self.served.until_gone(wire)
        return wire


@pytest.fixture(name="logged")
def access_log() -> Iterator[Logged]:
    """Make a service with an access log that is not on yet."""
    logged = Logged()

    @provider(ILogObserver)
    def note(event: LogEvent) -> None:
        if event["log_namespace"] == "echod.access.Access":
            logged.events.append(event)

    globalLogPublisher.addObserver(note)
    yield logged
    globalLogPublisher.removeObserver(note)
    logged.access.close()
    logged.served.close()


def test_off_unless_wanted(logged: Logged) -> None:
    """Nothing is written, and nothing attached."""
    logged.become()
    logged.become(level="debug")
    logged.talk(b"hello")
    assert not logged.events
    assert logged.served.factory._sink is None


def test_beginnings_and_ends(logged: Logged) -> None:
    """Two lines for a connection, with the parts as fields; its messages cost what they cost without."""
    logged.become(access=True)
    wire = logged.served.wire()
    assert wire.ours._reflected is wire.ours.protocol
    peer, local = (f"127.0.0.1:{sock.getsockname()[1]}" for sock in (wire.peer, wire.ours.socket))
    wire.peer.shutdown(socket.SHUT_WR)
    logged.served.until_gone(wire)
    assert logged.lines(LogLevel.info) == [
        f"x: tcp connection 1 from {peer} to {local} opened",
        f"x: tcp connection 1 from {peer} closed: peer",
    ]
    assert logged.lines(LogLevel.debug) == [f"x: tcp connection 1 from {peer} half-closed by peer"]
    fields = json.loads(eventAsJSON(logged.events[0]))
    wanted = {"kind": "opened", "service": "x", "connection": 1, "peer": peer, "local": local, "transport": "tcp"}
    assert wanted.items() <= fields.items()


def test_messages_at_the_level_debug(logged: Logged) -> None:
    """Escaped, and the beginning alone: a payload can do nothing to a terminal, nor to the log's form."""
    logged.become(access=True, level="debug")
    nasty = b"\x1b[31m{log_source.__class__}\r\n\x00\xff" + b"x" * 200
    logged.talk(nasty)
    shown = repr(nasty[:SHOWN])[1:]
    assert logged.lines(LogLevel.debug)[:2] == [
        f"x: tcp connection 1: received {len(nasty)} bytes: {shown}",
        f"x: tcp connection 1: sent {len(nasty)} bytes: {shown}",
    ]
    assert all(line.isprintable() for line in logged.lines(LogLevel.debug))
    assert all(len(event["preview"]) <= 4 * SHOWN + 2 for event in logged.events)
    assert len(logged.lines(LogLevel.info)) == 2


def test_it_changes_with_the_configuration(logged: Logged) -> None:
    """A reload turns it on, off, and to another level; what stays as it is keeps its place."""
    written = []
    for settings in ({"access": True}, {"access": True, "level": "warn"}, {"access": True, "level": "debug"}, {}):
        logged.become(**settings)
        logged.events.clear()
        logged.talk(b"hello")
        written.append((len(logged.lines(LogLevel.info)), len(logged.lines(LogLevel.debug))))
    assert written == [(2, 1), (2, 1), (2, 3), (0, 0)]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            Event("reset", "x", 0, "tcp", 7, "192.0.2.1:1", "", reason="idle"),
            "tcp connection 7 from 192.0.2.1:1 reset: idle",
        ),
        (Event("dropped", "x", 0, "udp", "a", "192.0.2.1:1", "b", reason="rate"), "udp from 192.0.2.1:1 dropped: rate"),
        (Event("closed", "x", 0, "unix", 7, reason="peer"), "unix connection 7 from unnamed closed: peer"),
        (Event("sampled", "x", 0, count=12), "12 events not logged"),
    ],
)
def test_sentences(logged: Logged, event: Event, line: str) -> None:
    """Each kind has its own; a Unix socket's peer may have no name."""
    logged.access._write(event)
    assert logged.lines(LogLevel.info) == [f"x: {line}"]


def test_datagrams(logged: Logged) -> None:
    """They have no connection to be named by, but a peer."""
    for kind in ("received", "sent"):
        logged.access._write(Event(kind, "x", 0, "udp", "192.0.2.1:1", "192.0.2.1:1", "b", 5, b"hello"))
    assert logged.lines(LogLevel.debug) == [
        "x: udp from 192.0.2.1:1: received 5 bytes: 'hello'",
        "x: udp to 192.0.2.1:1: sent 5 bytes: 'hello'",
    ]


def test_a_flood_is_summed_up(logged: Logged) -> None:
    """Ten thousand connections in a moment are some hundred lines, and one for the others."""
    logged.become(access=True)
    for _ in range(10_000):
        logged.served.hand()
    logged.served.host.advance(SUM_UP)
    lines = logged.lines(LogLevel.info)
    assert 100 <= len(lines) <= 1_000
    assert lines[-1] == f"x: {10_000 - len(lines) + 1} events not logged"
