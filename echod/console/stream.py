"""
One stream of server-sent events (WHATWG HTML, section 9.2).

It costs bounded memory, whether it is read or not: what happens waits in a queue of fixed length, and is counted where
that is full.
"""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from echod.sink import Event

MOST_QUEUED = 1_000
"""Events that wait for a stream."""

MOST_AT_ONCE = 100
"""Events that are written before it is looked whether the stream still takes them."""

FLUSH = 0.1
"""Seconds for which events are gathered before they are written together."""

STALL = 30.0
"""Seconds that a stream may be unread."""


@implementer(IPushProducer)
class Stream:
    """
    One stream of events.

    :param request: whose answer it is.
    :param wall: gives the time in seconds since 1970.
    :param services: the names that are watched; None for all.
    :param allowed: tells whether whoever opened it still may.
    """

    def __init__(
        self,
        request: Any,
        clock: IReactorTime,
        wall: Callable[[], float],
        services: frozenset[str] | None,
        allowed: Callable[[], bool],
    ) -> None:
        self._request = request
        self._clock = clock
        self._wall = wall
        self._services = services
        self.allowed = allowed
        self._queue: deque[Event] = deque()
        self._left_out = 0
        # Services whose counters have changed since they were last written.
        self._news: set[str] = set()
        self._paused_at: float | None = None
        self._flushing: IDelayedCall | None = None
        self.done: Deferred[None] = Deferred(lambda _: self.close())
        self.on_close: Callable[[], object] = lambda: None

    @property
    def stalled(self) -> bool:
        """Whether nobody has read it for too long."""
        return self._paused_at is not None and self._clock.seconds() - self._paused_at >= STALL

    def begin(self) -> None:
        """Write the headers."""
        self._request.setHeader(b"Content-Type", b"text/event-stream; charset=utf-8")
        self._request.setHeader(b"X-Accel-Buffering", b"no")
        self._request.registerProducer(self, True)

    def take(self, event: Event) -> None:
        """Take what happened; it is written a moment later. Called in the middle of a service's work."""
        if len(self._queue) >= MOST_QUEUED:
            self._left_out += event.count
            return
        self._queue.append(event)
        if self._flushing is None and self._paused_at is None:
            self._flushing = self._clock.callLater(FLUSH, self._flush)

    def count(self, at: float, counters: dict[str, Any], news: Iterable[str]) -> None:
        """Write the counters that have news, unless the stream takes nothing now; then they are written later."""
        self._news.update(name for name in news if self._services is None or name in self._services)
        if self._paused_at is None:
            services = {name: counters[name] for name in sorted(self._news) if name in counters}
            self._news.clear()
            self.write("counters", {"at": at, "services": services})

    def write(self, kind: str, data: dict[str, Any]) -> None:
        """Write one event."""
        self._request.write(_written(kind, data))

    def close(self) -> None:
        """End the stream."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        self._queue.clear()
        self._paused_at = None
        # A request whose connection is lost has none.
        if getattr(self._request, "channel", None) is not None:
            self._request.unregisterProducer()
        on_close, self.on_close = self.on_close, lambda: None
        on_close()
        if not self.done.called:
            self.done.callback(None)

    def abort(self) -> None:
        """Cut the connection of who does not read: there is no other way to end it."""
        self._request.channel.abort()

    def _flush(self) -> None:
        """Write what waits, as far as it is taken."""
        self._flushing = None
        while self._queue and self._paused_at is None:
            several = [self._queue.popleft() for _ in range(min(MOST_AT_ONCE, len(self._queue)))]
            self._request.write(b"".join([_written(each.kind, _as_json(each)) for each in several]))
        if self._left_out and self._paused_at is None:
            self.write("sampled", {"at": self._wall(), "service": None, "count": self._left_out})
            self._left_out = 0

    def pauseProducing(self) -> None:
        """Write nothing: what was written is not taken. Called by the connection."""
        if self._paused_at is None:
            self._paused_at = self._clock.seconds()
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None

    def resumeProducing(self) -> None:
        """Write again. Called by the connection."""
        self._paused_at = None
        if (self._queue or self._left_out) and self._flushing is None:
            self._flushing = self._clock.callLater(0, self._flush)

    def stopProducing(self) -> None:
        """Write nothing any more. Called by the connection, when it is lost."""
        self.close()


def escaped(data: bytes) -> str:
    r"""
    Return bytes as text, in which everything that does not print is escaped, and so is the backslash.

    No two messages look the same: what is no UTF-8 is `\xff`, a character that does not print `\u202e`.
    """
    text = data.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join([each if each.isprintable() else _escape(each) for each in text])


def _escape(char: str) -> str:
    return f"\\u{ord(char):04x}" if "\x80" <= char <= "\xff" else char.encode("unicode_escape").decode("ascii")


def _as_json(event: Event) -> dict[str, Any]:
    if event.kind == "sampled":
        return {"at": event.at, "service": event.service, "count": event.count}
    return {
        "at": event.at,
        "service": event.service,
        "transport": event.transport,
        "connection": event.connection,
        "peer": event.peer,
        "local": event.local,
        "size": event.size,
        "preview": escaped(event.preview),
        "hex": event.preview.hex(" "),
        "reason": event.reason,
    }


def _written(kind: str, data: dict[str, Any]) -> bytes:
    """Write one event; JSON as it is written here has no line breaks."""
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode("ascii")
