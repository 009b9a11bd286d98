"""
Streams: the server and the client of every protocol over TCP, TLS and Unix sockets.

The server half asks an answer what to say, and does with the connection what the answer wants. The client half sends
messages, and tells a listener what comes back. Both are ordinary Twisted protocols with factories, for any stream
endpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal
from typing import Protocol as Interface

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IHandshakeListener,
    ISSLTransport,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from zope.interface import implementer

from echod.answers.exam import Ending
from echod.connection import StreamLimits
from echod.framing import FrameError, Stream
from echod.talk import AnswerServer, EchoServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IAddress, IReactorTime
    from twisted.python.failure import Failure

    from echod.answers.answer import Answer
    from echod.connection import ServedConnection
    from echod.framing import Framing
    from echod.guard.admission import Admission, Gate
    from echod.guard.patience import Patience
    from echod.listener import Listener
    from echod.tally import Tally

_DRAIN_LOOK = 0.05
"""Seconds between two looks whether a connection is answered when the daemon stops."""


class _Open(Interface):
    """What is waited for when the daemon stops."""

    def leave(self, *, urgent: bool) -> None:
        """End once everything is answered."""

    def abort(self) -> None:
        """End now."""


class StreamServerFactory(Factory):
    """
    Makes the server half of one service's connections.

    :param answer: what is said.
    :param framing: where messages end.
    :param patience: times the connections.
    :param tally: counts them.
    :param admission: lets them in; None for everyone.
    """

    noisy = False

    def __init__(
        self,
        answer: Answer,
        patience: Patience,
        clock: IReactorTime,
        tally: Tally,
        framing: Framing | None = None,
        limits: StreamLimits | None = None,
        admission: Admission | None = None,
    ) -> None:
        self.answer = answer
        self.patience = patience
        self.clock = clock
        self.tally = tally
        self.framing = framing if framing is not None else Stream()
        self.limits = limits if limits is not None else StreamLimits()
        self.admission = admission
        self.open: set[_Open] = set()
        self._emptied: Deferred[None] | None = None

    def buildProtocol(self, addr: IAddress | None) -> ServedConnection | None:
        """Make a connection's protocol, or None for a peer that is not let in."""
        host = getattr(addr, "host", "")
        if self.admission is not None:
            reason = self.admission.enter(host)
            if reason is not None:
                self.refused(reason)
                return None
        return EchoServer(self, host) if self.answer.reflects else AnswerServer(self, host)

    def admit_at(self, gate: Gate) -> None:
        """Hold a port while there is no room for a connection."""
        if self.admission is not None:
            self.admission.add_gate(gate)

    def opened(self, server: ServedConnection) -> None:
        """Count a connection in."""
        self.open.add(server)
        self.tally.connections += 1
        self.tally.open += 1

    def closed(self, server: ServedConnection) -> None:
        """Count a connection out."""
        self.tally.open -= 1
        if self.admission is not None:
            self.admission.leave(server.source)
        self._gone(server)

    def expect(self, header: _Open) -> None:
        """Wait for what a balancer's connection will say, when the daemon stops. Called by the transport."""
        self.open.add(header)

    def expected(self, header: _Open, refused: str | None) -> None:
        """Wait no more: it is one of our connections now, or gone. Called by the transport."""
        if refused is not None:
            self.refused(refused)
        self._gone(header)

    def refused(self, reason: str) -> None:
        """Count a connection that is not let in."""
        self.tally.dropped[reason] += 1

    def _gone(self, each: _Open) -> None:
        self.open.discard(each)
        if self._emptied is not None and not self.open:
            emptied, self._emptied = self._emptied, None
            emptied.callback(None)

    async def drain(self, grace: float) -> None:
        """
        Answer what has arrived, end every connection, and return when all are gone.

        A connection ends once nothing came for a moment; in the second half of the `grace` seconds also at any
        moment at which nothing is left to answer. What is still open after them is aborted.
        """
        start = self.clock.seconds()
        while self.open:
            spent = self.clock.seconds() - start
            for server in list(self.open):
                if spent >= grace:
                    self.tally.dropped["grace"] += 1
                    server.abort()
                else:
                    server.leave(urgent=spent >= grace / 2)
            if not self.open:
                return
            emptied = self._emptied = Deferred()
            look = self.clock.callLater(_DRAIN_LOOK, emptied.callback, None)
            await emptied
            self._emptied = None
            if look.active():
                look.cancel()

    def abort(self) -> None:
        """Cut every connection now."""
        for server in list(self.open):
            server.abort()


class SelfConnectionError(ConnectionRefusedError):
    """
    The connection ends where it began: TCP joined it with itself (RFC 9293, simultaneous open).

    It happens when nothing listens on a port of the ephemeral range, and would echo whatever the client sends.
    """


