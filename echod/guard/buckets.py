"""
How much each source may send.

A token bucket for each source, in the form of the generic cell rate algorithm (ITU-T I.371): all it keeps is one time,
at which the bucket will be full again. A full bucket is the same as none, so buckets are kept in two generations, and
one that was not used for a whole generation is forgotten.

Memory is bounded under any number of sources: when a generation has no room for a new source, the source shares one
bucket, of the same rate, with all others that found none. Who had a bucket before keeps it.
"""

from __future__ import annotations

SOURCES = 65_536
"""New sources that get a bucket of their own in each generation; two generations take about 20 MB."""


class Buckets:
    """
    Token buckets.

    :param rate: messages a second that a source may send on average.
    :param burst: messages that it may send at once.
    :param sources: how many sources get a bucket.
    """

    def __init__(self, rate: float, burst: float, sources: int = SOURCES) -> None:
        self._interval = 1.0 / rate
        self._window = burst / rate
        self._sources = sources
        self._young: dict[bytes, float] = {}
        self._old: dict[bytes, float] = {}
        self._shared = 0.0
        self._turn = 0.0
        self._new = 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def take(self, source: bytes, now: float) -> bool:
        """Take one message's worth for a source at the time `now` in seconds; False when its bucket is empty."""
        if now >= self._turn:
            self._grow_old(now)
        full_at = self._young.get(source)
        if full_at is None:
            full_at = self._old.get(source)
            if full_at is None:
                if self._new >= self._sources:
                    return self._share(now)
                self._new += 1
                full_at = now
        full_at = (max(now, full_at)) + self._interval
        if full_at - now > self._window:
            # Kept in the young generation all the same: whoever is over the rate must not be forgotten.
            self._young[source] = full_at - self._interval
            return False
        self._young[source] = full_at
        return True

    def _share(self, now: float) -> bool:
        full_at = max(self._shared, now) + self._interval
        if full_at - now > self._window:
            return False
        self._shared = full_at
        return True

    def _grow_old(self, now: float) -> None:
        """Forget the old generation: its buckets have not been used for long enough to be full."""
        self._old = self._young if now < self._turn + self._window else {}
        self._young = {}
        self._new = 0
        self._turn = now + self._window
