"""Who watches what: attached while somebody wants it and no longer, told in order, summed up, and never disturbed."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from echod.sampling import BURST
from echod.watch import PREVIEW, SUM_UP, Event, Hub

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from echod.sink import Sink

NOW = 1_700_000_000.5


class Watched:
    """Something of a service; notes what it is told, and tells what the test wants."""

    def __init__(self) -> None:
        self.sink: Sink | None = None
        self.calls: list[bool | None] = []

    def watch(self, sink: Sink | None) -> None:
        """Note who is told, and whether messages are wanted."""
        self.sink = sink
        self.calls.append(None if sink is None else sink.messages)

    def say(self, data: bytes, count: int = 1) -> None:
        """Tell of messages, as far as there is room."""
        assert self.sink is not None
        for _ in range(self.sink.room(count)):
            self.sink.tell("received", ("tcp", 1, "192.0.2.1:4711", "192.0.2.2:7"), data)


class Watch:
    """A hub with two services."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.hub = Hub(self.clock, lambda: NOW)
        self.one, self.two = Watched(), Watched()
        self.hub.add("one", self.one)
        self.hub.add("two", self.two)
        self.heard: list[Event] = []


def test_nothing_is_attached_to_what_nobody_watches() -> None:
    """Before the first subscriber, after the last, and where none wants the service."""
    watch = Watch()
    assert (watch.one.calls, watch.two.calls) == ([], [])
    first = watch.hub.subscribe(watch.heard.append, ["one", "unknown"])
    second = watch.hub.subscribe(watch.heard.append, ["one"])
    assert watch.one.sink is not None
    assert watch.two.calls == []
    first.close()
    assert watch.one.sink is not None
    second.close()
    second.close()
    assert watch.one.sink is None
    assert watch.one.calls == [True, None]
    assert not watch.clock.getDelayedCalls()


def test_messages_are_wanted_while_one_wants_them() -> None:
    """Whoever wants beginnings and ends alone costs the messages nothing."""
    watch = Watch()
    quiet = watch.hub.subscribe(watch.heard.append, messages=False)
    loud = watch.hub.subscribe(watch.heard.append, ["one"])
    assert (watch.one.calls, watch.two.calls) == ([False, True], [False])
    loud.close()
    quiet.close()
    assert (watch.one.calls, watch.two.calls) == ([False, True, False, None], [False, None])


def test_what_comes_later_is_watched_too() -> None:
    """At a reload services come and go; a subscriber of all, or of that name, sees them."""
    watch = Watch()
    watch.hub.subscribe(watch.heard.append, ["three"])
    three, more = Watched(), Watched()
    watch.hub.add("three", three)
    watch.hub.add("three", more)
    three.say(b"a")
    more.say(b"b")
    assert [(each.service, each.preview) for each in watch.heard] == [("three", b"a"), ("three", b"b")]
    watch.hub.remove("three", three)
    assert three.sink is None
    assert more.sink is not None
    watch.hub.remove("three")
    assert more.sink is None
    watch.hub.remove("three")
    watch.hub.add("three", three)
    assert three.sink is not None


def test_what_is_gone_need_not_be_removed() -> None:
    """The hub keeps nothing alive, nor names without anything behind them."""
    watch = Watch()
    for number in range(100):
        watch.hub.add(str(number), Watched())
    gc.collect()
    watch.hub.add("last", watch.one)
    assert set(watch.hub._sinks) == {"one", "two", "last"}


def test_events() -> None:
    """Everything that was told is in it, with the time of people; of a message the beginning."""
    watch = Watch()
    watch.hub.subscribe(watch.heard.append)
    watch.two.say(b"\0" * 300)
    assert watch.one.sink is not None
    watch.one.sink.tell("dropped", ("udp", "x", "x", "y"), b"beginning", 60_000, reason="rate")
    watch.one.sink.tell("opened")
    assert watch.heard == [
        Event("received", "two", NOW, "tcp", 1, "192.0.2.1:4711", "192.0.2.2:7", 300, bytes(PREVIEW)),
        Event("dropped", "one", NOW, "udp", "x", "x", "y", 60_000, b"beginning", "rate"),
        Event("opened", "one", NOW),
    ]
    assert watch.one.sink.number() + 1 == watch.two.sink.number()  # type: ignore[union-attr]


@given(st.binary(max_size=2000))
def test_previews_are_bounded(data: bytes) -> None:
    """However long the message: its first bytes, and its size."""
    watch = Watch()
    watch.hub.subscribe(watch.heard.append)
    watch.one.say(data)
    (event,) = watch.heard
    assert event.preview == data[:PREVIEW]
    assert event.size == len(data)


