"""
Streams: the server and the client of every protocol over TCP, TLS and Unix sockets.

The server half (`echod.talk`) asks an answer what to say, and does with the connection what the answer wants. The
client half (`echod.caller`) sends messages, and tells a listener what comes back. Both are ordinary Twisted protocols;
their factories are here, for any stream endpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Protocol as Interface

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory

from echod.caller import SelfConnectionError, StreamClient
from echod.framing import Stream
from echod.limits import StreamLimits
from echod.talk import AnswerServer, EchoServer
from echod.witness import turned_away

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress, IReactorTime

    from echod.answers.answer import Answer
    from echod.connection import ServedConnection
    from echod.framing import Framing
    from echod.guard.admission import Admission, Gate
    from echod.guard.patience import Patience
    from echod.sink import Sink
    from echod.tally import Tally
    from echod.transport.proxied import HeaderProtocol

__all__ = ["SelfConnectionError", "StreamClient", "StreamClientFactory", "StreamServerFactory"]

_DRAIN_LOOK = 0.05
"""Seconds between two looks whether a connection is answered when the daemon stops."""


class _Open(Interface):
    """What is waited for when the daemon stops."""

    def leave(self, *, urgent: bool) -> None:
        """End once everything is answered."""

    def abort(self, cause: str = "stop") -> None:
        """End now."""

    def watch(self, sink: Sink | None) -> None:
        """Tell a sink from now on what happens, or nobody any more."""


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
        self._sink: Sink | None = None

    def buildProtocol(self, addr: IAddress | None) -> ServedConnection | None:
        """Make a connection's protocol, or None for a peer that is not let in."""
        host = getattr(addr, "host", "")
        if self.admission is not None:
            reason = self.admission.enter(host)
            if reason is not None:
                self.refused(reason, addr)
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
        if self._sink is not None:
            server.watch(self._sink)

    def closed(self, server: ServedConnection) -> None:
        """Count a connection out."""
        self.tally.open -= 1
        if self.admission is not None:
            self.admission.leave(server.source)
        self._gone(server)

    def expect(self, header: HeaderProtocol) -> None:
        """Wait for what a balancer's connection will say, when the daemon stops. Called by the transport."""
        self.open.add(header)

    def expected(self, header: HeaderProtocol, refused: str | None) -> None:
        """Wait no more: it is one of our connections now, or gone. Called by the transport."""
        if refused is not None:
            self.refused(refused, header.transport.getPeer())
        self._gone(header)

    def refused(self, reason: str, peer: IAddress | None) -> None:
        """Count a connection that is not let in."""
        self.tally.dropped[reason] += 1
        if self._sink is not None:
            turned_away(self._sink, peer, reason)

    def watch(self, sink: Sink | None) -> None:
        """Tell a sink from now on what happens, or nobody any more."""
        self._sink = sink
        for each in list(self.open):
            each.watch(sink)

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
                    server.abort("grace")
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
