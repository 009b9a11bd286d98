"""How much each source may send, and what that costs in memory."""

from __future__ import annotations

import itertools
import resource
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echod.guard.buckets import CLOSED, SHARED, Buckets

ME = b"\x0a\x63\x00\x01"


def address(number: int) -> bytes:
    """Return one of many sources."""
    return number.to_bytes(8, "big")


@settings(max_examples=100)
@given(
    st.integers(1, 200),
    st.integers(1, 8),
    st.lists(st.tuples(st.floats(0, 3), st.integers(1, 60)), min_size=1, max_size=60),
    st.integers(1, 4),
)
def test_never_more_than_burst_and_rate(rate: int, times: int, plan: list[tuple[float, int]], sources: int) -> None:
    """Between any two moments nobody gets more than the burst and the rate, in a table with room or without."""
    buckets = Buckets(rate, rate * times, sources)
    now, taken = 1000.0, []
    others = [address(number) for number in range(6)]
    for pause, count in plan:
        now += pause
        for other in others:
            buckets.take(other, now)
        taken += [now for _ in range(count) if buckets.take(ME, now)]
    # Of all pairs of answers, the worst is the one whose first has the most of `rate * time - number` before it.
    worst = float("-inf")
    for number, at in enumerate(taken):
        worst = max(worst, rate * (at - 1000.0) - number)
        assert number + 1 - rate * (at - 1000.0) + worst <= rate * times + 0.01


@settings(max_examples=50)
@given(st.integers(1, 1000), st.integers(1, 8), st.floats(0.1, 20))
def test_who_stays_below_the_rate_gets_everything(rate: int, times: int, seconds: float) -> None:
    """The other side of the limit: evenly at the rate, or a burst at once, nothing is refused."""
    buckets = Buckets(rate, rate * times)
    assert all(buckets.take(ME, 1000.0) for _ in range(rate * times))
    steady = Buckets(rate, rate * times)
    assert all(
        steady.take(ME, 1000.0 + number * 1.000001 / rate) for number in range(min(5000, int(rate * seconds) + 1))
    )


def test_a_flood_gets_its_rate_and_an_empty_bucket_closes() -> None:
    """At 50,000 a second for 20 s the answers are the burst and the rate, and come with whole seconds of silence."""
    buckets = Buckets(1000, 4000)
    answered = [number / 50_000 for number in range(20 * 50_000) if buckets.take(ME, 1000 + number / 50_000)]
    assert 0.9 * (4000 + 19_000) <= len(answered) <= 4000 + 20_000
    pauses = [later - before for before, later in itertools.pairwise(answered) if later - before > 0.1]
    assert len(pauses) >= 18
    assert all(CLOSED - 0.1 < pause < CLOSED + 0.1 for pause in pauses)


def test_after_a_flood_all_is_well() -> None:
    """Who was over the limit and is so no more gets the rate at once, and the burst when the bucket is full again."""
    buckets = Buckets(10, 40)
    while buckets.take(ME, 1000.0):
        pass
    assert not buckets.take(ME, 1000.9)
    assert buckets.take(ME, 1001.01)
    assert sum(buckets.take(ME, 1006.0) for _ in range(100)) == 40


def resident() -> int:
    """Return the bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


def test_a_million_sources_cost_little_memory_and_the_innocent_nothing() -> None:
    """Random sources fill the table; who had a bucket keeps it, who comes later gets answers, memory stays bounded."""
    buckets = Buckets(1000, 4000)
    before, most = resident(), 0
    now, refused, refused_late = 1000.0, 0, 0
    for number in range(1_000_000):
        # A quarter of a million forged sources a second; the innocent ones send 100 each.
        now += 1 / 250_000
        buckets.take(address(number * 0x9E3779B97F4A7C15 % 2**64), now)
        if not number % 2500:
            refused += not buckets.take(ME, now)
            if number > 500_000:
                refused_late += not buckets.take(b"late", now)
                most = max(most, resident() - before)
    print(f"{most / 1e6:.1f} MB")
    assert 4e6 < most < 64e6
    assert refused == 0
    assert refused_late == 0


def test_memory_is_bounded_when_the_same_many_come_again_and_again() -> None:
    """Sources that stay do not pile up generation after generation."""
    buckets = Buckets(1000, 4000, sources=1000)
    for turn in range(30):
        for number in range(3000):
            buckets.take(address(number + 50 * turn), 1000.0 + turn * 2.1)
        assert len(buckets) <= 1000


def test_the_overflow_shares() -> None:
    """Beyond the table there are `SHARED` buckets for all: each limits all who share it, the others are free."""
    buckets = Buckets(1000, 4000, sources=0)
    while buckets.take(ME, 1000.0):
        pass
    assert not len(buckets)
    others = [address(number) for number in range(2000)]
    sharing = [other for other in others if hash(other) % SHARED == hash(ME) % SHARED]
    assert [other for other in others if not buckets.take(other, 1000.0)] == sharing


def test_out_of_the_overflow_nothing_is_won() -> None:
    """Who emptied a shared bucket does not get a fresh one of its own the moment there is room."""
    buckets = Buckets(10, 40, sources=1)
    assert buckets.take(address(1), 1000.0)
    while buckets.take(ME, 1007.9):
        pass
    # The first one's bucket is forgotten meanwhile.
    assert not buckets.take(ME, 1008.1)


@pytest.mark.parametrize("later", [4.1, 8.1, 3600.0])
def test_idle_sources_are_forgotten(later: float) -> None:
    """A bucket that is full again needs no memory, however long nobody asked."""
    buckets = Buckets(1000, 4000)
    for number in range(100):
        buckets.take(address(number), 1000.0)
    buckets.take(ME, 1000.0 + later)
    buckets.take(ME, 1000.0 + 2 * later)
    assert len(buckets) == 1
