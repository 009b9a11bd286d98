"""
How much of what happens is told to those who watch it.

A service may have 50,000 messages a second, and nobody reads more than some hundred lines. So it is asked first whether
something may be told, before anything is made of it; what may not is counted, by service.

Half of the rate is divided between the services that are watched, in equal shares, so that a busy one leaves the
others theirs; and a share is divided between what is rare and notable (beginnings, ends, drops) and the messages, so
that each of the two is seen. The other half is for whoever comes first, and is kept for what is notable when it runs
low.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

RATE = 500.0
"""Events a second that pass in all, over a longer time."""

BURST = 1_000.0
"""Events that pass at once after a quiet time."""

SMALLEST = 2.0
"""What every share can hold: a message and its answer."""

PAUSE = 0.02
"""Seconds for which messages are not asked about again once one did not pass: most then cost a look at the clock."""


class Bucket:
    """
    Tokens, one for an event; full at first.

    :param now: the time in seconds, which never goes back.
    :ivar rate: how many come in a second.
    :ivar burst: how many it holds.
    """

    __slots__ = ("_at", "_tokens", "burst", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._at = now

    def take(self, most: int, each: int, now: float, *, notable: bool = True) -> int:
        """
        Take tokens for up to `most` happenings of `each` events, and return for how many there were enough.

        What is not notable leaves half of what the bucket can hold.
        """
        tokens = self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        left = 0.0 if notable else self.burst / 2
        given = max(0, min(most, int((tokens - left) // each)))
        self._tokens -= given * each
        return given


class Share:
    """
    What one service may tell.

    :param common: the bucket of all services.
    :param now: gives the time in seconds.
    :param exceeded: called when something is left out, for the first time since `left_out` was read.
    """

    def __init__(self, common: Bucket, now: Callable[[], float], exceeded: Callable[[], object]) -> None:
        self._common = common
        self._now = now
        self._exceeded = exceeded
        self._notable = Bucket(RATE / 4, BURST / 4, now())
        self._messages = Bucket(RATE / 4, BURST / 4, now())
        self._again = 0.0
        self._left_out = 0

    def divide(self, services: int) -> None:
        """Be the share of one of so many services."""
        for bucket in (self._notable, self._messages):
            bucket.rate = RATE / 4 / services
            bucket.burst = max(SMALLEST, BURST / 4 / services)

    def room(self, count: int = 1, each: int = 1, *, notable: bool = False) -> int:
        """
        Return how many of `count` happenings may be told; the others are counted as left out.

        :param each: how many events tell one.
        :param notable: whether they are more than messages.
        """
        now = self._now()
        if now < self._again and not notable:
            given = 0
        else:
            given = (self._notable if notable else self._messages).take(count, each, now)
            if given < count:
                given += self._common.take(count - given, each, now, notable=notable)
            if given < count and not notable:
                self._again = now + PAUSE
        if given < count:
            if not self._left_out:
                self._exceeded()
            self._left_out += (count - given) * each
        return given

    def left_out(self) -> int:
        """Return how many events were left out since this was last asked."""
        left_out, self._left_out = self._left_out, 0
        return left_out
