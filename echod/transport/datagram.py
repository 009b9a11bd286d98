"""
Datagram sockets of our own, one system call for each datagram in and out.

Twisted's `udp.Port` reads until it has enough bytes, so that empty datagrams can keep it for ever; cuts datagrams at
8,192 bytes; answers from whatever address the kernel likes; writes a traceback to the log for each refused send; and
is closed by the first ICMP error on a connected socket (Twisted issues 5377, 6287, 6467). This port reads a bounded
number of datagrams in a turn, whole; answers from the address that was hit (IP_PKTINFO, RFC 1122 section 4.1.3.5);
and counts errors.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections import Counter
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet import address
from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IListeningPort
from twisted.internet.main import CONNECTION_DONE
from twisted.python.failure import Failure
from zope.interface import implementer

from echod.transport.packet_info import IP_PKTINFO, hit_address, is_unicast, turned_back

if TYPE_CHECKING:
    from collections.abc import Callable

    from echod.transport.packet_info import Ancillary

LARGEST = 65_536
"""More than any UDP datagram has (65,507 bytes over IPv4), so that none is cut."""

BUDGET = 64
"""Datagrams served in one turn of the reactor. Counted in datagrams: empty ones count too."""

RECEIVE_BUFFER = 8 << 20
"""Bytes asked for with SO_RCVBUF; the kernel gives at most net.core.rmem_max of it, doubled."""

SEND_BUFFER = 1 << 20
"""Bytes asked for with SO_SNDBUF; with the usual 200 KiB, three of the largest datagrams fill it."""

GIST = 512
"""Bytes at each end of a datagram by which it is told from others."""

_ANCILLARY = 256
# Linux: <asm-generic/socket.h>; <linux/sock_diag.h> has the nine numbers, the last of which counts drops.
_SO_RCVBUFFORCE, _SO_SNDBUFFORCE = 33, 32
_SO_MEMINFO = 55
_SO_TIMESTAMP = 29
_MEMINFO = struct.Struct("9I")

Name = Any
"""A socket name as Python's socket module has it: (host, port), (host, port, flow, scope), or a path."""


class DatagramReceiver(Protocol):
    """What a port needs of its protocol; Twisted's `DatagramProtocol` has it all."""

    def makeConnection(self, transport: Any) -> None:
        """Hear that the port is open."""

    def datagramReceived(self, datagram: bytes, addr: Name) -> None:
        """Take a datagram."""

    def connectionRefused(self) -> None:
        """Hear that the peer of a connected socket answered with an ICMP error."""

    def doStop(self) -> None:
        """Hear that the port is closed."""


def prepare(sock: socket.socket) -> bool:
    """
    Set what every datagram socket of ours has: non-blocking, a large receive buffer, the address that was hit.

    Returns whether the kernel tells that address. It need not for a socket bound to one address of this host, where
    replies cannot leave from another; that spares the kernel a control message in each direction.
    """
    sock.setblocking(False)
    if sock.family == socket.AF_UNIX:
        return False
    _enlarge(sock, socket.SO_RCVBUF, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
    _enlarge(sock, socket.SO_SNDBUF, _SO_SNDBUFFORCE, SEND_BUFFER)
    if _has_one_address(sock):
        return False
    # A socket that was passed may bring timestamps (Timestamping= in a systemd.socket); nobody can send one back.
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMP, 0)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    return True


def _enlarge(sock: socket.socket, option: int, forced: int, size: int) -> None:
    """Give a buffer so many bytes, or as many as we may; one that is passed to us may have more, which it keeps."""
    # The kernel doubles what it is told (socket(7)).
    if sock.getsockopt(socket.SOL_SOCKET, option) >= 2 * size:
        return
    try:
        # Beyond net.core.rmem_max; needs CAP_NET_ADMIN.
        sock.setsockopt(socket.SOL_SOCKET, forced, size)
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, option, size)


