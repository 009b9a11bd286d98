"""How much is told: never more than the rate, everyone's share, what is notable first, and nothing left uncounted."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from echod.sampling import BURST, RATE, SMALLEST, Bucket, Share


class Shares:
    """Services that share a rate, on a clock that the test moves."""

    def __init__(self, services: int) -> None:
        self.clock = Clock()
        self.exceeded = 0
        common = Bucket(RATE / 2, BURST / 2, 0)
        self.all = [Share(common, self.clock.seconds, self.note) for _ in range(services)]
        for share in self.all:
            share.divide(services)

    def note(self) -> None:
        """Count."""
        self.exceeded += 1


@settings(max_examples=50)
@given(
    services=st.integers(1, 40),
    steps=st.lists(
        st.tuples(st.floats(0, 0.3), st.integers(0, 39), st.integers(1, 300), st.sampled_from([1, 2]), st.booleans()),
        max_size=60,
    ),
)
def test_never_more_than_the_rate(services: int, steps: list[tuple[float, int, int, int, bool]]) -> None:
    """Over any time, no more than the burst and the rate; what passed and what was left out is what there was."""
    shares = Shares(services)
    passed = offered = 0
    for wait, who, count, each, notable in steps:
        shares.clock.advance(wait)
        given = shares.all[who % services].room(count, each, notable=notable)
        assert 0 <= given <= count
        passed += given * each
        offered += count * each
    most = BURST / 2 + services * 2 * max(SMALLEST, BURST / 4 / services)
    assert passed <= most + RATE * shares.clock.seconds() + 0.01
    assert passed + sum(share.left_out() for share in shares.all) == offered


def test_a_flood_is_sampled() -> None:
    """Of 50,000 messages a second for ten seconds, the burst and 500 a second pass; the watch costs no more."""
    shares = Shares(1)
    (share,) = shares.all
    passed = 0
    for _ in range(10_000):
        shares.clock.advance(0.001)
        passed += share.room(25, 2) * 2 + share.room(notable=True)
    assert 0.8 * (RATE * 10) <= passed <= BURST + RATE * 10
    assert passed + share.left_out() == 10_000 * 51


def test_a_flood_leaves_the_others_their_share() -> None:
    """Three services are flooded, with messages and with connections; the fourth is told whole."""
    shares = Shares(4)
    *busy, quiet = shares.all
    for step in range(10_000):
        shares.clock.advance(0.001)
        for share in busy:
            share.room(50, 2)
            share.room(50, notable=True)
        if step % 100 == 0:
            assert quiet.room(1, 2) == 1
            assert quiet.room(notable=True) == 1
    assert not quiet.left_out()
    assert all(share.left_out() for share in busy)


@pytest.mark.parametrize("services", [1, 20, 1000])
def test_everyone_is_told_something(services: int) -> None:
    """Of each flooded service some messages, and some of what is notable, however many services there are."""
    shares = Shares(services)
    messages, notable = [0] * services, [0] * services
    for _ in range(20):
        shares.clock.advance(2)
        for at, share in enumerate(shares.all):
            messages[at] += share.room(100, 2)
            notable[at] += share.room(100, notable=True)
    assert min(messages) > 0
    assert min(notable) > 0
    most = BURST / 2 + services * 2 * max(SMALLEST, BURST / 4 / services)
    assert 2 * sum(messages) + sum(notable) <= most + RATE * shares.clock.seconds()


def test_what_is_notable_comes_first() -> None:
    """Messages use the common half only down to its own half; beginnings and ends take the rest."""
    shares = Shares(1)
    (share,) = shares.all
    assert share.room(10_000) == BURST / 4 + BURST / 4
    assert share.room(10_000, notable=True) == BURST / 4 + BURST / 4
    for _ in range(100):
        shares.clock.advance(0.01)
        share.room(10_000, notable=True)
    # In the second since then, messages had their own quarter alone.
    shares.clock.advance(0)
    assert share.room(10_000) == pytest.approx(RATE / 4, abs=1)


def test_after_a_refusal_messages_wait_a_moment() -> None:
    """So that most of a flood costs a look at the clock; what is notable never waits."""
    shares = Shares(1)
    (share,) = shares.all
    share.room(10_000)
    shares.clock.advance(0.019)
    assert share.room() == 0
    assert share.room(notable=True) == 1
    shares.clock.advance(0.002)
    assert share.room() == 1


def test_what_is_left_out_is_announced_once() -> None:
    """Until it is read: then anew."""
    shares = Shares(1)
    (share,) = shares.all
    share.room(9)
    assert shares.exceeded == 0
    share.room(10_000)
    share.room(10_000)
    assert shares.exceeded == 1
    assert share.left_out() == 20_009 - BURST / 2
    assert share.left_out() == 0
    share.room(10_000)
    assert shares.exceeded == 2
