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
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet import tcp, unix
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.error import ConnectionDone, ConnectionLost
    from twisted.internet.interfaces import IAddress, IProtocol

READ_SIZE = 65_536
"""Bytes asked for by one read: what a message can be at most where a stream has no framing."""

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


_BUFFER = memoryview(bytearray(READ_SIZE))
"""Where reflected bytes are while they are in Python: between two system calls only, so all connections share it."""


class CoarseClock(Protocol):
    """Gives a time that is moved on now and then."""

    now: float


class Counts(Protocol):
    """What is counted of a reflected stream."""

    received_bytes: int
    sent_bytes: int
    messages_received: int
    messages_sent: int


class Reflected(Protocol):
    """What is kept up to date while a connection reflects; `active` is when it last read, by the clock `patience`."""

    active: float

    @property
    def patience(self) -> CoarseClock:
        """The clock."""

    @property
    def tally(self) -> Counts:
        """The counts."""


class WriteThrough:
    """
    Mixed into Twisted's server connections.

    :ivar waiting: whether bytes wait here because the kernel did not take them.
    :ivar on_wait: called when bytes begin to wait.
    :ivar moved_at: when, in the reactor's seconds, the kernel last took bytes that had waited; 0 before.
    :ivar error: the errno with which reading failed; 0 as long as it has not.
    """

    socket: Any
    protocol: IProtocol
    connected: bool
    disconnecting: bool
    bufferSize: int
    reactor: Any
    waiting = False
    moved_at = 0.0
    error = 0
    on_wait: Callable[[], object] | None = None
    _pulled = False
    _reflected: Reflected | None = None

    def doRead(self) -> ConnectionDone | ConnectionLost | None:
        """Read once, and pass it on or send it back; the poller asks again when there is more."""
        try:
            size = self.socket.recv_into(_BUFFER)
        except BlockingIOError:
            return None
        except OSError as problem:
            self.error = problem.errno or 0
            return CONNECTION_LOST
        if not size:
            return CONNECTION_DONE
        reflected = self._reflected
        if reflected is None:
            self.protocol.dataReceived(bytes(_BUFFER[:size]))
            return None
        reflected.active = reflected.patience.now
        tally = reflected.tally
        tally.received_bytes += size
        tally.sent_bytes += size
        tally.messages_received += 1
        tally.messages_sent += 1
        sent = 0
        if not self.waiting:
            try:
                sent = self.socket.send(_BUFFER[:size])
            except OSError:
                # As in `write`.
                sent = 0
            if sent == size:
                return None
        super().write(bytes(_BUFFER[sent:size]))  # type: ignore[misc]
        return None

    def reflect(self, reflected: Reflected | None) -> None:
        """
        Send everything back from now on, without passing it to the protocol; None ends that.

        The fast path of an echo: what is read into one buffer is sent from there, and no object is made of it.
        """
        self._reflected = reflected

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
            if self.on_wait is not None:
                self.on_wait()
        super().startWriting()  # type: ignore[misc]

    def stopWriting(self) -> None:
        """Nothing waits any more."""
        self.waiting = self._pulled
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


class UnixConnection(WriteThrough, unix.Server):  # type: ignore[misc]
    """An accepted Unix stream connection. Descriptors which a peer passes along are not taken."""
