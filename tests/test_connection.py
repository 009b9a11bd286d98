"""Served connections on real sockets and a clock in hand: limits that cut in time, and ends that lose nothing."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from echod.answers.answer import World
from echod.answers.exam import Then
from echod.answers.reply import Reply, Rule
from echod.answers.template import Template
from echod.connection import LINGER, StreamLimits
from tests.served import Served, fill
from tests.transport.wires import BIG, numbered

NONE = StreamLimits(idle=0, stall=0, lifetime=0)

LATE = 1.0
"""Seconds by which a limit may act late: ticks of the coarse clock, of the wheel, and of these tests."""


Serve = Callable[..., Served]


@pytest.fixture(name="serve")
def server_maker() -> Iterator[Serve]:
    """Make servers, and close their connections at the end."""
    made: list[Served] = []

    def serve(*args: Any) -> Served:
        made.append(Served(*args))
        return made[-1]

    yield serve
    for served in made:
        served.close()


def saying(text: bytes, then: Then) -> Reply:
    """Make an answer that says a text to anything."""
    world = World(lambda: 0.0, lambda: "", lambda: 0.0)
    return Reply("x", [Rule(None, (Template.literal(text),), then)], None, world)


@pytest.mark.parametrize("reflecting", [True, False])
@pytest.mark.parametrize("quiet", [0.0, 3600.0])
def test_idle(serve: Serve, quiet: float, reflecting: bool) -> None:
    """Without a byte for so long, a connection is cut, not earlier; also the first one after a quiet hour."""
    served = serve(None if reflecting else saying(b"hi", Then.KEEP), StreamLimits(idle=3))
    served.host.advance(quiet)
    wire = served.wire()
    served.run(wire, 2.9)
    assert wire.ours.connected
    wire.peer.send(b"x")
    served.run(wire, 2.9)
    assert wire.ours.connected
    served.run(wire, LATE)
    assert not wire.ours.connected
    assert served.tally.dropped == {"idle": 1}
    assert served.tally.open == 0


@pytest.mark.parametrize("quiet", [0.0, 3600.0])
def test_lifetime(serve: Serve, quiet: float) -> None:
    """However busy, a connection lives so long and no longer, counted from its own beginning."""
    served = serve(None, StreamLimits(idle=1, lifetime=3))
    served.host.advance(quiet)
    wire = served.wire()
    for _ in range(29):
        wire.peer.send(b"x")
        served.run(wire, 0.1)
        assert wire.ours.connected
    for _ in range(10):
        if wire.ours.connected:
            wire.peer.send(b"x")
            served.run(wire, 0.1)
    assert not wire.ours.connected
    assert served.tally.dropped == {"lifetime": 1}


def test_stall(serve: Serve) -> None:
    """A peer that takes nothing of what waits for it is cut, although it goes on sending."""
    served = serve(None, StreamLimits(idle=0, stall=3))
    wire = served.wire()
    fill(wire)
    served.run(wire, 2.9)
    assert wire.ours.connected
    served.run(wire, LATE)
    assert not wire.ours.connected
    assert served.tally.dropped == {"stall": 1}


def test_a_slow_reader_is_no_stalled_one(serve: Serve) -> None:
    """As long as the kernel takes something now and then, the connection stays."""
    served = serve(None, StreamLimits(idle=0, stall=3))
    wire = served.wire()
    fill(wire)
    for _ in range(8):
        served.run(wire, 2)
        assert wire.ours.connected
        wire.read(60_000)
    served.run(wire, 3 + LATE)
    assert served.tally.dropped == {"stall": 1}


def test_a_stall_is_counted_from_its_own_beginning(serve: Serve) -> None:
    """An earlier one that the peer has made up for does not shorten the next."""
    served = serve(saying(numbered(BIG), Then.KEEP), StreamLimits(idle=0, stall=3))
    wire = served.wire()
    wire.peer.send(b"?")
    wire.turn()
    assert wire.ours.waiting
    assert wire.read(BIG) == numbered(BIG)
    wire.turn()
    assert not wire.ours.waiting
    served.run(wire, 2.8)
    wire.peer.send(b"?")
    wire.turn()
    assert wire.ours.waiting
    served.run(wire, 2.8)
    assert wire.ours.connected
    served.run(wire, LATE)
    assert not wire.ours.connected
    assert served.tally.dropped == {"stall": 1}


def test_a_close_that_the_peer_does_not_take_is_a_stall_too(serve: Serve) -> None:
    """Otherwise a peer that half-closes and never reads would keep its connection for ever."""
    served = serve(saying(numbered(BIG), Then.KEEP), StreamLimits(idle=0, stall=3))
    wire = served.wire()
    wire.peer.send(b"?")
    wire.peer.shutdown(socket.SHUT_WR)
    served.run(wire, 2.9)
    assert wire.ours.connected
    served.run(wire, LATE)
    assert not wire.ours.connected
    assert served.tally.dropped == {"stall": 1}


@pytest.mark.parametrize(("size", "blocked"), [(1024, True), (60_000, False)])
def test_buffer(serve: Serve, size: int, blocked: bool) -> None:
    """Over this many bytes that wait for the peer, no more is read from it, until it has taken them."""
    served = serve(saying(numbered(30_000), Then.KEEP), StreamLimits(buffer=size))
    wire = served.wire()
    wire.peer.send(b"?")
    wire.turn()
    assert wire.ours.waiting
    assert (wire.ours in wire.poller.getReaders()) != blocked
    assert wire.read(30_000) == numbered(30_000)
    wire.turn()
    assert wire.ours in wire.poller.getReaders()


def test_zero_is_no_limit(serve: Serve) -> None:
    """A day in silence with bytes that wait."""
    served = serve(None, NONE)
    wire = served.wire()
    fill(wire)
    for _ in range(24):
        served.host.advance(3600)
        wire.turn()
    assert wire.ours.connected
    assert not served.tally.dropped


def test_a_gone_connection_is_forgotten(serve: Serve) -> None:
    """Nothing is left: no timer, no entry, no count."""
    served = serve()
    wires = [served.wire() for _ in range(5)]
    assert (served.tally.connections, served.tally.open, len(served.factory.open)) == (5, 5, 5)
    for wire in wires:
        wire.peer.close()
        wire.turn(2)
    assert (served.tally.connections, served.tally.open, len(served.factory.open)) == (5, 0, 0)
    assert not served.patience._looks
    assert not served.host.getDelayedCalls()


def test_close_lets_the_peer_read_first(serve: Serve) -> None:
    """Input that nobody reads would turn the close into a reset which may overtake the answer, so it is dropped."""
    served = serve(saying(b"bye", Then.CLOSE), NONE)
    wire = served.wire()
    wire.peer.send(b"QUIT")
    wire.turn()
    for _ in range(5):
        wire.peer.send(b"more")
        wire.turn()
    assert wire.read(99) == b"bye"
    served.run(wire, LINGER - 0.3)
    assert wire.ours.connected
    served.run(wire, 0.6)
    assert not wire.ours.connected
    assert served.tally.messages_received == 1


def test_close_ends_with_the_peer(serve: Serve) -> None:
    """A peer that closes in turn is not waited for any longer."""
    served = serve(saying(numbered(BIG), Then.CLOSE), NONE)
    wire = served.wire()
    wire.peer.send(b"QUIT")
    assert wire.read(BIG + 1) == numbered(BIG)
    wire.peer.close()
    wire.turn(2)
    assert not wire.ours.connected
    assert not served.host.getDelayedCalls()


@pytest.mark.parametrize("half_closed", [False, True])
def test_reset_after_the_answer(serve: Serve, half_closed: bool) -> None:
    """Every byte, then a real RST; also for a peer that has ended its own direction while the answer was on its way."""
    # More than the kernel takes at once, less than what makes us stop reading.
    said = numbered(60_000)
    served = serve(saying(said, Then.RESET), NONE)
    wire = served.wire()
    wire.step = 0.002
    wire.peer.send(b"QUIT")
    wire.turn()
    if half_closed:
        wire.peer.shutdown(socket.SHUT_WR)
    heard = wire.read(len(said))
    wire.turn(5)
    assert heard + wire.read(1) == said + b"RESET"


def test_half_close_leaves_the_peer_its_direction(serve: Serve) -> None:
    """The answer and the end of our direction; then what comes is dropped until the peer ends too."""
    served = serve(saying(b"bye", Then.HALF_CLOSE), NONE)
    wire = served.wire()
    wire.peer.send(b"?")
    assert wire.read(9) == b"bye"
    for _ in range(20):
        wire.peer.send(b"more")
        served.run(wire, 1)
    assert wire.ours.connected
    assert served.tally.messages_received == 1
    wire.peer.close()
    wire.turn(2)
    assert not wire.ours.connected
