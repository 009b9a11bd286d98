"""
Listening stream sockets of our own.

Twisted's `tcp.Port` fixes which connections it makes, never stops accepting, and logs every connection it could not
take. This one is given its socket, bound and listening, and makes write-through connections.
"""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Any

from twisted.internet import address
from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IListeningPort
from twisted.internet.main import CONNECTION_DONE
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from echod.transport.stream import TcpConnection, UnixConnection

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IDelayedCall, IProtocolFactory

ACCEPTS_PER_TURN = 64
"""Connections taken in one turn of the reactor, so that a burst of them delays those that are open."""

_RETRY = 0.5
"""Seconds to wait when the process or the system has no descriptor left."""

_SAID_EVERY = 60.0
"""Seconds in which that is said once."""

_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}


def internet_address(name: tuple[Any, ...]) -> address.IPv4Address | address.IPv6Address:
    """Make Twisted's address of a socket name; an IPv6 name keeps its flow and scope."""
    if len(name) == 2:
        return address.IPv4Address("TCP", *name)
    host, port, flow, scope = name
    if scope and "%" not in host:
        host = socket.getnameinfo(name, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]
    return address.IPv6Address("TCP", host, port, flow, scope)


@implementer(IListeningPort)
class StreamPort(FileDescriptor):
    """
    Accepts connections for a factory.

    :param listener: a stream socket, bound and listening; closed by `stopListening`.
    :param factory: its `buildProtocol` returns None to refuse a connection, which is then closed.
    :param reactor: hosts the listening socket (`IReactorFDSet`, `IReactorTime`).
    :param host: hosts the connections; the reactor itself or a `Poller`.
    :param on_close: called when the listening socket is closed, to remove what belongs to it.
    """

    _log = Logger()
    reactor: Any

    def __init__(
        self,
        listener: socket.socket,
        factory: IProtocolFactory,
        reactor: Any,
        host: Any,
        on_close: Callable[[], object] | None = None,
    ) -> None:
        super().__init__(reactor)
        listener.setblocking(False)
        self.socket = listener
        self.factory = factory
        self._host = host
        self._on_close = on_close
        self._unix = listener.family == socket.AF_UNIX
        self._connection: type[TcpConnection | UnixConnection] = UnixConnection if self._unix else TcpConnection
        self._session = 0
        self._held = False
        self._retry: IDelayedCall | None = None
        self._said_at: float | None = None

    def fileno(self) -> int:
        """Return the listening descriptor, or -1 when it is closed."""
        return self.socket.fileno()

    def logPrefix(self) -> str:
        """Name this in the reactor's log."""
        return "echod"

    def startListening(self) -> None:
        """Begin to accept."""
        self.factory.doStart()
        self.connected = True
        self.startReading()

    def stopListening(self) -> Deferred[None]:
        """Stop accepting and close the socket, also of a port that has not begun; connections stay."""
        if self.fileno() >= 0:
            self.connectionLost(Failure(CONNECTION_DONE))
        return succeed(None)

    def serve(self, factory: IProtocolFactory) -> None:
        """Make the connections from now on with another factory."""
        factory.doStart()
        before, self.factory = self.factory, factory
        before.doStop()

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket. Called by `stopListening`, and by the reactor when the socket fails."""
        super().connectionLost(reason)
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self.socket.close()
        if self._on_close is not None:
            self._on_close()
        self.factory.doStop()

    def getHost(self) -> address.IPv4Address | address.IPv6Address | address.UNIXAddress:
        """Return the address that connections reach."""
        name = self.socket.getsockname()
        return address.UNIXAddress(name) if self._unix else internet_address(name)

    def hold(self) -> None:
        """Leave new connections to the kernel's queue until `release`."""
        self._held = True
        self.stopReading()

    def release(self) -> None:
        """Accept again."""
        self._held = False
        if self.connected:
            self.startReading()

    def doRead(self) -> None:
        """Accept what waits. Called by the reactor."""
        self.accept(ACCEPTS_PER_TURN)

    def accept(self, most: int) -> int:
        """Accept at most so many connections and return how many there were."""
        for taken in range(most):
            if self._held or not self.connected:
                return taken
            try:
                connection, name = self.socket.accept()
            except BlockingIOError:
                return taken
            except OSError as problem:
                if problem.errno in _EXHAUSTED:
                    self._wait(problem)
                    return taken
                # Anything else is the fault of the one connection that just broke (accept(2)).
                continue
            self._connect(connection, name)
        return most

    def _connect(self, connection: socket.socket, name: Any) -> None:
        peer = address.UNIXAddress(name or None) if self._unix else internet_address(name)
        try:
            protocol = self.factory.buildProtocol(peer)
        except Exception:  # noqa: BLE001 - whatever a factory raises costs this connection, not the port
            self._log.failure("a connection could not be served")
            protocol = None
        if protocol is None:
            connection.close()
            return
        self._session += 1
        client = name if self._unix else (peer.host, *name[1:])  # type: ignore[union-attr]
        try:
            server: Any = None  # this is none of Twisted's ports
            transport = self._connection(connection, protocol, client, server, self._session, self._host)
        except Exception:  # noqa: BLE001 - no epoll could be had, and this port must not be closed for it
            self._log.failure("a connection could not be served")
            connection.close()
            return
        transport.repstr = f"<connection {self._session}>"
        try:
            protocol.makeConnection(transport)
        except Exception:  # noqa: BLE001 - as above
            self._log.failure("a connection could not be served")
            transport.abortConnection()

    def _wait(self, problem: OSError) -> None:
        """Stop asking for a while: without a free descriptor the same connection would wake us for ever."""
        now = self.reactor.seconds()
        if self._said_at is None or now - self._said_at >= _SAID_EVERY:
            self._said_at = now
            self._log.warn("cannot accept: {problem}; connections wait", problem=problem.strerror)
        self.stopReading()
        if self._retry is None:
            self._retry = self.reactor.callLater(_RETRY, self._again)

    def _again(self) -> None:
        self._retry = None
        if self.connected and not self._held:
            self.startReading()
