"""How a connection that reflects reads: in the cheapest way that will do, which changes with what it is doing."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transport.test_stream_errors import Reflected
from tests.transport.wires import Notes, Wire, numbered

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(name="wire", params=["unix", "tcp"])
def make_wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    """Make a reflecting connection over each kind of socket."""
    wire = Wire(request.param, Notes())
    wire.ours.reflect(Reflected())
    yield wire
    wire.close()


def made_for_it(wire: Wire) -> bool:
    """Tell whether the connection has a `doRead` of its own."""
    return "doRead" in vars(wire.ours)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 3_000)), min_size=1, max_size=30))
def test_lengths_that_change(messages: list[tuple[int, int]]) -> None:
    """Two connections share the buffer: each peer gets its own bytes, however long the last echo was."""
    wires = [Wire("tcp", Notes()) for _ in range(2)]
    for wire in wires:
        wire.ours.reflect(Reflected())
    for number, (which, size) in enumerate(messages):
        message = numbered(number + size)[number:]
        wires[which].peer.sendall(message)
        assert wires[which].read(size) == message
    for wire in wires:
        wire.close()


def test_the_way_follows_what_waits(wire: Wire) -> None:
    """While bytes wait, others queue behind them; when all have left, echoes take the short way again."""
    assert made_for_it(wire)
    said, sent = numbered(400_000), 0
    wire.peer.settimeout(0)
    while not wire.ours.waiting:
        assert sent < len(said)
        with suppress(BlockingIOError):
            sent += wire.peer.send(said[sent : sent + 50_000])
        wire.turn()
    assert wire.ours.waiting
    assert not made_for_it(wire)
    wire.peer.settimeout(2)
    assert wire.read(sent) == said[:sent]
    assert not wire.ours.waiting
    assert made_for_it(wire)
    wire.peer.sendall(b"short")
    assert wire.read(5) == b"short"


def test_what_was_made_goes_with_the_connection(wire: Wire) -> None:
    """It refers to the connection, so it would keep it in memory until a garbage collection."""
    wire.peer.close()
    wire.turn()
    wire.ours.abortConnection()
    wire.turn()
    assert wire.protocol.events
    assert not made_for_it(wire)
    wire.ours.reflect(Reflected())
    assert not made_for_it(wire)


def test_another_way_within_a_turn(wire: Wire) -> None:
    """The poller takes the way that holds when the message comes, not the one that held when it began to watch."""
    wire.ours.reflect(None)
    wire.peer.sendall(b"seen")
    wire.turn()
    assert wire.protocol.heard == b"seen"
    wire.ours.reflect(Reflected())
    wire.peer.sendall(b"unseen")
    assert wire.read(6) == b"unseen"
    assert wire.protocol.heard == b"seen"
