"""What happens on the services, for pages that watch: the streams that are open, and what they are told each second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from echod import __version__
from echod.console.refusal import Refusal
from echod.console.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from echod.config import Config
    from echod.console.catalog import Catalog
    from echod.service import Echod
    from echod.watch import Hub

MOST_STREAMS = 10
"""Streams that are open at a time."""

TICK = 1.0
"""Seconds between two counts."""


class Streams:
    """
    All streams of one daemon.

    :param wall: gives the time in seconds since 1970.
    """

    def __init__(
        self, echod: Echod, catalog: Catalog, hub: Hub, clock: IReactorTime, wall: Callable[[], float]
    ) -> None:
        self._echod = echod
        self._catalog = catalog
        self._hub = hub
        self._clock = clock
        self._wall = wall
        self._open: set[Stream] = set()
        self._counted: dict[str, Any] = {}
        self._config: Config | None = None
        self._call: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._open)

    def open(self, request: Any, services: frozenset[str] | None, allowed: Callable[[], bool]) -> Deferred[None]:
        """
        Open a stream; the result comes at its end.

        :raises Refusal: 429 when there are enough.
        """
        if len(self._open) >= MOST_STREAMS:
            sentence = f"{MOST_STREAMS} streams of events are open already: close one of the pages"
            raise Refusal(429, sentence, headers={"Retry-After": "5"})
        if not self._open:
            self._counted = self._catalog.counters()
            self._config = self._echod.config
            self._call = self._clock.callLater(TICK, self._tick)
        stream = Stream(request, self._clock, self._wall, services, allowed)
        subscription = self._hub.subscribe(stream.take, services)
        self._open.add(stream)

        def closed() -> None:
            subscription.close()
            self._open.discard(stream)
            if not self._open and self._call is not None:
                self._call.cancel()
                self._call = None

        stream.on_close = closed
        stream.begin()
        stream.write("hello", {"version": __version__, "services": list(self._echod.services)})
        counters = self._catalog.counters()
        stream.count(self._wall(), counters, counters)
        return stream.done

    def look(self) -> None:
        """Tell at once when another configuration came into force."""
        before, now = self._config, self._echod.config
        if not self._open or before is None or before is now:
            return
        self._config = now
        old, new = before.services, now.services
        news = {
            "loaded_at": self._echod.loaded_at,
            "added": [name for name in new if name not in old],
            "changed": [name for name in new if name in old and old[name] != new[name]],
            "removed": [name for name in old if name not in new],
        }
        for stream in list(self._open):
            if stream.allowed():
                stream.write("changed", news)
            else:
                stream.close()

    def close(self) -> None:
        """End all streams."""
        for stream in list(self._open):
            stream.close()

    def _tick(self) -> None:
        self._call = self._clock.callLater(TICK, self._tick)
        self.look()
        before, self._counted = self._counted, self._catalog.counters()
        news = [name for name, counts in self._counted.items() if counts != before.get(name)]
        at = self._wall()
        for stream in list(self._open):
            if stream.stalled:
                stream.abort()
            else:
                stream.count(at, self._counted, news)
