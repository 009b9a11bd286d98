"""
Connections that come through a load balancer.

Before anything else of a connection is made, its PROXY header is read; then the real protocol is built for the client
that the header names, and gets what follows. So limits, rules and logs see the client, and TLS begins behind the
header, as balancers send it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from typing import Protocol as Interface

from twisted.internet import address
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from zope.interface import implementer

from echod.guard.sources import packed
from echod.proxy import HeaderReader, ProxyError

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress, IDelayedCall, IProtocolFactory, IReactorTime
    from twisted.python.failure import Failure

    from echod.guard.sources import Permit
    from echod.proxy import Header
    from echod.sink import Sink

DEADLINE = 5.0
"""Seconds in which a required header must be whole."""

AUTO_WAIT = 1.0
"""Seconds in which an optional one must have begun; a client that waits to be spoken to waits as long."""


_QUIET_LOOKS = 4
"""Calls of `leave` after which a connection whose header has not come, and has not begun to, is closed."""


class Host(Interface):
    """What must know of connections whose header is not read yet."""

    def expect(self, header: HeaderProtocol) -> None:
        """Count it in: when the daemon stops, what it sent is to be answered too."""

    def expected(self, header: HeaderProtocol, refused: str | None) -> None:
        """Count it out. The real connection has begun, or it is gone, perhaps for a reason to be counted."""

    def refused(self, reason: str, peer: IAddress | None) -> None:
        """Count one that may not send a header."""


class ProxiedFactory(Factory):
    """
    Reads headers for another factory.

    :param factory: builds the real protocols, for the client's address.
    :param trusted: who may send a header.
    :param host: told of the connections that wait for theirs.
    :param required: whether every connection must have one; those whom `trusted` does not name are then refused.
    """

    noisy = False

    def __init__(
        self,
        factory: IProtocolFactory,
        trusted: Permit,
        clock: IReactorTime,
        host: Host,
        *,
        required: bool,
    ) -> None:
        self.factory = factory
        self.trusted = trusted
        self.clock = clock
        self.host = host
        self.required = required

    def doStart(self) -> None:
        """Start the real factory. Called by Twisted."""
        self.factory.doStart()

    def doStop(self) -> None:
        """Stop the real factory. Called by Twisted."""
        self.factory.doStop()

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Make what reads the header, or the real protocol where none is expected."""
        if self.trusted.names(packed(getattr(addr, "host", ""))):
            return HeaderProtocol(self)
        if self.required:
            self.host.refused("proxy-untrusted", addr)
            return None
        return self.factory.buildProtocol(addr)  # type: ignore[arg-type]  # the interface knows no None


@implementer(IHalfCloseableProtocol)
class HeaderProtocol(Protocol):
    """Reads one connection's header, and gives the connection over."""

    transport: Any

    def __init__(self, owner: ProxiedFactory) -> None:
        self._owner = owner
        self._reader = HeaderReader(required=owner.required)
        self._call: IDelayedCall | None = None
        self._looks = 0

    def connectionMade(self) -> None:
        """Begin to wait. Called by Twisted."""
        wait = DEADLINE if self._owner.required else AUTO_WAIT
        self._call = self._owner.clock.callLater(wait, self._late)
        self._owner.host.expect(self)

    def dataReceived(self, data: bytes) -> None:
        """Read on. Called by Twisted."""
        try:
            found = self._reader.feed(data)
        except ProxyError:
            self._refuse()
            return
        if found is not None:
            self._give_over(*found)

    def readConnectionLost(self) -> None:
        """Hear that no header will come: where none is required, what came is the client's own. Called by Twisted."""
        self._late()
        inner = self.transport.protocol
        if inner is self:
            return
        if IHalfCloseableProtocol.providedBy(inner):
            inner.readConnectionLost()
        else:
            self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Nothing was ended by us. Called by Twisted."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002 - it has not begun
        """Wait no more. Called by Twisted."""
        self._end()

    def leave(self, *, urgent: bool) -> None:
        """End, unless a header may still be read: the daemon stops. Called by the host."""
        self._looks += 1
        if not self.transport.unread() and (urgent or self._looks >= _QUIET_LOOKS):
            self.abort()

    def abort(self, cause: str = "stop") -> None:  # noqa: ARG002 - nothing of it has been told
        """Cut the connection now. Called by the host."""
        self.transport.abortConnection()

    def watch(self, sink: Sink | None) -> None:
        """Tell nothing: what there is to watch begins behind the header. Called by the host."""

    def _late(self) -> None:
        try:
            found = self._reader.without()
        except ProxyError:
            self._refuse()
            return
        self._give_over(*found)

    def _give_over(self, header: Header, rest: bytes) -> None:
        transport = self.transport
        if header.peer is not None and header.local is not None:
            transport.speak_for(_address(*header.peer), _address(*header.local))
        inner = self._owner.factory.buildProtocol(transport.getPeer())
        if inner is None:
            transport.abortConnection()
            return
        transport.protocol = inner
        inner.makeConnection(transport)
        # Only now: at every moment of a stop one of the two is waited for.
        self._end()
        if rest:
            inner.dataReceived(rest)

    def _refuse(self) -> None:
        self._end("proxy-header")
        self.transport.abortConnection()

    def _end(self, refused: str | None = None) -> None:
        if self._call is not None:
            if self._call.active():
                self._call.cancel()
            self._call = None
            self._owner.host.expected(self, refused)


def _address(host: str, port: int) -> address.IPv4Address | address.IPv6Address:
    kind = address.IPv6Address if ":" in host else address.IPv4Address
    return kind("TCP", host, port)
