"""
A poller inside the reactor.

Every event that the reactor dispatches passes through its logging context and its books, which costs more than an
echo. A `Poller` is one descriptor to the reactor, an epoll of its own which holds all data sockets: when any of them
is ready, the reactor calls `doRead` once, and the poller dispatches to all that are. It relies only on what Twisted
documents: an epoll descriptor is readable when something in it is ready (epoll(7)), and `FileDescriptor` takes any
`IReactorFDSet` as its reactor. So it lives in any reactor that can watch a descriptor.
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from echod.transport.pipe import Pipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IDelayedCall, IWriteDescriptor

_IN, _OUT = select.EPOLLIN, select.EPOLLOUT
_BROKEN = select.EPOLLHUP | select.EPOLLERR

_BATCH = 256
"""Events taken from the kernel at once."""

_LONG = 0.004
"""
Seconds after which the reactor gets its turn in any case: its timers, signals and new connections wait meanwhile.
"""

_LINGER = 0.001
"""
Seconds to wait for more, when the last turn was not longer ago.

A turn of the reactor costs as much as several echoes. Under load, the next message is there within a fraction of this.
"""


@implementer(IReadDescriptor, IReactorFDSet)
class Poller:
    """
    Polls many descriptors as one.

    :param reactor: any `IReactorFDSet` and `IReactorTime`; it hosts this poller from `start` to `stop`.
    :ivar pipe: for large echoes of all connections; open only while anything is watched.
    """

    _log = Logger()

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._epoll: select.epoll | None = None
        self._masks: dict[int, int] = {}
        # With its `doRead`, which is looked up here only: a connection says when it reads in another way.
        self._targets: dict[int, tuple[Any, Callable[[], Any]]] = {}
        self._fresh: set[int] = set()
        self._left = 0.0
        self.pipe = Pipe()
        self.seconds: Callable[[], float] = reactor.seconds

    def callLater(self, delay: float, function: Callable[..., object], *args: Any, **kwargs: Any) -> IDelayedCall:
        """Let the hosting reactor call later: connections ask their reactor for it."""
        later: IDelayedCall = self._reactor.callLater(delay, function, *args, **kwargs)
        return later

    def fileno(self) -> int:
        """Return the descriptor that is readable when any of ours is ready, or -1 when nothing is watched."""
        return -1 if self._epoll is None else self._epoll.fileno()

    def logPrefix(self) -> str:
        """Name this in the reactor's log."""
        return "echod"

    def doRead(self) -> None:
        """Serve what is ready. Called by the reactor."""
        now = time.perf_counter()
        end = now + _LONG
        linger = _LINGER if now - self._left < _LINGER else 0
        wait: float = 0
        find, only_in = self._targets.get, _IN
        while self._epoll is not None:
            self._fresh.clear()
            ready = self._epoll.poll(wait, _BATCH)
            for descriptor, event in ready:
                found = find(descriptor)
                if found is None:
                    continue
                target, read = found
                if event == only_in:
                    try:
                        why = read()
                    except Exception as problem:  # noqa: BLE001 - whatever a protocol raises costs its connection
                        why = self._failed(problem)
                    if why is not None:
                        self._disconnect(target, why, reading=True)
                else:
                    self._serve(descriptor, target, event)
            wait = linger
            if not ready or time.perf_counter() > end:
                break
        self._left = time.perf_counter()

    def connectionLost(self, reason: Failure) -> None:
        """Hear from the reactor that it removed us, as it does when it is torn down; watched sockets stay."""
        self._log.debug("poller removed: {reason}", reason=reason)

    def addReader(self, reader: Any) -> None:
        """Tell the reader when it can read."""
        self._change(reader, add=_IN)

    def addWriter(self, writer: Any) -> None:
        """Tell the writer when it can write."""
        self._change(writer, add=_OUT)

    def removeReader(self, reader: Any) -> None:
        """Stop telling the reader."""
        self._change(reader, drop=_IN)

    def removeWriter(self, writer: Any) -> None:
        """Stop telling the writer."""
        self._change(writer, drop=_OUT)

    def renewed(self, target: Any) -> None:
        """Hear that a target has another `doRead` now."""
        descriptor = target.fileno()
        if descriptor in self._targets:
            self._targets[descriptor] = (target, target.doRead)

    def removeAll(self) -> list[IReadDescriptor | IWriteDescriptor]:
        """Forget everything, and return what was watched."""
        found = [target for target, _ in self._targets.values()]
        for target in found:
            self._change(target, drop=_IN | _OUT)
        return found

    def getReaders(self) -> list[IReadDescriptor]:
        """Return what is watched for reading."""
        return [self._targets[fd][0] for fd, mask in self._masks.items() if mask & _IN]

    def getWriters(self) -> list[IWriteDescriptor]:
        """Return what is watched for writing."""
        return [self._targets[fd][0] for fd, mask in self._masks.items() if mask & _OUT]

    def _change(self, target: Any, *, add: int = 0, drop: int = 0) -> None:
        """Change what a descriptor is watched for; the epoll exists, and is in the reactor, while anything is."""
        descriptor = target.fileno()
        before = self._masks.get(descriptor, 0)
        after = (before | add) & ~drop
        if after == before or descriptor < 0:
            return
        if self._epoll is None:
            self._epoll = select.epoll()
            self._reactor.addReader(self)
        if not after:
            self._epoll.unregister(descriptor)
            del self._masks[descriptor], self._targets[descriptor]
            if not self._masks:
                self._reactor.removeReader(self)
                self._epoll.close()
                self._epoll = None
                self.pipe.close()
            return
        if before:
            self._epoll.modify(descriptor, after)
        else:
            self._epoll.register(descriptor, after)
            self._fresh.add(descriptor)
        self._masks[descriptor] = after
        self._targets[descriptor] = (target, target.doRead)

    def _serve(self, descriptor: int, target: Any, event: int) -> None:
        """Serve an event other than a plain read, in the order that Twisted's reactors keep."""
        if descriptor in self._fresh:
            # The event may be that of a socket which had this number before, in the same batch.
            return
        why: BaseException | int | None = None
        reading = False
        if event & _BROKEN and not event & _IN:
            reading = bool(self._masks[descriptor] & _IN)
            why = CONNECTION_DONE if reading else CONNECTION_LOST
        else:
            try:
                if event & _IN:
                    reading = True
                    why = target.doRead()
                if why is None and event & _OUT and self._watches(descriptor, target):
                    reading = False
                    why = target.doWrite()
            except Exception as problem:  # noqa: BLE001 - as in doRead
                why = self._failed(problem)
        if why is not None:
            self._disconnect(target, why, reading=reading)

    def _watches(self, descriptor: int, target: Any) -> bool:
        found = self._targets.get(descriptor)
        return found is not None and found[0] is target

    def _failed(self, problem: Exception) -> Exception:
        """Log what a protocol raised. The connection ends, the others live on."""
        self._log.failure("a connection failed", Failure(problem))
        return problem

    def _disconnect(self, target: Any, why: Any, *, reading: bool) -> None:
        """End one direction or the whole, as Twisted's reactors do."""
        self.removeReader(target)
        reason = Failure(why) if isinstance(why, BaseException) else Failure(CONNECTION_LOST)
        try:
            if reading and reason.check(ConnectionDone):
                target.readConnectionLost(reason)
                return
            self.removeWriter(target)
            target.connectionLost(reason)
        except Exception as problem:  # noqa: BLE001 - out of doRead, it would make the reactor remove the poller
            self._failed(problem)
