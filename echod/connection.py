"""
What every served stream connection has: limits that cut it, and the ways in which it ends.

`echod.tcp` says what is talked on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from typing import Protocol as Interface

from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IHandshakeListener,
    IPushProducer,
    ISSLTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from zope.interface import implementer

from echod.answers.exam import Then
from echod.guard.patience import TICK
from echod.transport.stream import WriteThrough

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime
    from twisted.python.failure import Failure

    from echod.answers.answer import Answer
    from echod.framing import Framing
    from echod.guard.patience import Patience
    from echod.tally import Tally

LINGER = 2.0
"""
Seconds that a connection which we ended waits for the peer to end it too; what still comes is dropped.

Closing at once with unread input would make the kernel send a reset, which may overtake the answer.
"""

HANDSHAKE = 10.0
"""Seconds that a TLS handshake may take."""

QUIET_LOOKS = 4
"""Calls of `leave` without a byte between them after which a connection counts as answered."""

_UNHEARD = float("inf")
_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """
    What a connection may take; seconds and bytes. A time of 0 is no limit.

    :ivar idle: without a byte in either direction.
    :ivar stall: without the peer taking what waits for it.
    :ivar lifetime: in all.
    :ivar buffer: what may wait for the peer before no more is read from it.
    :ivar frame: the longest message.
    """

    idle: float = 300.0
    stall: float = 30.0
    lifetime: float = 0.0
    buffer: int = 65_536
    frame: int = 65_536


class Owner(Interface):
    """What a connection needs of its factory."""

    patience: Patience
    clock: IReactorTime
    tally: Tally
    limits: StreamLimits
    answer: Answer
    framing: Framing

    def opened(self, server: ServedConnection) -> None:
        """Count a connection in."""

    def closed(self, server: ServedConnection) -> None:
        """Count a connection out."""


@implementer(IHalfCloseableProtocol, IHandshakeListener, IPushProducer)
class ServedConnection(Protocol):
    """
    One connection. Subclasses say what is talked, in `begin`, `dataReceived` and `finish`.

    :param owner: the factory.
    :param source: the address that was let in; empty for a Unix socket's peer.
    """

    transport: Any
    beat = 0

    def __init__(self, owner: Owner, source: str = "") -> None:
        self.owner = owner
        self.source = source
        self.patience = owner.patience
        self.tally = owner.tally
        # Not the coarse time, which stands while there is no connection.
        self.active = owner.clock.seconds()
        self._began = self.active
        self.wire: WriteThrough | None = None
        self.ending: Then | None = None
        self.peer_ended = False
        self.blocked = False
        self._stalled_at: float | None = None
        self._quiet_looks = 0
        self._linger: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Set the limits to work. Called by Twisted."""
        self.secure = ISSLTransport.providedBy(self.transport)
        self._greeted = not self.secure
        wire = self.transport.transport if self.secure else self.transport
        if isinstance(wire, WriteThrough):
            self.wire = wire
            wire.on_wait = self._waits
            wire.bufferSize = self.owner.limits.buffer
        self.owner.opened(self)
        self.patience.watch(self, self._due())
        self.begin()

    def begin(self) -> None:
        """Start to talk: first of all, let the transport say when the peer does not read."""
        self.transport.registerProducer(self, True)

    def handshakeCompleted(self) -> None:
        """TLS is up. Called by Twisted."""
        self._greeted = True

    def readConnectionLost(self) -> None:
        """The peer ended its direction: answer what is left, then end ours. Called by Twisted."""
        self.peer_ended = True
        if self.ending is None:
            self.finish()
        elif self.ending is not Then.RESET:
            self._close()

    def finish(self) -> None:
        """Nothing more will come: end when everything is said."""
        self._close()

    def writeConnectionLost(self) -> None:
        """Our direction ended, all being sent. Called by Twisted."""
        if self.ending is Then.CLOSE and self._linger is None:
            self._linger = self.owner.clock.callLater(LINGER, self._close)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002 - whatever it was, it is over
        """Let go. Called by Twisted."""
        if self._linger is not None and self._linger.active():
            self._linger.cancel()
        if self.wire is not None:
            self.wire.on_wait = None
        self.patience.forget(self)
        self.owner.closed(self)

    def end(self, then: Then) -> None:
        """End our direction as an answer wants it, after all that was said has left."""
        self.ending = then
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

    def abort(self) -> None:
        """Cut the connection now; what waits is lost."""
        self.transport.abortConnection()

    def leave(self, *, urgent: bool) -> None:
        """End once everything is answered: nothing came since the last looks or, if urgent, nothing waits now."""
        if self.ending in (Then.CLOSE, Then.HALF_CLOSE) and not self.peer_ended:
            # Only the peer's end is waited for, and what it sends is dropped.
            self._quiet_looks += 1
            if self._quiet_looks >= QUIET_LOOKS and not (self.wire is not None and self.wire.waiting):
                self._close()
            return
        if self.ending is not None or self.peer_ended:
            return
        # The coarse clock never shows this, so it stays exactly while nothing is heard.
        self._quiet_looks = self._quiet_looks + 1 if self.active == _UNHEARD else 0
        self.active = _UNHEARD
        waits = self.wire is not None and (self.wire.waiting or self.wire.unread() > 0)
        if not waits and not self.blocked and (urgent or self._quiet_looks >= QUIET_LOOKS):
            self.end(Then.CLOSE)

    def look(self, now: float) -> float:
        """Apply the limits. Called by the wheel."""
        limits = self.owner.limits
        moved_at = 0.0 if self.wire is None else self.wire.moved_at
        if self._stalled_at is not None:
            self._stalled_at = max(self._stalled_at, moved_at)
            if not (self.blocked if self.wire is None else self.wire.waiting):
                self._stalled_at = None
            elif now - self._stalled_at >= limits.stall:
                return self._cut("stall", now)
        if limits.idle and now - max(self.active, moved_at) >= limits.idle + TICK:
            return self._cut("idle", now)
        if not self._greeted and now - self._began >= HANDSHAKE + TICK:
            return self._cut("handshake", now)
        if limits.lifetime and now - self._began >= limits.lifetime + TICK:
            return self._cut("lifetime", now)
        return self._due()

    def pauseProducing(self) -> None:
        """Too much waits for the peer: read no more from it. Called by the transport."""
        self.blocked = True
        self.transport.pauseProducing()
        if self.wire is None:
            self._waits()

    def resumeProducing(self) -> None:
        """Read on: the peer has taken what waited. Called by the transport."""
        self.blocked = False
        if self.ending is None and not self.peer_ended:
            self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """Say no more. Called by the transport when it is lost."""

    def _due(self) -> float:
        """Return when the next limit may be reached."""
        limits, now = self.owner.limits, self.patience.now
        moved_at = 0.0 if self.wire is None else self.wire.moved_at
        times = [now + _HOUR]
        if limits.idle:
            times.append(max(self.active, moved_at) + limits.idle + TICK)
        if limits.lifetime:
            times.append(self._began + limits.lifetime + TICK)
        if not self._greeted:
            times.append(self._began + HANDSHAKE + TICK)
        if self._stalled_at is not None:
            times.append(self._stalled_at + limits.stall)
        return min(times)

    def _waits(self) -> None:
        """Bytes began to wait for the peer. Called by the transport."""
        stall = self.owner.limits.stall
        if stall:
            # An earlier stall is over, even if no look has seen that.
            self._stalled_at = self.patience.now + TICK
            self.patience.sooner(self, self._stalled_at + stall)

    def _cut(self, reason: str, now: float) -> float:
        """Abort at a limit: a close would wait for a peer that takes nothing."""
        self.tally.dropped[reason] += 1
        self.abort()
        return now + _HOUR

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
