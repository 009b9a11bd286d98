"""The numbers of a ping, compared with sums done by hand."""

from __future__ import annotations

import statistics as reference
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echod.commands.statistics import Statistics, jitter, median, percentile

TIMES = st.lists(st.floats(0, 1000, allow_nan=False), min_size=1, max_size=200)


@pytest.mark.parametrize(
    ("count", "percent", "value"),
    [(1, 90, 1), (1, 99, 1), (10, 90, 9), (10, 99, 10), (100, 90, 90), (100, 99, 99), (200, 99, 198), (7, 90, 7)],
)
def test_percentile(count: int, percent: float, value: float) -> None:
    """Of the times 1 to `count`, the nearest rank is the rounded-up share."""
    assert percentile(range(1, count + 1), percent) == value


@given(TIMES, st.integers(1, 100))
def test_percentile_is_measured(times: list[float], percent: int) -> None:
    """A percentile is one of the times, so many percent do not exceed it, and no smaller time will do."""
    ordered = sorted(times)
    found = percentile(ordered, percent)

    assert found in times
    assert sum(time <= found for time in times) * 100 >= percent * len(times)
    assert sum(time < found for time in times) * 100 < percent * len(times)


@given(TIMES)
def test_median(times: list[float]) -> None:
    """The median is Python's own."""
    assert median(sorted(times)) == pytest.approx(reference.median(times))


@pytest.mark.parametrize(
    ("times", "value"), [([], 0), ([5], 0), ([1, 4], 3), ([1, 4, 2], 2.5), ([2, 2, 2], 0), ([1, 3, 1, 3], 2)]
)
def test_jitter(times: list[float], value: float) -> None:
    """The mean difference of neighbours."""
    assert jitter(times) == value


def test_counts() -> None:
    """Every message is received, mismatched, lost or still awaited; the percentage leaves out the last."""
    made = Statistics(sent=10, mismatched=2, awaited=2, late=1, round_trips=array("d", [0.001, 0.002, 0.003]))

    assert (made.received, made.lost, made.lost_percent) == (3, 3, 37.5)
    assert made.heard
    assert not made.right


@pytest.mark.parametrize("fault", [{"sent": 3}, {"late": 1}, {"mismatched": 1, "sent": 3}, {"unasked": 1}])
def test_wrong(fault: dict[str, int]) -> None:
    """A message lost, late or mismatched, or an answer that nobody asked for, makes a ping wrong."""
    times = array("d", [0.1, 0.1])

    assert Statistics(sent=2, round_trips=times).right
    assert not Statistics(**{"sent": 2, **fault}, round_trips=times).right


def test_networks_may() -> None:
    """Duplicates and another order are what networks may do: all was answered right."""
    assert Statistics(sent=1, duplicated=1, reordered=1, round_trips=array("d", [0.1])).right


def test_nothing() -> None:
    """Without an answer there are no times, and nothing is right."""
    nothing = Statistics(sent=2)

    assert not nothing.right
    assert not nothing.heard
    assert nothing.lines() == ["2 sent, 0 received, 2 lost (100%), 0 duplicated, 0 reordered, 0 mismatched"]
    assert set(nothing.as_json()["round_trip_ms"].values()) == {None}
    assert Statistics().lost_percent == 0


def test_lines() -> None:
    """The summary has the times in milliseconds, and what is rare only when it happened."""
    made = Statistics(sent=5, late=1, unasked=1, awaited=1, round_trips=array("d", [0.001, 0.003, 0.002]))

    assert made.lines() == [
        "5 sent, 3 received, 1 lost (25%), 0 duplicated, 0 reordered, 1 mismatched, 1 late, 1 still awaited",
        "round trip min/median/p90/p99/max = 1.000/2.000/3.000/3.000/3.000 ms, jitter 1.500 ms",
    ]
    assert made.as_json() == {
        "sent": 5,
        "received": 3,
        "lost": 1,
        "lost_percent": 25.0,
        "late": 1,
        "mismatched": 1,
        "duplicated": 0,
        "reordered": 0,
        "awaited": 1,
        "round_trip_ms": {
            "min": 1.0,
            "median": 2.0,
            "p90": 3.0,
            "p99": 3.0,
            "max": 3.0,
            "mean": 2.0,
            "jitter": 1.5,
        },
    }
