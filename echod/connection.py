"""
What every served stream connection has: the ways in which it ends, and somebody who may watch.

`echod.limits` says what it may take, `echod.talk` what is talked on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Protocol as Interface

from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IHandshakeListener,
    IPushProducer,
    ISSLTransport,
)
from twisted.internet.protocol import connectionDone
from zope.interface import implementer

from echod.answers.exam import Then
from echod.limits import LimitedConnection, StreamLimits, Timekeeper
from echod.transport.stream import WriteThrough
from echod.witness import UNREACHABLE, Witness

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall
    from twisted.python.failure import Failure

    from echod.answers.answer import Answer
    from echod.framing import Framing
    from echod.sink import Sink

__all__ = ["LINGER", "QUIET_LOOKS", "Owner", "ServedConnection", "StreamLimits"]

LINGER = 2.0
"""
Seconds that a connection which we ended waits for the peer to end it too; what still comes is dropped.

Closing at once with unread input would make the kernel send a reset, which may overtake the answer.
"""

QUIET_LOOKS = 4
"""Calls of `leave` without a byte between them after which a connection counts as answered."""

_UNHEARD = float("inf")


class Owner(Timekeeper, Interface):
    """What a connection needs of its factory."""

    answer: Answer
    framing: Framing

    def opened(self, server: ServedConnection) -> None:
        """Count a connection in."""

    def closed(self, server: ServedConnection) -> None:
        """Count a connection out."""


@implementer(IHalfCloseableProtocol, IHandshakeListener, IPushProducer)
class ServedConnection(LimitedConnection):
    """
    One connection. Subclasses say what is talked, in `begin`, `dataReceived` and `finish`.

    :param owner: the factory.
    :param source: the address that was let in; empty for a Unix socket's peer.
    :ivar witness: tells what happens; None while nobody watches.
    :ivar tap: the same, while what is received and sent is to be told too.
    """

    witness: Witness | None = None
    tap: Witness | None = None
    _number = 0

    def __init__(self, owner: Owner, source: str = "") -> None:
        super().__init__(owner)
        self.owner = owner
        self.source = source
        self.ending: Then | None = None
        self.peer_ended = False
        self._quiet_looks = 0
        self._linger: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Set the limits to work. Called by Twisted."""
        self.secure = ISSLTransport.providedBy(self.transport)
        self.greeted = not self.secure
        wire = self.transport.transport if self.secure else self.transport
        if isinstance(wire, WriteThrough):
            self.wire = wire
            wire.on_wait = self.waits
            wire.bufferSize = self.owner.limits.buffer
        self.owner.opened(self)
        self.patience.watch(self, self.due())
        if self.witness is not None:
            self.witness.opened()
        self.begin()

    def begin(self) -> None:
        """Start to talk: first of all, let the transport say when the peer does not read."""
        self.transport.registerProducer(self, True)

    def handshakeCompleted(self) -> None:
        """TLS is up. Called by Twisted."""
        self.greeted = True

    def watch(self, sink: Sink | None) -> None:
        """Tell a sink from now on what happens, or nobody any more."""
        if sink is None:
            self.witness = self.tap = None
            return
        if self.witness is None:
            self._number = self._number or sink.number()
            self.witness = Witness(sink, self.transport, self._number, secure=self.secure)
        self.tap = self.witness if sink.messages else None

    def readConnectionLost(self) -> None:
        """The peer ended its direction: answer what is left, then end ours. Called by Twisted."""
        self.peer_ended = True
        if self.witness is not None:
            self.witness.half_closed("peer")
        if self.ending is None:
            self.finish()
        elif self.ending is not Then.RESET:
            self._close()

    def finish(self) -> None:
        """Nothing more will come: end when everything is said."""
        self._close()

    def writeConnectionLost(self) -> None:
        """Our direction ended, all being sent. Called by Twisted."""
        if self.witness is not None:
            self.witness.half_closed(self.cause or "answer")
        if self.ending is Then.CLOSE and self._linger is None:
            self._linger = self.owner.clock.callLater(LINGER, self._close)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Let go. Called by Twisted."""
        if self.witness is not None:
            self.witness.over("closed" if reason.check(ConnectionDone) else "reset", self._who_ended(reason))
            self.watch(None)
        if self._linger is not None and self._linger.active():
            self._linger.cancel()
        if self.wire is not None:
            self.wire.on_wait = None
        self.patience.forget(self)
        self.owner.closed(self)

    def end(self, then: Then, cause: str = "answer") -> None:
        """End our direction as an answer wants it, after all that was said has left."""
        self.ending = then
        if then is not Then.HALF_CLOSE:
            self.cause = cause
        self._quiet_looks = 0
        self.transport.unregisterProducer()
        if then is Then.RESET:
            self._reset()
        elif self.secure or self.peer_ended or not hasattr(self.transport, "loseWriteConnection"):
            # TLS cannot end one direction (Twisted issue 5341), nor can every endpoint plugin's transport.
            self._close()
        else:
            # Reading may be paused, also where `blocked` is no longer set. What comes now is to be dropped.
            self.blocked = False
            self.transport.resumeProducing()
            self.transport.loseWriteConnection()

    def leave(self, *, urgent: bool) -> None:
        """End once everything is answered: nothing came since the last looks or, if urgent, nothing waits now."""
        if self.ending in (Then.CLOSE, Then.HALF_CLOSE) and not self.peer_ended:
            # Only the peer's end is waited for, and what it sends is dropped.
            self._quiet_looks += 1
            if self._quiet_looks >= QUIET_LOOKS and not (self.wire is not None and self.wire.waiting):
                self.cause = self.cause or "stop"
                self._close()
            return
        if self.ending is not None or self.peer_ended:
            return
        # The coarse clock never shows this, so it stays exactly while nothing is heard.
        self._quiet_looks = self._quiet_looks + 1 if self.active == _UNHEARD else 0
        self.active = _UNHEARD
        waits = self.wire is not None and (self.wire.waiting or self.wire.unread() > 0)
        if not waits and not self.blocked and (urgent or self._quiet_looks >= QUIET_LOOKS):
            self.end(Then.CLOSE, "stop")

    def pauseProducing(self) -> None:
        """Too much waits for the peer: read no more from it. Called by the transport."""
        self.blocked = True
        self.transport.pauseProducing()
        if self.wire is None:
            self.waits()

    def resumeProducing(self) -> None:
        """Read on: the peer has taken what waited. Called by the transport."""
        self.blocked = False
        if self.ending is None and not self.peer_ended:
            self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """Say no more. Called by the transport when it is lost."""

    def _who_ended(self, reason: Failure) -> str:
        """Return what ended the connection, in the words of `echod.sink.Event`."""
        if self.cause and reason.check(ConnectionDone, ConnectionAborted):
            return self.cause
        if not self.greeted:
            return "handshake"
        return "vanished" if self.wire is not None and self.wire.error in UNREACHABLE else "peer"

    def _close(self) -> None:
        if self.wire is not None and self.owner.limits.stall:
            # A second later than we would ourselves, who can tell the peer.
            self.wire.give_up_after(self.owner.limits.stall + 1)
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def _reset(self) -> None:
        if self.wire is not None:
            self.wire.reset_when_sent(self.owner.limits.stall or LINGER)
        else:
            # A foreign transport cannot tell when its bytes have left.
            self.transport.abortConnection()
