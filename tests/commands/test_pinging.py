"""A ping without a network: messages are answered by hand, and time passes when the test says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from twisted.internet.task import Clock

from echod.answers.exam import Ending
from echod.commands import pinging
from echod.commands.payload import Payloads
from echod.commands.pinging import Event, PingRun, Plan

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = b"\xaa" * 8


class Wire:
    """A talk that keeps what is sent; `fault` and `said` are what the network says to the next question."""

    def __init__(self, *, whole: bool) -> None:
        self.whole = whole
        self.sent: list[bytes] = []
        self.fault: str | None = None
        self.said: str | None = None

    def send(self, message: bytes) -> str | None:
        """Keep a message."""
        self.sent.append(message)
        return self.fault

    def trouble(self) -> str | None:
        """Say what the network said."""
        said, self.said = self.said, None
        return said


class Table:
    """One ping on a table: the run, its wire, its clock, and what it reported."""

    def __init__(
        self,
        *,
        whole: bool = True,
        size: int = 12,
        count: int | None = 3,
        interval: float = 1.0,
        timeout: float = 1.0,
    ) -> None:
        self.wire = Wire(whole=whole)
        self.clock = Clock()
        self.events: list[Event] = []
        self.over = 0
        self.payloads = Payloads(size, RUN)
        plan = Plan(count, interval, timeout)
        self.run = PingRun(
            self.wire,
            self.payloads,
            plan,
            # Unlike the scheduler's, this clock does not begin at 0.
            lambda: self.clock.seconds() + 1000,
            self.clock,
            self.events.append,
            self.end,
        )
        self.run.start()

    def end(self) -> None:
        """Count the ends: there must be one."""
        self.over += 1

    def answer(self, *numbers: int) -> None:
        """Answer messages right."""
        for number in numbers:
            self.run.received(self.payloads.message(number))

    def words(self) -> list[tuple[int | None, str]]:
        """Return number and word or remark of each event."""
        return [(event.number, event.word or event.remark) for event in self.events]


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
