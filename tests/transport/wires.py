"""What the transport's tests share: a reactor that serves when told, and connections of ours in it."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from zope.interface import implementer

from echod.transport.poller import Poller
from echod.transport.stream import TcpConnection, UnixConnection

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.python.failure import Failure

BIG = 300_000
"""Bytes that no socket of these tests takes at once."""


class Host(Clock):
    """A reactor with a clock of its own, which serves nothing by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[Any] = set()
        self.writers: set[Any] = set()

    def addReader(self, reader: Any) -> None:
        """Note it."""
        self.readers.add(reader)

    def removeReader(self, reader: Any) -> None:
        """Forget it."""
        self.readers.discard(reader)

    def addWriter(self, writer: Any) -> None:
        """Note it."""
        self.writers.add(writer)

    def removeWriter(self, writer: Any) -> None:
        """Forget it."""
        self.writers.discard(writer)


class FailsOnce:
    """A socket one of whose methods fails, once for each of the errors."""

    def __init__(self, sock: Any, method: str, *codes: int) -> None:
        self._sock = sock
        self._method = method
        self._codes = list(codes)
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._sock, name)
        return self._failing(found) if name == self._method else found

    def _failing(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            self.asked += 1
            if self._codes:
                code = self._codes.pop(0)
                raise OSError(code, errno.errorcode[code])
            return method(*args)

        return call


@implementer(IHalfCloseableProtocol)
class Notes(Protocol):
    """Writes down what happens."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.events: list[str] = []

    def dataReceived(self, data: bytes) -> None:
        """Note bytes."""
        self.heard += data

    def readConnectionLost(self) -> None:
        """Note the peer's end."""
        self.events.append("read lost")

    def writeConnectionLost(self) -> None:
        """Note ours."""
        self.events.append("write lost")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note the end."""
        self.events.append(type(reason.value).__name__)


class Wire:
    """
    A connection of ours in a poller, and the plain socket at its other end.

    :param kind: `tcp` or `unix`; both have small buffers in the kernel.
    :param protocol: the protocol of our end.
    :ivar step: seconds that pass with every turn.
    """

    def __init__(self, kind: str, protocol: Any, host: Host | None = None) -> None:
        self.host = Host() if host is None else host
        self.step = 0.0
        self.poller = Poller(self.host)
        if kind == "tcp":
            with socket.create_server(("127.0.0.1", 0)) as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
                self.peer = socket.socket()
                self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                self.peer.connect(listener.getsockname())
                ours, name = listener.accept()
        else:
            ours, self.peer = socket.socketpair()
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            name = ""
        ours.setblocking(False)
        self.peer.settimeout(2)
        self.protocol = protocol
        make: Any = TcpConnection if kind == "tcp" else UnixConnection
        self.ours = make(ours, protocol, name, None, 0, self.poller)
        protocol.makeConnection(self.ours)

    def turn(self, count: int = 1) -> None:
        """Let the poller serve, and timers ring."""
        for _ in range(count):
            self.poller.doRead()
            self.host.advance(self.step)

    def read(self, size: int) -> bytes:
        """Read up to so many bytes at the other end, while our end is served; a reset reads as `RESET`."""
        found = bytearray()
        while len(found) < size:
            self.turn()
            try:
                piece = self.peer.recv(min(size - len(found), 65_536))
            except ConnectionResetError:
                found += b"RESET"
                break
            if not piece:
                break
            found += piece
        return bytes(found)

    def fail(self, method: str, code: int) -> None:
        """Let a method of our socket fail, once."""
        self.ours.socket = FailsOnce(self.ours.socket, method, code)

    def close(self) -> None:
        """Leave nothing open."""
        self.peer.close()
        if self.ours.connected:
            self.ours.abortConnection()
        self.turn(3)
        self.host.advance(10)


def numbered(size: int) -> bytes:
    """Make bytes in which each place can be told from its neighbours."""
    return b"".join([b"%06d" % at for at in range(size // 6 + 1)])[:size]
