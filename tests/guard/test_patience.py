"""The wheel: everything is looked at in time, nothing costs between its looks, and it stops when it is empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from echod.guard.patience import TICK, Patience

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.python.failure import Failure

LATE = 2 * TICK
"""Seconds that a look may be late: a tick for the beat, one for the turn; where a test clock steps, a step for each."""


class Thing:
    """Something watched: notes its looks, and asks for the next as `again` says."""

    beat = 0

    def __init__(self, again: Callable[[float], float] = lambda now: now + 1e6) -> None:
        self.looks: list[float] = []
        self._again = again

    def look(self, now: float) -> float:
        """Note the time."""
        self.looks.append(now)
        return self._again(now)


def run(clock: Clock, seconds: float, step: float = 0.05) -> None:
    """Let time pass in small steps, as it does."""
    for _ in range(round(seconds / step)):
        clock.advance(step)


@settings(max_examples=60)
@given(
    st.floats(0, 1e6),
    st.lists(st.floats(0, 5), min_size=1, max_size=20),
    st.floats(0.01, 0.6),
)
def test_looks_come_in_time(start: float, delays: list[float], step: float) -> None:
    """Never before their time and never more than half a second after it, wherever the beats happen to fall."""
    clock = Clock()
    clock.advance(start)
    patience = Patience(clock)
    things = [Thing() for _ in delays]
    for thing, delay in zip(things, delays, strict=True):
        patience.watch(thing, start + delay)
    while clock.seconds() < start + 7:
        clock.advance(step)

    for thing, delay in zip(things, delays, strict=True):
        assert len(thing.looks) == 1
        assert thing.looks[0] - (start + delay) + 1e-6 >= 0
        assert thing.looks[0] - (start + delay) <= LATE + 2 * step + 1e-6
    for thing in things:
        patience.forget(thing)
    assert not clock.getDelayedCalls()


@settings(max_examples=60)
@given(st.lists(st.tuples(st.floats(0.3, 3), st.floats(0, 3)), min_size=1, max_size=8), st.floats(0.05, 3))
def test_looks_repeat_as_each_wants(plans: list[tuple[float, float]], step: float) -> None:
    """Whatever a look returns is kept too, also when the process slept through several beats."""
    clock = Clock()
    patience = Patience(clock)
    things = [Thing(lambda now, every=every: now + every) for every, _ in plans]  # type: ignore[misc]
    for thing, (_, first) in zip(things, plans, strict=True):
        patience.watch(thing, first)
    while clock.seconds() < 20:
        clock.advance(step)

    for thing, (every, first) in zip(things, plans, strict=True):
        assert thing.looks[0] <= first + LATE + 2 * step
        for before, after in zip(thing.looks, thing.looks[1:], strict=False):
            assert before + every - 1e-6 <= after <= before + every + LATE + 2 * step
        assert thing.looks[-1] >= clock.seconds() - every - LATE - 2 * step
        patience.forget(thing)


@pytest.mark.parametrize("due", [-100.0, -0.5, -0.25, 0.0])
def test_a_look_that_is_due_already_comes_at_the_next_beat(due: float) -> None:
    """A time in the past, from a look or from `sooner`, is never lost among the beats that are gone."""
    clock = Clock()
    clock.advance(1000)
    patience = Patience(clock)
    others = [Thing(lambda now, at=at: now + at) for at in (0.3, 0.6, 1.1, 5.0, 9.0)]  # type: ignore[misc]
    thing = Thing(lambda now: now + due)
    for other in others:
        patience.watch(other, 1000.1)
    patience.watch(thing, 1000.1)
    run(clock, 10, step=TICK)

    assert len(thing.looks) >= 10 / TICK - 3
    for each in (thing, *others):
        patience.forget(each)


def test_sooner_moves_only_forward() -> None:
    """A nearer limit is kept; one that is later than the next look changes nothing."""
    clock = Clock()
    patience = Patience(clock)
    thing = Thing()
    patience.watch(thing, 10)
    patience.sooner(thing, 20)
    patience.sooner(thing, 2)
    run(clock, 2 + LATE)
    assert len(thing.looks) == 1
    assert 2 <= thing.looks[0] <= 2 + LATE

    patience.sooner(thing, 4)
    run(clock, 20)
    assert len(thing.looks) == 2
    assert 4 <= thing.looks[1] <= 4 + LATE
    patience.forget(thing)


def test_forget_in_the_middle_of_a_look() -> None:
    """A look may end the connection it looks at, or another that is due at the same beat: neither is again."""
    clock = Clock()
    patience = Patience(clock)

    def end_all(now: float) -> float:
        for each in list(alive):
            patience.forget(each)
            alive.remove(each)
        return now

    things = [Thing(end_all) for _ in range(5)]
    alive = list(things)
    for thing in things:
        patience.watch(thing, 1)
    run(clock, 5)

    assert sum(len(thing.looks) for thing in things) == 1
    assert not clock.getDelayedCalls()


def test_watch_again_in_the_middle_of_a_look() -> None:
    """The last connection may be followed by a new one at once: the wheel goes on."""
    clock = Clock()
    patience = Patience(clock)
    second = Thing()

    def replace(now: float) -> float:
        patience.forget(first)
        patience.watch(second, now + 1)
        return now

    first = Thing(replace)
    patience.watch(first, 1)
    run(clock, 5)

    assert len(first.looks) == len(second.looks) == 1
    patience.forget(second)
    assert not clock.getDelayedCalls()


def test_one_failing_look_costs_the_others_nothing(logged_failures: list[Failure]) -> None:
    """It is logged and comes again later; everyone else is looked at in time."""
    clock = Clock()
    patience = Patience(clock)

    def fail(now: float) -> float:
        raise ZeroDivisionError(now)

    things = [Thing(fail) if number == 2 else Thing() for number in range(5)]
    for thing in things:
        patience.watch(thing, 1)
    run(clock, 30, step=TICK)
    assert [len(thing.looks) for thing in things] == [1] * 5
    assert len(logged_failures) == 1
    run(clock, 60, step=TICK)
    assert len(logged_failures) == 2
    assert all(failure.check(ZeroDivisionError) for failure in logged_failures)
    logged_failures.clear()

    for thing in things:
        patience.forget(thing)
    assert not clock.getDelayedCalls()


def test_time_stands_while_nothing_is_watched() -> None:
    """Without connections there is no timer; the first one after a quiet hour finds the right time."""
    clock = Clock()
    patience = Patience(clock)
    assert not clock.getDelayedCalls()
    thing = Thing()
    patience.watch(thing, 1)
    assert len(clock.getDelayedCalls()) == 1
    patience.forget(thing)
    assert not clock.getDelayedCalls()

    clock.advance(3600)
    patience.watch(thing, 3601)
    assert patience.now == 3600
    run(clock, 1 + LATE)
    assert len(thing.looks) == 1
    patience.forget(thing)


def test_a_busy_wheel_costs_nothing_between_looks() -> None:
    """Ten thousand connections that are due in an hour are not touched in the minutes before."""
    clock = Clock()
    patience = Patience(clock)
    things = [Thing() for _ in range(10_000)]
    for number, thing in enumerate(things):
        patience.watch(thing, 3600 + number)
    touched: list[object] = []
    patience._look = touched.append  # type: ignore[method-assign,assignment]
    waiting = {beat: len(found) for beat, found in patience._looks.items()}
    run(clock, 600, step=TICK)

    assert not touched
    assert {beat: len(found) for beat, found in patience._looks.items()} == waiting
    for thing in things:
        patience.forget(thing)
    assert not patience._looks
    assert not clock.getDelayedCalls()


def test_the_coarse_clock_beats() -> None:
    """While something is watched, `now` is never older than a tick and a turn."""
    clock = Clock()
    patience = Patience(clock)
    thing = Thing()
    patience.watch(thing, 1000)
    for _ in range(100):
        clock.advance(0.1)
        assert clock.seconds() - patience.now <= TICK + 0.1
    patience.forget(thing)
