"""
What happens on the services, for those who watch it.

While nobody watches, nothing of this is attached to anything: a service is given an `echod.sink.Sink` when the first
subscriber wants it, and loses it with the last. How much passes is for `echod.sampling` to say. What is told of a
connection or a datagram is in `echod.witness`.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from echod.sampling import BURST, RATE, Bucket, Share
from echod.sink import PREVIEW, Event, Kind, Sink, Watchable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["PREVIEW", "SUM_UP", "Event", "Hub", "Kind", "Subscription", "Watchable"]

SUM_UP = 1.0
"""Seconds after which it is told how many events were left out."""


class Subscription:
    """
    One who watches.

    :param hub: where.
    :param take: gets each event, in the middle of the service's work: it must be quick. Should it raise an exception,
        that is logged, and the subscription is closed.
    :param services: the names of the services that are watched; None for all.
    :param messages: whether what is received and sent is to be told too.
    :ivar open: whether it is not closed yet.
    """

    def __init__(
        self, hub: Hub, take: Callable[[Event], object], services: Iterable[str] | None, *, messages: bool
    ) -> None:
        self._hub = hub
        self._services = None if services is None else frozenset(services)
        self.take = take
        self.messages = messages
        self.open = True

    def wants(self, service: str) -> bool:
        """Tell whether a service is watched."""
        return self._services is None or service in self._services

    def close(self) -> None:
        """Take no more."""
        if self.open:
            self.open = False
            self._hub.forget(self)


class Hub:
    """
    Where services are watched.

    :param clock: gives the time in seconds, and calls later; only while more happens than is told.
    :param wall: gives the time in seconds since 1970-01-01 UTC.
    """

    def __init__(self, clock: IReactorTime, wall: Callable[[], float]) -> None:
        self._clock = clock
        self._wall = wall
        self._numbers = itertools.count(1)
        self._common = Bucket(RATE / 2, BURST / 2, clock.seconds())
        self._sinks: dict[str, Sink] = {}
        self._subscriptions: tuple[Subscription, ...] = ()
        self._call: IDelayedCall | None = None

    def add(self, name: str, watchable: Watchable) -> None:
        """
        Let something of a service be watched. It is held weakly: what is gone need not be removed.

        :param name: the service's.
        """
        sink = self._sinks.get(name)
        if sink is None:
            self._sinks = {each: sink for each, sink in self._sinks.items() if sink.needed}
            share = Share(self._common, self._clock.seconds, self._exceeded)
            sink = self._sinks[name] = Sink(name, share, self._wall, self._numbers)
        sink.add(watchable)
        self._settle()

    def remove(self, name: str, watchable: Watchable | None = None) -> None:
        """Let a service, or one thing of it, be watched no more."""
        sink = self._sinks.get(name)
        if sink is None:
            return
        sink.drop(watchable)
        if not sink.needed:
            sink.sum_up()
            del self._sinks[name]
            self._settle()

    def subscribe(
        self, take: Callable[[Event], object], services: Iterable[str] | None = None, *, messages: bool = True
    ) -> Subscription:
        """Watch from now on, see `Subscription`; also what is yet to be added."""
        subscription = Subscription(self, take, services, messages=messages)
        self._subscriptions = (*self._subscriptions, subscription)
        self._settle()
        return subscription

    def forget(self, subscription: Subscription) -> None:
        """Let go of a subscription. Called when it is closed."""
        self._subscriptions = tuple(each for each in self._subscriptions if each is not subscription)
        self._settle()

    def close(self) -> None:
        """Close all subscriptions, after a last summary of what they were not told."""
        self._sum_up()
        for subscription in self._subscriptions:
            subscription.close()

    def _settle(self) -> None:
        """Attach what is wanted, detach what is not, and divide the rate between the services that are watched."""
        for name, sink in self._sinks.items():
            sink.become(tuple(each for each in self._subscriptions if each.wants(name)))
        watched = [sink for sink in self._sinks.values() if sink.attached]
        for sink in watched:
            sink.share.divide(len(watched))
        if not watched and self._call is not None:
            self._call.cancel()
            self._call = None

    def _exceeded(self) -> None:
        if self._call is None:
            self._call = self._clock.callLater(SUM_UP, self._sum_up)

    def _sum_up(self) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
        for sink in list(self._sinks.values()):
            sink.sum_up()
