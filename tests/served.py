"""Servers of ours on a wire or on a transport that a test holds in its hand, with a clock that the test moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.address import IPv4Address

from echod.answers.echo import Echo
from echod.guard.patience import TICK, Patience
from echod.tally import Tally
from echod.tcp import StreamServerFactory
from tests.transport.wires import Host, Wire

if TYPE_CHECKING:
    from echod.answers.answer import Answer
    from echod.connection import StreamLimits
    from echod.framing import Framing

HERE = IPv4Address("TCP", "192.0.2.2", 55555)
THERE = IPv4Address("TCP", "192.0.2.1", 4711)


class Served:
    """
    A factory of ours with its clock and counts.

    :ivar host: the clock, and the reactor of wires.
    """

    def __init__(
        self, answer: Answer | None = None, limits: StreamLimits | None = None, framing: Framing | None = None
    ) -> None:
        self.host = Host()
        self._wires: list[Wire] = []
        self.patience = Patience(self.host)
        self.tally = Tally()
        self.factory = StreamServerFactory(
            Echo() if answer is None else answer, self.patience, self.host, self.tally, framing, limits
        )

    def wire(self, kind: str = "tcp") -> Wire:
        """Serve a real connection."""
        self._wires.append(Wire(kind, self.factory.buildProtocol(THERE), self.host))
        return self._wires[-1]

    def close(self) -> None:
        """Leave no socket open."""
        for wire in self._wires:
            wire.close()

    def hand(self) -> Hand:
        """Serve a transport in the test's hand."""
        protocol: Any = self.factory.buildProtocol(THERE)
        return Hand(protocol)

    def run(self, wire: Wire, seconds: float) -> None:
        """Let time pass in short turns, until the connection ends."""
        end = self.host.seconds() + seconds
        while self.host.seconds() < end - 1e-9 and wire.ours.connected:
            wire.poller.doRead()
            self.host.advance(min(TICK / 2, end - self.host.seconds()))


class Hand:
    """
    A stream transport without a socket: it does nothing by itself, and writes down what it is told.

    :ivar written: every byte, in order.
    :ivar events: what it was told besides.
    :ivar reading: whether it may pass on what comes.
    """

    def __init__(self, protocol: Any) -> None:
        self.protocol = protocol
        self.written = bytearray()
        self.events: list[str] = []
        self.reading = True
        self.producer: Any = None
        self.room: int | None = None
        protocol.makeConnection(self)

    def write(self, data: bytes) -> None:
        """Take bytes; when there is no room, tell the producer."""
        self.written += data
        if self.room is not None and data:
            self.room -= len(data)
            if self.room < 0 and self.producer is not None:
                self.producer.pauseProducing()

    def take(self) -> None:
        """Let the peer take everything that waits."""
        self.room = None
        if self.producer is not None:
            self.producer.resumeProducing()

    def feed(self, data: bytes) -> None:
        """Pass on what came."""
        self.protocol.dataReceived(data)

    def getPeer(self) -> IPv4Address:
        """Return the other end."""
        return THERE

    def getHost(self) -> IPv4Address:
        """Return this end."""
        return HERE

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Keep it; one that is not streaming is asked at once."""
        self.producer = producer
        if not streaming:
            producer.resumeProducing()

    def unregisterProducer(self) -> None:
        """Forget it."""
        self.producer = None

    def pauseProducing(self) -> None:
        """Read no more."""
        self.reading = False

    def resumeProducing(self) -> None:
        """Read on."""
        self.reading = True

    def loseWriteConnection(self) -> None:
        """Note it."""
        self.events.append("half-close")

    def loseConnection(self) -> None:
        """Note it."""
        self.events.append("close")

    def abortConnection(self) -> None:
        """Note it."""
        self.events.append("abort")


def fill(wire: Wire) -> int:
    """Send until neither we nor the kernel take any more, without reading; return how many bytes were sent."""
    sent = 0
    wire.peer.setblocking(False)
    for _ in range(3):
        try:
            while True:
                sent += wire.peer.send(bytes(65_536))
                wire.turn()
        except BlockingIOError:  # noqa: PERF203 - a full socket is no exception here
            wire.turn()
    wire.peer.settimeout(2)
    return sent
