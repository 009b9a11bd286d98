"""
The client half of a talk, over a stream or by datagrams: sends messages, and tells a listener what comes back.

Its factories are beside the servers', in `echod.tcp` and `echod.udp`.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, Literal

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IHandshakeListener,
    ISSLTransport,
    ITCPTransport,
)
from twisted.internet.protocol import DatagramProtocol, Protocol, connectionDone
from zope.interface import implementer

from echod.answers.exam import Ending
from echod.framing import FrameError, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twisted.internet.interfaces import IReactorTime
    from twisted.python.failure import Failure

    from echod.framing import Framing
    from echod.listener import Listener


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


class DatagramClient(DatagramProtocol):
    """
    The client half of datagrams: one socket, connected to one server, so that an ICMP error is heard.

    It lives through such errors (they may come from a router, or from a server that is just being restarted).
    """

    noisy = False
    transport: Any
    whole = True

    def __init__(self) -> None:
        self._listener: Listener | None = None
        self._errors: Mapping[str, int] = {}
        self._told: Mapping[str, int] = {}

    def startProtocol(self) -> None:
        """Keep what counts the errors, which is asked when the socket may be closed already. Called by Twisted."""
        # Twisted's own ports count none.
        self._errors = getattr(self.transport, "errors", {})

    def listen(self, listener: Listener) -> None:
        """Tell a listener from now on. Earlier datagrams answer nothing that was asked."""
        self._listener = listener

    def send(self, message: bytes) -> None:
        """Send one datagram; that it may be lost is in the nature of UDP."""
        self.transport.write(message)

    def end(self) -> None:
        """Do nothing: datagrams have no end."""

    def close(self) -> None:
        """Close the socket."""
        self.transport.stopListening()

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:  # noqa: ARG002 - the socket has but one peer
        """Pass on what came. Called by Twisted."""
        if self._listener is not None:
            self._listener.received(datagram)

    def trouble(self) -> str | None:
        """
        Return what the network said since this was last asked (an ICMP error, a failed send), or None.

        Refusals are left out: the listener hears them at once.
        """
        told, self._told = self._told, dict(self._errors)
        new = [name for name, count in self._told.items() if count > told.get(name, 0) and name != "ECONNREFUSED"]
        return os.strerror(getattr(errno, new[0], 0)) if new else None

    def connectionRefused(self) -> None:
        """Pass on that nothing listens there, by an ICMP error. Called by the transport."""
        if self._listener is not None:
            self._listener.ended(Ending.REFUSED)
