"""What is told of a service to those who watch it, and where the service tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias
from weakref import WeakSet

from twisted.logger import Logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from echod.sampling import Share

PREVIEW = 256
"""Bytes of a message that are shown, at most."""

Kind: TypeAlias = Literal["opened", "received", "sent", "half-closed", "closed", "reset", "dropped", "sampled"]

Names: TypeAlias = "tuple[str, int | str, str, str]"
"""Whom an event is about: transport, connection, peer and local address, as `Event` has them."""

NOBODY: Names = ("", 0, "", "")


@dataclass(frozen=True, slots=True)
class Event:
    """
    One thing that happened.

    :ivar kind: a connection was `opened`; bytes or a datagram were `received` or `sent`, which is handed to the kernel
        or to what waits for it; one direction of a connection was `half-closed`; both were `closed`, or `reset` where
        something may be lost; a connection or a datagram was `dropped`, unanswered. Of all these, `sampled` tells how
        many were left out since the last.
    :ivar at: when, in seconds since 1970-01-01 UTC.
    :ivar transport: `tcp`, `tls`, `unix`, `udp` or `unixgram`.
    :ivar connection: a number that no other connection has; for datagrams, the peer.
    :ivar peer: as `192.0.2.1:4711`, `[2001:db8::1]:4711` or a path, which may be empty, all printable; behind a
        balancer, the client that its header names.
    :ivar local: which address was hit, likewise; empty where it is not known: of a connection that was not let in, or
        that ended before anything else of it was told.
    :ivar size: of the message, in bytes.
    :ivar preview: its first bytes, raw: whoever shows them must escape them.
    :ivar reason: why it was dropped, as it is counted. Of an end, the limit that made it, as it is counted, or else
        who: `peer`, `vanished` (its host, or the way to it), `answer`, or `stop` (of the daemon or the service). Of a
        half-close, who: `peer`, or what ended our direction.
    :ivar count: how many events were left out, for `sampled`; else 1.
    """

    kind: Kind
    service: str
    at: float
    transport: str = ""
    connection: int | str = 0
    peer: str = ""
    local: str = ""
    size: int = 0
    preview: bytes = b""
    reason: str = ""
    count: int = 1


class Watchable(Protocol):
    """What can be watched: a factory with its connections, or a datagram server."""

    def watch(self, sink: Sink | None) -> None:
        """
        Tell the sink from now on what happens, or nobody any more.

        Called again with the same sink when its `messages` changed.
        """


class Taker(Protocol):
    """Who gets events."""

    messages: bool
    open: bool

    @property
    def take(self) -> Callable[[Event], object]:
        """What is called with each event."""

    def close(self) -> None:
        """Take no more."""


class Sink:
    """
    Where one service tells what happens.

    :param name: the service's.
    :param share: how much of it may be told.
    :param wall: gives the time in seconds since 1970-01-01 UTC.
    :param numbers: gives numbers for connections.
    :ivar room: `echod.sampling.Share.room`, which is to be asked before anything is told.
    :ivar messages: whether what is received and sent is wanted.
    """

    _log = Logger()

    def __init__(self, name: str, share: Share, wall: Callable[[], float], numbers: Iterator[int]) -> None:
        self._name = name
        self._wall = wall
        self._numbers = numbers
        self._takers: tuple[Taker, ...] = ()
        self._watched: WeakSet[Any] = WeakSet()
        self.share = share
        self.room = share.room
        self.messages = False

    @property
    def attached(self) -> bool:
        """Whether anybody watches."""
        return bool(self._takers)

    @property
    def needed(self) -> bool:
        """Whether there is anything to watch."""
        return bool(self._watched)

    def number(self) -> int:
        """Return a number for a connection, which no other has."""
        return next(self._numbers)

    def tell(
        self, kind: Kind, names: Names = NOBODY, data: bytes = b"", size: int = 0, *, reason: str = "", count: int = 1
    ) -> None:
        """
        Tell an event.

        :param data: the message, or at least its beginning.
        :param size: how long the message is, if that is not all of it.
        """
        event = Event(
            kind, self._name, self._wall(), *names, size or len(data), data[:PREVIEW], reason=reason, count=count
        )
        for taker in self._takers:
            if taker.open:
                self._give(taker, event)

    def _give(self, taker: Taker, event: Event) -> None:
        try:
            taker.take(event)
        except Exception:  # noqa: BLE001 - whoever watches must not disturb what is watched
            self._log.failure("{service} is watched no more by one who failed", service=self._name)
            taker.close()

    def sum_up(self) -> None:
        """Tell how much was left out."""
        left_out = self.share.left_out()
        if left_out:
            self.tell("sampled", count=left_out)

    def add(self, watchable: Watchable) -> None:
        """Let something be watched, as long as it lives."""
        self._watched.add(watchable)
        if self._takers:
            watchable.watch(self)

    def drop(self, watchable: Watchable | None) -> None:
        """Let something be watched no more; None for everything."""
        for each in list(self._watched) if watchable is None else [watchable]:
            self._watched.discard(each)
            each.watch(None)

    def become(self, takers: tuple[Taker, ...]) -> None:
        """Tell these from now on."""
        before = self.attached, self.messages
        self._takers = takers
        self.messages = any(each.messages for each in takers)
        if not takers:
            # Nobody is left to be told.
            self.share.left_out()
        if (self.attached, self.messages) != before:
            for watchable in list(self._watched):
                watchable.watch(self if takers else None)
