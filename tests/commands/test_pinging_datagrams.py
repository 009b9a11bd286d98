"""What a ping does over datagrams, whose answers bear numbers."""

from __future__ import annotations

import pytest

from echod.answers.exam import Ending
from echod.commands import pinging
from echod.commands.events import Event
from echod.commands.payload import Payloads
from tests.commands.table import Table


def test_duplicated() -> None:
    """A second right answer to one message is a duplicate; the run stays right."""
    table = Table()
    table.answer(1, 1)
    table.clock.advance(1)
    table.answer(2, 1)
    table.clock.advance(1)
    table.answer(3)

    assert table.words() == [(1, ""), (1, "duplicate"), (2, ""), (1, "duplicate"), (3, "")]
    assert (table.run.statistics.received, table.run.statistics.duplicated) == (3, 2)
    assert table.run.statistics.right


def test_reordered() -> None:
    """An answer behind that of a later message is reordered."""
    table = Table(interval=0.25)
    table.clock.pump([0.25, 0.25])
    table.answer(2, 1, 3)

    assert table.events == [Event(2, 0.25), Event(1, 0.5, "reordered"), Event(3, 0.0)]
    assert table.run.statistics.reordered == 1
    assert table.run.statistics.right


def test_corrupted_number() -> None:
    """An answer whose number cannot be one of ours counts against the oldest message that waits."""
    table = Table(interval=0.25)
    table.clock.advance(0.25)
    table.answer(1)
    table.run.received(b"\xff" * 12)
    table.run.received(b"hi")

    assert table.words() == [(1, ""), (2, "mismatch"), (None, "mismatch")]
    assert (table.run.statistics.mismatched, table.run.statistics.unasked) == (1, 1)
    table.run.stop()


def test_another_run() -> None:
    """The number alone does not make an answer right: it must be of this run."""
    table = Table(count=1)
    table.run.received(Payloads(12, b"\xbb" * 8).message(1))

    assert table.words() == [(1, "mismatch")]


def test_refused() -> None:
    """A refusal belongs to the oldest message that waits; the run goes on, and the service may come back."""
    table = Table()
    table.run.ended(Ending.REFUSED)
    table.run.ended(Ending.REFUSED)
    table.clock.advance(1)
    table.answer(2)
    table.clock.advance(1)
    table.run.ended(Ending.REFUSED)

    assert table.events[0] == Event(1, word="refused", sentence="nothing listens there")
    assert table.words() == [(1, "refused"), (2, ""), (3, "refused")]
    assert (table.over, table.run.statistics.lost, table.run.statistics.received) == (1, 2, 1)


def test_not_sent() -> None:
    """A message that could not leave is reported at once."""
    table = Table(count=1)
    assert table.over == 0
    table.run.stop()

    table = Table(count=2)
    table.wire.fault = "Network is unreachable"
    table.clock.advance(1)

    assert table.events == [
        Event(1, word="timeout", sentence="no answer within 1 s"),
        Event(2, word="unreachable", sentence="Network is unreachable"),
    ]
    assert (table.over, table.run.statistics.lost) == (1, 2)


def test_network_spoke_before() -> None:
    """What the network said between two messages is about the first of them."""
    table = Table(count=2)
    table.wire.said = "No route to host"
    table.clock.advance(1)
    table.answer(2)

    assert table.words() == [(1, "unreachable"), (2, "")]


def test_network_spoke() -> None:
    """What the network said while a message waited is the reason, not the silence."""
    table = Table(count=1)
    table.wire.said = "No route to host"
    table.clock.advance(1)

    assert table.events == [Event(1, word="unreachable", sentence="No route to host")]


@pytest.mark.parametrize("size", [0, 1, 3])
def test_small(size: int) -> None:
    """Without a number, an answer belongs to the oldest message whose time is not over."""
    table = Table(size=size, interval=1, timeout=1.5, count=3)
    table.clock.advance(1)
    table.clock.advance(0.5)
    table.answer(1)

    assert table.events == [Event(1, word="timeout", sentence="no answer within 1.5 s"), Event(2, 0.5)]

    table.answer(1)
    table.answer(1)

    assert table.words()[2:] == [(1, "late, reordered"), (2, "duplicate")]
    table.run.stop()


def test_empty_mismatch() -> None:
    """An empty message must be answered by an empty one."""
    table = Table(size=0, count=1)
    table.run.received(b"x")

    assert table.words() == [(1, "mismatch")]


def test_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ping that nobody answers for days holds a bounded number of messages."""
    monkeypatch.setattr(pinging, "REMEMBERED", 10)
    table = Table(count=None, interval=0.125, timeout=100)
    table.clock.pump([0.125] * 50)

    assert len(table.run._open) == 10
    assert len(table.clock.getDelayedCalls()) == 11
    assert table.run.statistics.lost == 51
    table.run.stop()
    assert table.run.statistics.awaited == 10
