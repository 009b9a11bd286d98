"""What a ping does over datagrams and streams alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from echod.answers.exam import Ending
from echod.commands.events import Event
from tests.commands.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=[True, False], ids=["datagrams", "stream"])
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    """Return a table of either sort, on which no call is left at the end."""
    made = Table(whole=request.param)
    yield made
    made.run.stop()
    assert made.clock.getDelayedCalls() == []
    assert made.over == 1


def test_all_right(table: Table) -> None:
    """Messages leave at the interval; each answer is timed; the run ends with the last answer."""
    for number in (1, 2, 3):
        assert len(table.wire.sent) == number
        table.clock.advance(0.25)
        table.answer(number)
        table.clock.advance(0.75)

    assert table.events == [Event(1, 0.25), Event(2, 0.25), Event(3, 0.25)]
    assert table.over == 1
    assert table.run.statistics.right
    assert table.clock.seconds() == 3


def test_lost(table: Table) -> None:
    """A message without an answer is reported when its time is over, and the last one's time is waited for."""
    table.clock.advance(1)
    table.clock.advance(1)
    table.clock.advance(0.75)

    assert table.words() == [(1, "timeout"), (2, "timeout")]
    assert table.over == 0

    table.clock.advance(0.25)

    assert table.events[-1] == Event(3, word="timeout", sentence="no answer within 1 s")
    assert table.over == 1
    assert (table.run.statistics.lost, table.run.statistics.lost_percent) == (3, 100)


def test_late(table: Table) -> None:
    """An answer after the timeout is a right answer, but late, and the run is not right."""
    table.clock.advance(1)
    table.clock.advance(0.5)
    table.answer(1, 2)
    table.clock.advance(0.5)
    table.answer(3)

    assert table.events == [
        Event(1, word="timeout", sentence="no answer within 1 s"),
        Event(1, 1.5, "late"),
        Event(2, 0.5),
        Event(3, 0.0),
    ]
    assert (table.run.statistics.received, table.run.statistics.lost, table.run.statistics.late) == (3, 0, 1)
    assert not table.run.statistics.right


def test_one_wrong_byte(table: Table) -> None:
    """A byte that differs is a mismatch, told apart from a loss."""
    message = bytearray(table.payloads.message(1))
    message[-1] ^= 1
    table.run.received(bytes(message))

    assert table.words() == [(1, "mismatch")]
    assert "1 of 12 bytes differ, the first at offset 11" in table.events[0].sentence

    table.clock.advance(1)
    table.answer(2)
    table.clock.advance(1)
    table.answer(3)

    statistics = table.run.statistics
    assert (statistics.received, statistics.mismatched, statistics.lost, table.over) == (2, 1, 0, 1)


def test_stopped(table: Table) -> None:
    """A message that may still be answered when the run is stopped is awaited, not lost."""
    table.answer(1)
    table.clock.advance(1)
    table.run.stop()

    assert (table.run.statistics.sent, table.run.statistics.lost, table.run.statistics.awaited) == (2, 0, 1)
    assert table.run.statistics.right

    table.answer(2)
    table.run.ended(Ending.RESET)

    assert len(table.events) == 1
    assert table.run.ended_by is None


def test_suspended(table: Table) -> None:
    """After a suspension the interval goes on; what was missed is not sent all at once."""
    table.answer(1)
    table.clock.rightNow += 7.5
    table.clock.advance(0)

    assert len(table.wire.sent) == 2

    table.clock.advance(0.25)

    assert len(table.wire.sent) == 2

    table.clock.advance(0.25)

    assert len(table.wire.sent) == 3
