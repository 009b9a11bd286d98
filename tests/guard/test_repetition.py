"""Loops are told from talks by what comes again and again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from echod.guard.repetition import PAUSE, PEERS, ROW, Repetition

ME = (b"\x0a\x63\x00\x01", 7007)


def test_one_of_a_row_is_not_answered() -> None:
    """Of equal datagrams without a pause, the last of each row: less than half a percent."""
    repetition = Repetition()
    ended = [number for number in range(5 * ROW) if repetition.ends_row(*ME, b"again", number * 0.9 * PAUSE)]
    assert ended == [ROW * row - 1 for row in range(1, 6)]
    assert 1 / ROW <= 0.001


@given(st.floats(0, 0.01))
def test_who_numbers_its_datagrams_misses_nothing(interval: float) -> None:
    """However fast they come."""
    repetition = Repetition()
    assert not any(repetition.ends_row(*ME, b"%d" % number, number * interval) for number in range(4 * ROW))


def test_who_pauses_misses_nothing() -> None:
    """A ping each second, the same every time."""
    repetition = Repetition()
    assert not any(repetition.ends_row(*ME, b"ping", number * (PAUSE + 0.001)) for number in range(4 * ROW))


def test_ports_are_told_apart() -> None:
    """Many clients of one address have a row each."""
    repetition = Repetition()
    ports = [(5000 + number % 8, number * 1e-4) for number in range(8 * ROW - 8)]
    assert not any(repetition.ends_row(ME[0], port, b"same", now) for port, now in ports)
    assert repetition.ends_row(ME[0], 5000, b"same", 8 * ROW * 1e-4)


def test_memory_is_bounded() -> None:
    """Peers beyond the bound make all be forgotten."""
    repetition = Repetition()
    for number in range(3 * PEERS):
        repetition.ends_row(number.to_bytes(4, "big"), 5000, b"", 0.0)
        assert len(repetition) <= PEERS
