"""
How much each source may send.

A token bucket for each source, in the form of the generic cell rate algorithm (ITU-T I.371): all it keeps is one time,
at which the bucket will be full again. A full bucket is the same as none, so buckets are kept in two generations, and
one that was not used for a whole generation is forgotten.

An empty bucket is closed until it has a second's worth again. On average a source gets its rate all the same, but
what goes round between two answering machines (CVE-2024-2169) does not outlive a second in which nothing is answered,
however many datagrams go round, while a bucket that let each new token out at once would keep them alive.

Memory is bounded under any number of sources: a source that finds no room shares a bucket of the same rate with those
others whose addresses have the same hash, which Python makes with a secret. Who has a bucket keeps it.
"""

from __future__ import annotations

SOURCES = 131_072
"""Sources that have a bucket of their own; they take about 30 MB."""

SHARED = 8_192
"""Buckets for all other sources."""

CLOSED = 1.0
"""Seconds that an empty bucket stays closed, or half of what fills it, if that is less."""


class Buckets:
    """
    Token buckets.

    :param rate: messages a second that a source may send on average.
    :param burst: messages that it may send at once.
    :param sources: how many sources get a bucket of their own.
    """

    def __init__(self, rate: float, burst: float, sources: int = SOURCES) -> None:
        self.rate = rate
        self.burst = burst
        self._interval = 1.0 / rate
        # A thousandth of a message more, lest a sum of floating-point numbers takes one off.
        self._window = (burst + 0.001) / rate
        self._open_at = self._window - min(CLOSED, self._window / 2)
        self._sources = sources
        # When each will be full. A closed one has the negative.
        self._young: dict[bytes, float] = {}
        self._old: dict[bytes, float] = {}
        self._shared = [0.0] * SHARED
        self._turn = 0.0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def take(self, source: bytes, now: float) -> bool:
        """
        Take one message's worth for a source; False when its bucket is empty.

        :param now: the time in seconds, which never goes back.
        """
        if now >= self._turn:
            self._grow_old(now)
        full_at = self._young.get(source)
        if full_at is not None and full_at < 0 and -full_at - now > self._open_at:
            # A flood is told so with the least effort.
            return False
        if full_at is None:
            full_at = self._old.pop(source, None)
            if full_at is None:
                place = hash(source) % SHARED
                if len(self) >= self._sources:
                    taken, self._shared[place] = self._spend(self._shared[place], now)
                    return taken
                # It may have used the shared one a moment ago.
                full_at = self._shared[place]
        taken, self._young[source] = self._spend(full_at, now)
        return taken

    def _spend(self, full_at: float, now: float) -> tuple[bool, float]:
        """Take from one bucket, and return whether it had enough, and when it will be full."""
        if full_at < 0:
            if -full_at - now > self._open_at:
                return False, full_at
            full_at = -full_at
        full_at = max(now, full_at)
        after = full_at + self._interval
        return (True, after) if after - now <= self._window else (False, -full_at)

    def _grow_old(self, now: float) -> None:
        """Forget the old generation: its buckets have not been used for long enough to be full."""
        self._old = self._young if now < self._turn + self._window else {}
        self._young = {}
        self._turn = now + self._window
