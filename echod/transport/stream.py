"""
Connections that write through.

Twisted's `write` only queues: each message then costs two `epoll_ctl` calls and another turn of the reactor before it
leaves. These connections hand the bytes to the kernel at once when nothing waits before them, and use Twisted's
buffer for what the kernel did not take. To a protocol they are ordinary transports.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
from typing import TYPE_CHECKING, Any

from twisted.internet import tcp, unix

from echod.transport.echoing import READ_SIZE, Echoing

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IAddress

    from echod.transport.pipe import Pipe

__all__ = ["READ_SIZE", "TcpConnection", "UnixConnection", "WriteThrough", "unacknowledged", "unread"]

_OUTQ_POLL = 0.002
"""Seconds between two looks whether the peer's kernel has acknowledged everything."""


def unacknowledged(descriptor: int) -> int:
    """Return how many sent bytes the peer's kernel has not acknowledged yet (SIOCOUTQ of tcp(7) and unix(7))."""
    (count,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, b"\0\0\0\0"))
    return int(count)


def unread(descriptor: int) -> int:
    """Return how many received bytes the kernel holds for us (SIOCINQ)."""
    (count,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, b"\0\0\0\0"))
    return int(count)


class WriteThrough(Echoing):
    """
    Mixed into Twisted's server connections.

    :ivar on_wait: called when bytes begin to wait.
    :ivar moved_at: when, in the reactor's seconds, the kernel last took bytes that had waited; 0 before.
    """

    disconnecting: bool
    bufferSize: int
    moved_at = 0.0
    on_wait: Callable[[], object] | None = None
    _pulled = False

    def write(self, data: bytes) -> None:
        """
        Send now what the kernel takes, and keep the rest for later.

        An error is left to the buffered path, which reports it when no protocol is in the middle of a call.
        """
        if self.waiting or not self.connected or self.disconnecting:
            super().write(data)  # type: ignore[misc]
            return
        if not data:
            return
        try:
            sent = self.socket.send(data)
        except OSError:
            sent = 0
        if sent < len(data):
            super().write(data[sent:] if sent else data)  # type: ignore[misc]

    def writeSequence(self, iovec: list[bytes]) -> None:
        """Send several pieces as one."""
        self.write(b"".join(iovec))

    def writeSomeData(self, data: bytes) -> Any:
        """Send from the buffer, and note that the peer takes it."""
        result = super().writeSomeData(data)  # type: ignore[misc]
        if isinstance(result, int) and result:
            self.moved_at = self.reactor.seconds()
        return result

    def startWriting(self) -> None:
        """Wait until the kernel takes more: from now on bytes queue behind those that wait."""
        if not self.waiting:
            self.waiting = True
            if self._reflected is not None:
                self._choose()
            if self.on_wait is not None:
                self.on_wait()
        super().startWriting()  # type: ignore[misc]

    def stopWriting(self) -> None:
        """Nothing waits any more."""
        self.waiting = self._pulled
        if self._reflected is not None:
            self._choose()
        super().stopWriting()  # type: ignore[misc]

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """
        Let a producer fill the buffer.

        One that is pulled is asked for more each time the buffer has left, so all its bytes must pass through there.
        """
        self._pulled = not streaming
        if self._pulled:
            self.startWriting()
        super().registerProducer(producer, streaming)  # type: ignore[misc]

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        self._pulled = False
        super().unregisterProducer()  # type: ignore[misc]

    def speak_for(self, peer: IAddress, host: IAddress) -> None:
        """Give other addresses from now on: those which a proxy says are the client's."""
        self.getPeer = lambda: peer
        self.getHost = lambda: host

    def unread(self) -> int:
        """Return how many bytes the kernel still holds for us."""
        return unread(self.socket.fileno()) if self.connected else 0

    def give_up_after(self, seconds: float) -> None:
        """
        Let the kernel reset the connection when the peer takes nothing for so long, also after we have closed it.

        By itself it keeps what a peer does not read, megabytes of it, for a quarter of an hour and more.
        """
        if self.connected and self.socket.family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))

    def reset_when_sent(self, limit: float) -> None:
        """
        Reset the connection (a real RST) as soon as the peer's kernel has every byte, at the latest in `limit` seconds.

        `abortConnection` alone would throw away what the kernel has not sent yet.
        """
        self._reset_at(self.reactor.seconds() + limit)

    def _reset_at(self, deadline: float) -> None:
        if not self.connected:
            return
        pending = self.waiting or unacknowledged(self.socket.fileno())
        if pending and self.reactor.seconds() < deadline:
            self.reactor.callLater(_OUTQ_POLL, self._reset_at, deadline)
        else:
            self.abortConnection()

    abortConnection: Callable[[], None]
    getPeer: Callable[[], IAddress]
    getHost: Callable[[], IAddress]


class TcpConnection(WriteThrough, tcp.Server):  # type: ignore[misc]
    """An accepted TCP connection."""

    def _large_pipe(self) -> Pipe | None:
        """Return the poller's; the plain path has none."""
        pipe: Pipe | None = getattr(self.reactor, "pipe", None)
        return pipe


class UnixConnection(WriteThrough, unix.Server):  # type: ignore[misc]
    """An accepted Unix stream connection. Descriptors which a peer passes along are not taken."""