def test_each_subscriber_is_told_what_it_wants_in_order() -> None:
    """One who closes in the middle of an event is told no more, and the others miss nothing."""
    watch = Watch()
    order: list[tuple[str, bytes]] = []

    def once(event: Event) -> None:
        order.append(("once", event.preview))
        subscription.close()

    subscription = watch.hub.subscribe(once)
    watch.hub.subscribe(lambda event: order.append(("two", event.preview)), ["two"])
    watch.one.say(b"1")
    assert watch.one.sink is None
    watch.two.say(b"1")
    watch.two.say(b"2")
    assert order == [("once", b"1"), ("two", b"1"), ("two", b"2")]


def test_whoever_is_closed_is_told_no_more() -> None:
    """Not even the event in the middle of which another closes it."""
    watch = Watch()
    watch.hub.subscribe(lambda _: other.close())
    other = watch.hub.subscribe(watch.heard.append)
    watch.one.say(b"1")
    assert not watch.heard


def test_a_subscriber_that_fails_is_let_go(logged_failures: list[Failure]) -> None:
    """What is watched goes on, and so do the others."""
    watch = Watch()
    watch.hub.subscribe(lambda _: 1 / 0)
    watch.hub.subscribe(watch.heard.append)
    watch.one.say(b"1")
    watch.one.say(b"2")
    assert [each.preview for each in watch.heard] == [b"1", b"2"]
    assert [failure.type for failure in logged_failures] == [ZeroDivisionError]
    logged_failures.clear()


def test_what_is_left_out_is_summed_up_each_second() -> None:
    """By service, as long as there is any; no timer runs otherwise."""
    watch = Watch()
    watch.hub.subscribe(watch.heard.append)
    watch.one.say(b"x")
    assert not watch.clock.getDelayedCalls()
    watch.heard.clear()
    watch.one.say(b"x", 50_000)
    watch.two.say(b"x", 10_000)
    told = {name: [each.service for each in watch.heard].count(name) for name in ("one", "two")}
    assert sum(told.values()) <= BURST
    watch.heard.clear()
    watch.clock.advance(SUM_UP - 0.01)
    assert not watch.heard
    watch.clock.advance(0.01)
    assert watch.heard == [
        Event("sampled", "one", NOW, count=50_000 - told["one"]),
        Event("sampled", "two", NOW, count=10_000 - told["two"]),
    ]
    watch.heard.clear()
    watch.clock.advance(60)
    assert not watch.heard
    assert not watch.clock.getDelayedCalls()


def test_the_rate_is_divided_between_those_that_are_watched() -> None:
    """Twelve services in a flood are told no more than one alone; who is not watched takes nothing of the rate."""
    watch = Watch()
    more = [Watched() for _ in range(10)]
    for number, each in enumerate(more):
        watch.hub.add(str(number), each)
    subscription = watch.hub.subscribe(watch.heard.append, ["one"])
    watch.one.say(b"x", 50_000)
    alone = len(watch.heard)
    subscription.close()
    watch.clock.advance(60)
    watch.heard.clear()
    watch.hub.subscribe(watch.heard.append)
    for each in (watch.one, watch.two, *more):
        each.say(b"x", 50_000)
    assert len(watch.heard) <= alone
    assert {each.service for each in watch.heard} == {"one", "two", *map(str, range(10))}


@pytest.mark.parametrize("way", ["subscription", "hub", "service"])
def test_the_end_leaves_no_timer(way: str) -> None:
    """Nor a count that the next subscriber would be told; who closes the hub or removes the service tells the last."""
    watch = Watch()
    subscription = watch.hub.subscribe(watch.heard.append, ["one"])
    watch.one.say(b"x", 10_000)
    left_out = 10_000 - len(watch.heard)
    del watch.heard[:]
    if way == "subscription":
        subscription.close()
    elif way == "hub":
        watch.hub.close()
    else:
        watch.hub.remove("one")
    assert not watch.clock.getDelayedCalls()
    assert watch.one.sink is None
    assert watch.heard == ([] if way == "subscription" else [Event("sampled", "one", NOW, count=left_out)])
    del watch.heard[:]
    watch.hub.add("one", watch.one)
    watch.hub.subscribe(watch.heard.append, ["one"])
    watch.clock.advance(60)
    assert not watch.heard
    watch.one.say(b"x", 10_000)
    watch.clock.advance(SUM_UP)
    assert watch.heard[-1].kind == "sampled"


def test_to_subscribe_again_and_again_gives_no_more() -> None:
    """The bound is the service's, not the subscriber's."""
    watch = Watch()
    for _ in range(100):
        subscription = watch.hub.subscribe(watch.heard.append)
        watch.one.say(b"x", 1000)
        watch.two.say(b"x", 1000)
        subscription.close()
    assert len(watch.heard) <= BURST
