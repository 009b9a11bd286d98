"""What a ping does over a stream, whose answers come in order and are cut by their length."""

from __future__ import annotations

import pytest

from echod.answers.exam import Ending
from echod.commands.events import Event
from tests.commands.table import Table


@pytest.mark.parametrize("piece", [1, 5, 12, 13, 36])
def test_stream_pieces(piece: int) -> None:
    """Answers are cut by their length, however they arrive."""
    table = Table(whole=False, interval=0.25)
    table.clock.pump([0.25, 0.25])
    answers = b"".join(table.wire.sent)
    for at in range(0, len(answers), piece):
        table.run.received(answers[at : at + piece])

    assert table.words() == [(1, ""), (2, ""), (3, "")]
    assert table.run.statistics.right


def test_stream_short() -> None:
    """A part of a right answer is told from silence, and the rest may still come, late."""
    table = Table(whole=False, count=1)
    message = table.payloads.message(1)
    table.run.received(message[:5])
    table.clock.advance(1)

    assert table.events == [Event(1, word="timeout", sentence="only 5 of 12 bytes within 1 s")]
    assert table.over == 1


def test_stream_other_words() -> None:
    """A service that says something else, and less, is a mismatch when no more comes."""
    table = Table(whole=False, count=2, interval=2)
    table.run.received(b"hi")
    table.clock.advance(1)
    table.clock.advance(1)
    table.answer(2)

    assert table.words() == [(1, "mismatch"), (2, "")]
    assert table.events[0].sentence == "said 'hi'; the 12 bytes of the message were expected"
    assert (table.over, table.run.statistics.mismatched, table.run.statistics.lost) == (1, 1, 0)


def test_stream_unasked() -> None:
    """Bytes when nothing is open answer nothing."""
    table = Table(whole=False)
    table.answer(1)
    table.run.received(b"more")

    assert table.words() == [(1, ""), (None, "mismatch")]
    assert table.run.statistics.unasked == 1
    table.run.stop()


@pytest.mark.parametrize(("ending", "word"), [(Ending.CLEAN, "closed"), (Ending.RESET, "reset")])
def test_stream_breaks(ending: Ending, word: str) -> None:
    """The end of the stream ends the run; what was open is lost, and what was misheard is a mismatch."""
    table = Table(whole=False, count=None, interval=0.25)
    table.clock.pump([0.25, 0.25])
    table.answer(1)
    table.run.received(b"hi")
    table.run.ended(ending)
    table.run.ended(ending)

    assert table.words() == [(1, ""), (2, "mismatch"), (None, word)]
    assert (table.over, table.run.ended_by, table.run.statistics.lost) == (1, word, 1)
    assert table.clock.getDelayedCalls() == []
