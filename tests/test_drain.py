"""Draining connections when the daemon stops: answer, end, and be gone in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from twisted.internet.defer import Deferred

from echod.answers.answer import World
from echod.answers.exam import Then
from echod.answers.reply import Reply, Rule
from echod.answers.template import Template
from echod.connection import QUIET_LOOKS, StreamLimits
from tests.served import Served, fill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.transport.wires import Wire

    Serve = Callable[..., Served]

WORLD = World(lambda: 0.0, lambda: "", lambda: 0.0)
NONE = StreamLimits(idle=0, stall=0, lifetime=0)


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


def drained(served: Served, wires: list[Wire], grace: float) -> float:
    """Drain, and return the seconds that it took."""
    start = served.host.seconds()
    done = Deferred.fromCoroutine(served.factory.drain(grace))
    while not done.called:
        for wire in wires:
            wire.turn()
        served.host.advance(0.05)
        assert served.host.seconds() - start < grace + 1
    done.addErrback(lambda failure: failure.raiseException())
    return served.host.seconds() - start


def test_drain_answers_what_comes_and_then_ends(serve: Serve) -> None:
    """What is on its way is answered; a connection ends a moment after its last byte, its peer being waited for."""
    served = serve(None, NONE)
    wire = served.wire()
    wire.step = 0.05
    done = Deferred.fromCoroutine(served.factory.drain(10))
    for _ in range(20):
        wire.peer.send(b"last words")
        wire.turn(QUIET_LOOKS - 1)
        assert wire.peer.recv(99) == b"last words"
    wire.turn(3)
    assert wire.peer.recv(99) == b""
    assert not done.called
    wire.peer.close()
    wire.turn(2)
    assert done.called
    assert not served.tally.dropped


def test_drain_waits_for_a_slow_reader(serve: Serve) -> None:
    """What the kernel still holds of a peer that is being held back is answered too, when it reads at last."""
    served = serve(None, NONE)
    wire = served.wire()
    wire.step = 0.05
    sent = fill(wire)
    done = Deferred.fromCoroutine(served.factory.drain(10))
    wire.turn(3 * QUIET_LOOKS)
    wire.step = 0.0
    assert len(wire.read(sent)) == sent
    wire.step = 0.05
    wire.turn(QUIET_LOOKS + 2)
    assert wire.peer.recv(1) == b""
    wire.peer.close()
    wire.turn(2)
    assert done.called
    assert not served.tally.dropped


def test_drain_does_not_wait_for_a_peer_that_has_all(serve: Serve) -> None:
    """A peer that we have ended may stay as long as it likes while we serve; a stop leaves it after a moment."""
    answer = Reply("s", [Rule(None, (Template.literal(b"bye"),), Then.HALF_CLOSE)], None, WORLD)
    served = serve(answer, NONE)
    wire = served.wire()
    wire.peer.send(b"hello")
    wire.turn(4)
    assert wire.peer.recv(99) == b"bye"
    assert wire.peer.recv(99) == b""
    assert served.factory.open
    assert drained(served, [wire], 10) <= 0.5
    assert not served.tally.dropped


def test_drain_of_nothing_is_done(serve: Serve) -> None:
    """Without connections, there is nothing to wait for."""
    served = serve()
    assert drained(served, [], 10) == 0


def test_drain_ends_in_time(serve: Serve) -> None:
    """Whoever goes on talking, or never reads, is cut when the grace is over, and counted."""
    served = serve(None, NONE)
    stuck, silent = served.wire(), served.wire()
    fill(stuck)
    assert 3 <= drained(served, [stuck, silent], 3) <= 3.2
    assert served.tally.dropped == {"grace": 1}
    assert not served.host.getDelayedCalls()


def test_abort_cuts_everyone(serve: Serve) -> None:
    """A second signal has no patience."""
    served = serve(None, NONE)
    wires = [served.wire() for _ in range(3)]
    done = Deferred.fromCoroutine(served.factory.drain(10))
    served.factory.abort()
    served.host.advance(0)
    assert done.called
    for wire in wires:
        with pytest.raises(ConnectionResetError):
            wire.peer.recv(1)