def _has_one_address(sock: socket.socket) -> bool:
    """Tell whether a socket is bound to a single address of this host: no wildcard, no broadcast, no multicast."""
    name = sock.getsockname()
    bound = ip_address(name[0].partition("%")[0])
    if bound.is_unspecified or bound.is_multicast:
        return False
    with socket.socket(sock.family, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent. The kernel refuses to connect to a broadcast address without SO_BROADCAST (ip(7)).
            probe.connect((name[0], 9, *name[2:]))
        except OSError:
            return False
    return True


def error_name(problem: OSError) -> str:
    """Return what a failed call is counted as."""
    return errno.errorcode.get(problem.errno or 0, str(problem.errno))


def gist_of(datagram: bytes) -> bytes:
    """Return what tells a datagram from others: all of it, or both ends of a long one."""
    return datagram if len(datagram) <= 2 * GIST else datagram[:GIST] + datagram[-GIST:]


@implementer(IListeningPort)
class DatagramPort(FileDescriptor):
    """
    Serves one datagram socket.

    :param sock: bound or connected; closed by `stopListening`.
    :param protocol: gets the datagrams. What it writes while it is given one leaves from the address that was hit.
    :param reactor: any `IReactorFDSet` and `IReactorTime`.
    :param on_close: called when the socket is closed, to remove what belongs to it.
    :param errors: counts how often sending or receiving failed, by the name of the error (`EPERM`).
    :ivar problem: what failed last, by the name of the error.
    :ivar unicast: whether the datagram in service was sent to this host alone.
    """

    def __init__(
        self,
        sock: socket.socket,
        protocol: DatagramReceiver,
        reactor: Any,
        on_close: Callable[[], object] | None = None,
        errors: Counter[str] | None = None,
    ) -> None:
        super().__init__(reactor)
        self._tells_address = prepare(sock)
        self.socket = sock
        self.protocol = protocol
        self.errors: Counter[str] = Counter() if errors is None else errors
        self.unicast = True
        self.problem = ""
        # Of a connected client's socket, the address is its own.
        self._bound = "" if self._tells_address or sock.family == socket.AF_UNIX else sock.getsockname()[0]
        self._on_close = on_close
        self._ancillary: Ancillary = []

    def fileno(self) -> int:
        """Return the descriptor, or -1 when it is closed."""
        return self.socket.fileno()

    def logPrefix(self) -> str:
        """Name this in the reactor's log."""
        return "echod"

    def startListening(self) -> None:
        """Begin to read."""
        self.connected = True
        self.protocol.makeConnection(self)
        self.startReading()

    def stopListening(self) -> Deferred[None]:
        """Close the socket. What the kernel holds is lost, so `read` it first."""
        if self.connected:
            self._close()
        return succeed(None)

    def abandon(self) -> None:
        """Close the socket of a port that has not begun."""
        self.socket.close()
        if self._on_close is not None:
            self._on_close()

    def hand_over(self) -> Callable[[], object] | None:
        """Stop reading, and leave the open socket to another port; return what is to be called when it is closed."""
        on_close, self._on_close = self._on_close, None
        super().connectionLost(Failure(CONNECTION_DONE))
        self.protocol.doStop()
        return on_close

    def close_with(self, on_close: Callable[[], object] | None) -> None:
        """Take over what is to be called when the socket is closed."""
        self._on_close = on_close

    def getHost(self) -> address.IPv4Address | address.IPv6Address | address.UNIXAddress:
        """Return the local address."""
        name = self.socket.getsockname()
        if self.socket.family == socket.AF_UNIX:
            return address.UNIXAddress(name)
        if self.socket.family == socket.AF_INET:
            return address.IPv4Address("UDP", *name)
        return address.IPv6Address("UDP", *name)

    def receive_buffer(self) -> int:
        """Return the receive buffer in bytes, as the kernel counts it: about twice what payload it holds."""
        return self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)

    def kernel_drops(self) -> int:
        """
        Return how many datagrams the kernel dropped for want of room in the receive buffer.

        The same number as SO_RXQ_OVFL gives, without a control message in each datagram.
        """
        numbers = self.socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
        return int(_MEMINFO.unpack(numbers)[8]) if len(numbers) == _MEMINFO.size else 0

    @property
    def arrived_at(self) -> str:
        """The local address which the datagram in service hit, or ""."""
        return self._bound or hit_address(self._ancillary)

    def doRead(self) -> None:
        """Serve what waits. Called by the reactor."""
        self.read(BUDGET)

    def read(self, most: int) -> int:
        """Serve at most so many datagrams and return how many there were."""
        for taken in range(most):
            if not self.connected:
                return taken
            try:
                data, self._ancillary, _, name = self.socket.recvmsg(LARGEST, _ANCILLARY)
            except BlockingIOError:
                return taken
            except OSError as problem:
                self._failed(problem)
                continue
            if self._tells_address:
                self.unicast = is_unicast(self._ancillary)
            self.protocol.datagramReceived(data, name)
        return most

    def write(self, datagram: bytes, addr: Name = None) -> bool:  # type: ignore[override]  # a datagram, no stream
        """
        Send a datagram, to the peer of a connected socket when `addr` is None.

        Returns whether the kernel took it; an error is counted in `errors`, since the next datagram may well leave.
        """
        try:
            if addr is None:
                self.socket.send(datagram)
            elif self._tells_address:
                self.socket.sendmsg([datagram], turned_back(self._ancillary), 0, addr)
            else:
                self.socket.sendto(datagram, addr)
        except OSError as problem:
            self._failed(problem)
            return False
        return True

    def connectionLost(self, reason: Failure) -> None:  # noqa: ARG002 - the socket knows better
        """
        Live on: the reactor takes an ICMP error on a connected socket for the end of the connection.

        Asking the socket for its error clears it, after which it can be used again.
        """
        if not self.connected:
            return
        code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._failed(OSError(code, os.strerror(code)))
        # Whoever was told of a refusal may have closed this.
        if self.connected:
            self.startReading()

    def _failed(self, problem: OSError) -> None:
        self.problem = error_name(problem)
        self.errors[self.problem] += 1
        if problem.errno == errno.ECONNREFUSED:
            self.protocol.connectionRefused()

    def _close(self) -> None:
        super().connectionLost(Failure(CONNECTION_DONE))
        self.socket.close()
        if self._on_close is not None:
            self._on_close()
        self.protocol.doStop()