@implementer(IHalfCloseableProtocol, IHandshakeListener)
class StreamClient(Protocol):
    """
    The client half of a connection.

    :param framing: frames what is sent, and cuts what comes where the server frames its replies too.
    :param limit: the longest framed reply taken, in bytes.
    :ivar whole: whether a listener gets whole messages.
    :ivar joined_itself: whether this is no connection with a server, see `SelfConnectionError`.
    """

    transport: Any
    joined_itself = False

    def __init__(self, framing: Framing, limit: int) -> None:
        self._framing = framing
        symmetric = framing.symmetric and not isinstance(framing, Stream)
        self._decoder = framing.decoder(limit) if symmetric else None
        self.whole = symmetric
        self._listener: Listener | None = None
        self._early: list[Callable[[Listener], None]] = []
        self._handshake: Failure | Literal[True] | None = None
        self._waiting: Deferred[None] | None = None

    def connectionMade(self) -> None:
        """Refuse a connection with ourselves. Called by Twisted."""
        self._secure = ISSLTransport.providedBy(self.transport)
        if ITCPTransport.providedBy(self.transport) and self.transport.getHost() == self.transport.getPeer():
            self.joined_itself = True
            self.transport.abortConnection()

    def handshakeCompleted(self) -> None:
        """TLS is up. Called by Twisted."""
        self._handshake_over(True)

    def secured(self, clock: IReactorTime, timeout: float) -> Deferred[None]:
        """
        Wait for the end of the TLS handshake; the result may be an `OpenSSL.SSL.Error` or the connection's end.

        :param timeout: seconds.
        """
        waiting: Deferred[None] = Deferred()
        self._waiting = waiting
        if self._handshake is not None:
            self._handshake_over(self._handshake)
        return waiting.addTimeout(timeout, clock)

    def fingerprint(self) -> bytes | None:
        """Return the SHA-256 of the certificate that the server showed, or None when it showed none."""
        certificate = self.transport.getPeerCertificate()
        return None if certificate is None else bytes.fromhex(certificate.digest("sha256").decode().replace(":", ""))

    def _handshake_over(self, result: Failure | Literal[True]) -> None:
        """Keep how the handshake ended, and tell who waits for it."""
        if self._handshake is None:
            self._handshake = result
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.called:
            waiting.callback(None) if self._handshake is True else waiting.errback(self._handshake)

    def listen(self, listener: Listener) -> None:
        """Tell a listener from now on, and first what came before there was one."""
        self._listener = listener
        early, self._early = self._early, []
        for tell in early:
            tell(listener)

    def send(self, message: bytes) -> None:
        """
        Send one message.

        :raises echod.framing.FrameError: it cannot be written in this framing.
        """
        self.transport.write(self._framing.encode(message))

    def end(self) -> None:
        """End our direction; not over TLS, which cannot."""
        self.transport.loseWriteConnection()

    def close(self) -> None:
        """End the connection now."""
        self.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        """Pass on what came. Called by Twisted."""
        if self._decoder is None:
            self._tell(lambda listener: listener.received(data))
            return
        try:
            messages = self._decoder.feed(data)
            garbled = False
        except FrameError as fault:
            messages = fault.whole
            garbled = True
        for message in messages:
            self._tell(lambda listener, message=message: listener.received(message))  # type: ignore[misc]
        if garbled:
            self._tell(lambda listener: listener.ended(Ending.GARBLED))
            self.transport.abortConnection()

    def readConnectionLost(self) -> None:
        """The server ended its direction. Called by Twisted."""
        self._tell(lambda listener: listener.ended(Ending.CLEAN))
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Our direction has ended, as we asked. Called by Twisted."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone. Called by Twisted."""
        clean = reason.check(ConnectionDone) is not None
        if self._secure:
            self._handshake_over(reason)
        self._tell(lambda listener: listener.ended(Ending.CLEAN if clean else Ending.RESET))

    def _tell(self, tell: Callable[[Listener], None]) -> None:
        if self._listener is None:
            self._early.append(tell)
        else:
            tell(self._listener)


class StreamClientFactory(Factory):
    """
    Makes the client half of connections, for `endpoint.connect(factory)`.

    :param framing: the service's framing.
    :param limit: the longest framed reply taken, in bytes.
    """

    noisy = False

    def __init__(self, framing: Framing | None = None, limit: int = 1 << 20) -> None:
        self.framing = framing if framing is not None else Stream()
        self.limit = limit

    def buildProtocol(self, addr: IAddress | None) -> StreamClient:  # noqa: ARG002 - the same for every address
        """Make a connection's protocol."""
        return StreamClient(self.framing, self.limit)
