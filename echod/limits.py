"""What a served stream connection may take, and how it is cut when that is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from typing import Protocol as Interface

from twisted.internet.protocol import Protocol

from echod.guard.patience import TICK

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from echod.guard.patience import Patience
    from echod.tally import Tally
    from echod.transport.stream import WriteThrough

HANDSHAKE = 10.0
"""Seconds that a TLS handshake may take."""

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


class Timekeeper(Interface):
    """What a limited connection needs of its factory."""

    patience: Patience
    clock: IReactorTime
    tally: Tally
    limits: StreamLimits


class LimitedConnection(Protocol):
    """
    A connection that is looked at now and then, and cut when it has taken too much.

    :param owner: the factory.
    :ivar active: when something was last heard, by the coarse clock.
    :ivar wire: the transport beneath TLS, if it is one of ours.
    :ivar blocked: whether too much waits for the peer.
    :ivar greeted: whether the TLS handshake is over, if there is one.
    :ivar cause: what ended the connection, in the words of `echod.sink.Event`; empty as long as nothing of ours did.
    """

    transport: Any
    beat = 0
    cause = ""

    def __init__(self, owner: Timekeeper) -> None:
        self._limits = owner.limits
        self.patience = owner.patience
        self.tally = owner.tally
        # Not the coarse time, which stands while there is no connection.
        self.active = owner.clock.seconds()
        self._began = self.active
        self.wire: WriteThrough | None = None
        self.blocked = False
        self.greeted = True
        self._stalled_at: float | None = None

    def abort(self, cause: str = "stop") -> None:
        """Cut the connection now; what waits is lost."""
        self.cause = cause
        self.transport.abortConnection()

    def look(self, now: float) -> float:
        """Apply the limits. Called by the wheel."""
        limits = self._limits
        moved_at = 0.0 if self.wire is None else self.wire.moved_at
        if self._stalled_at is not None:
            self._stalled_at = max(self._stalled_at, moved_at)
            if not (self.blocked if self.wire is None else self.wire.waiting):
                self._stalled_at = None
            elif now - self._stalled_at >= limits.stall:
                return self._cut("stall", now)
        if limits.idle and now - max(self.active, moved_at) >= limits.idle + TICK:
            return self._cut("idle", now)
        if not self.greeted and now - self._began >= HANDSHAKE + TICK:
            return self._cut("handshake", now)
        if limits.lifetime and now - self._began >= limits.lifetime + TICK:
            return self._cut("lifetime", now)
        return self.due()

    def due(self) -> float:
        """Return when the next limit may be reached."""
        limits, now = self._limits, self.patience.now
        moved_at = 0.0 if self.wire is None else self.wire.moved_at
        times = [now + _HOUR]
        if limits.idle:
            times.append(max(self.active, moved_at) + limits.idle + TICK)
        if limits.lifetime:
            times.append(self._began + limits.lifetime + TICK)
        if not self.greeted:
            times.append(self._began + HANDSHAKE + TICK)
        if self._stalled_at is not None:
            times.append(self._stalled_at + limits.stall)
        return min(times)

    def waits(self) -> None:
        """Bytes began to wait for the peer. Called by the transport."""
        stall = self._limits.stall
        if stall:
            # An earlier stall is over, even if no look has seen that.
            self._stalled_at = self.patience.now + TICK
            self.patience.sooner(self, self._stalled_at + stall)

    def _cut(self, reason: str, now: float) -> float:
        """Abort at a limit: a close would wait for a peer that takes nothing."""
        self.tally.dropped[reason] += 1
        self.abort(reason)
        return now + _HOUR
