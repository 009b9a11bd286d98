"""How a stream ends: half-close loses nothing, an abort waits for nothing, a reset comes after every byte."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.transport.wires import BIG, Notes, Wire, numbered

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(name="wire", params=["unix", "tcp"])
def make_wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    """Make a connection over each kind of socket."""
    wire = Wire(request.param, Notes())
    yield wire
    wire.close()


def test_half_close_after_all_that_waits(wire: Wire) -> None:
    """Ending our direction comes behind every byte, and leaves the other direction open."""
    wire.ours.write(numbered(BIG))
    wire.ours.loseWriteConnection()
    assert wire.read(BIG + 1) == numbered(BIG)
    assert wire.protocol.events == ["write lost"]
    wire.peer.sendall(b"still")
    wire.turn()
    assert wire.protocol.heard == b"still"
    wire.ours.write(b"too late")
    wire.turn()
    assert wire.peer.recv(9) == b""
    assert wire.protocol.events == ["write lost"]


def test_half_close_by_the_peer(wire: Wire) -> None:
    """The peer's end is told once, without a busy loop, and what we say after it still arrives."""
    wire.peer.sendall(b"bye")
    wire.peer.shutdown(socket.SHUT_WR)
    for _ in range(3):
        wire.turn()
    assert wire.protocol.heard == b"bye"
    assert wire.protocol.events == ["read lost"]
    wire.ours.write(numbered(BIG))
    wire.ours.loseConnection()
    assert wire.read(BIG + 1) == numbered(BIG)
    assert wire.protocol.events == ["read lost", "ConnectionDone"]


def test_close_loses_nothing(wire: Wire) -> None:
    """An ordinary close flushes first."""
    wire.ours.write(numbered(BIG))
    wire.ours.loseConnection()
    assert wire.read(BIG + 1) == numbered(BIG)
    assert wire.protocol.events == ["ConnectionDone"]


def test_abort_throws_away_what_waits() -> None:
    """A cut connection is gone at once, with a reset, however much waits."""
    wire = Wire("tcp", Notes())
    wire.ours.write(numbered(BIG))
    wire.ours.abortConnection()
    wire.turn()
    assert wire.protocol.events == ["ConnectionAborted"]
    heard = wire.read(BIG)
    assert heard.endswith(b"RESET")
    assert len(heard) < BIG
    wire.close()


def test_reset_when_sent_gives_every_byte_first() -> None:
    """A real RST, and nothing said before it is lost."""
    wire = Wire("tcp", Notes())
    wire.ours.write(numbered(BIG))
    wire.ours.reset_when_sent(5)
    wire.step = 0.002
    heard = wire.read(BIG)
    for _ in range(5):
        wire.turn()
    assert heard + wire.read(1) == numbered(BIG) + b"RESET"
    assert wire.protocol.events == ["ConnectionAborted"]
    wire.close()


def test_reset_when_sent_needs_no_wait_when_all_is_sent() -> None:
    """With nothing on its way, the reset comes now, and leaves no timer."""
    wire = Wire("tcp", Notes())
    wire.ours.reset_when_sent(5)
    wire.turn()
    assert wire.protocol.events == ["ConnectionAborted"]
    assert not wire.host.getDelayedCalls()
    with pytest.raises(ConnectionResetError):
        wire.peer.recv(1)
    wire.close()


def test_reset_when_sent_waits_no_longer_than_it_may() -> None:
    """A peer that reads nothing is reset at the deadline."""
    wire = Wire("tcp", Notes())
    wire.ours.write(numbered(BIG))
    wire.ours.reset_when_sent(1)
    for _ in range(499):
        wire.host.advance(0.002)
    assert wire.protocol.events == []
    for _ in range(4):
        wire.host.advance(0.002)
    assert wire.protocol.events == ["ConnectionAborted"]
    wire.close()


def test_reset_when_sent_ends_with_the_connection(wire: Wire) -> None:
    """Where the peer goes first, the waiting stops and nothing is raised."""
    wire.ours.write(numbered(BIG))
    wire.ours.reset_when_sent(60)
    wire.peer.close()
    for _ in range(5):
        wire.turn()
        wire.host.advance(0.002)
    assert len(wire.protocol.events) >= 1
    assert not wire.host.getDelayedCalls()
