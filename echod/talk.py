"""
What is talked on a served stream: the echo, and the answers that are said message by message.

`echod.connection` has what all connections have, `echod.tcp` the factory that makes them and the client beside it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING
from typing import Protocol as Interface

from twisted.internet.interfaces import IPullProducer
from twisted.logger import Logger
from zope.interface import implementer

from echod.addresses import address_of
from echod.answers.answer import Path, Peer, Said
from echod.answers.exam import Then
from echod.connection import Owner, ServedConnection
from echod.framing import FrameError

if TYPE_CHECKING:
    from echod.answers.answer import Answer, Conversation
    from echod.framing import Framing
    from echod.sink import Sink

__all__ = ["AnswerServer", "EchoServer", "Speaker", "address_of"]


class Speaker(Owner, Interface):
    """What a talk needs of its factory."""

    answer: Answer
    framing: Framing


class EchoServer(ServedConnection):
    """Sends back what comes; the transport itself holds the peer back while it does not read."""

    def begin(self) -> None:
        """Let the transport itself send back what comes, where it can."""
        super().begin()
        self._reflect()

    def watch(self, sink: Sink | None) -> None:
        """Tell a sink from now on what happens, or nobody any more; what is to be told must be seen."""
        super().watch(sink)
        self._reflect()

    def end(self, then: Then, cause: str = "answer") -> None:
        """End our direction; from now on input is dropped."""
        super().end(then, cause)
        self._reflect()

    def _reflect(self) -> None:
        """Let the transport itself send back what comes, or no longer."""
        if self.wire is not None and not self.secure:
            self.wire.reflect(self if self.tap is None and self.ending is None else None)

    def dataReceived(self, data: bytes) -> None:
        """Send it back. Called by Twisted."""
        if self.ending is not None:
            return
        self.active = self.patience.now
        tally = self.tally
        tally.received_bytes += len(data)
        tally.sent_bytes += len(data)
        tally.messages_received += 1
        tally.messages_sent += 1
        self.transport.write(data)
        if self.tap is not None:
            self.tap.echoed(data)


class AnswerServer(ServedConnection):
    """
    Cuts the stream into messages and says what the answer says to each.

    Messages which came in one read are answered in turn while the peer takes the answers; the others wait here, and
    nothing more is read meanwhile.
    """

    _log = Logger()
    owner: Speaker

    def __init__(self, owner: Speaker, source: str = "") -> None:
        super().__init__(owner, source)
        self._pending: deque[bytes] = deque()
        self._fault: FrameError | None = None

    def begin(self) -> None:
        """Open the conversation, and say what comes first."""
        super().begin()
        owner = self.owner
        self._decoder = owner.framing.decoder(owner.limits.frame)
        peer, host = address_of(self.transport.getPeer()), address_of(self.transport.getHost())
        path = Path.TLS if self.secure else Path.STREAM
        self._conversation = owner.answer.open(Peer(*peer, *host, path))
        self._say(self._conversation.opened())
        if self.ending is None and self._conversation.endless:
            self.transport.unregisterProducer()
            self.transport.registerProducer(_Talk(self, self._conversation), False)

    def dataReceived(self, data: bytes) -> None:
        """Answer the messages that are whole. Called by Twisted."""
        if self.ending is not None or self._fault is not None:
            return
        self.active = self.patience.now
        self.tally.received_bytes += len(data)
        if self.tap is not None:
            self.tap.received(data)
        if self._conversation.endless:
            # The talk does not depend on it (RFC 864).
            return
        try:
            self._pending.extend(self._decoder.feed(data))
        except FrameError as fault:
            self._pending.extend(fault.whole)
            self._fault = fault
        self._work()

    def resumeProducing(self) -> None:
        """The peer has taken what waited. Called by the transport."""
        self.blocked = False
        self._work()
        if not self.blocked and self.ending is None and not self.peer_ended:
            self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """Say no more. Called by the transport when it is lost."""
        self._pending.clear()

    def finish(self) -> None:
        """Answer the messages that wait, then end."""
        self._work()

    def leave(self, *, urgent: bool) -> None:
        """End once everything is answered; a talk without end is over at once."""
        if self._conversation.endless and self.ending is None and not self.peer_ended:
            self.end(Then.CLOSE, "stop")
        else:
            super().leave(urgent=urgent)

    def _work(self) -> None:
        """Answer what waits, as long as the peer takes the answers."""
        pending, tally = self._pending, self.tally
        while pending and not self.blocked and self.ending is None:
            tally.messages_received += 1
            try:
                said = self._conversation.message(pending.popleft())
            except Exception:  # noqa: BLE001 - an answer of the user's own may raise anything
                self.tally.failed(self._log, "an answer failed; its connection is closed")
                self.end(Then.CLOSE, "error")
                return
            self._say(said)
        if self.ending is not None:
            pending.clear()
        elif not pending and self._fault is not None:
            tally.dropped["frame"] += 1
            self.end(Then.CLOSE, "frame")
        elif not pending and self.peer_ended:
            self._close()

    def _say(self, said: Said) -> None:
        if said.data is not None:
            framing = self.owner.framing
            try:
                data = framing.encode(said.data) if framing.symmetric else said.data
            except FrameError:
                self.tally.dropped["frame"] += 1
                self.end(Then.CLOSE, "frame")
                return
            self.tally.messages_sent += 1
            self.tally.sent_bytes += len(data)
            self.transport.write(data)
            if self.tap is not None:
                self.tap.sent(data)
        if said.then is not Then.KEEP:
            self.end(said.then)


@implementer(IPullProducer)
class _Talk:
    """Says the next piece of an endless talk whenever the peer has taken the last."""

    def __init__(self, server: AnswerServer, conversation: Conversation) -> None:
        self._server = server
        self._conversation = conversation

    def resumeProducing(self) -> None:
        """Say one piece. Called by the transport when nothing waits."""
        server = self._server
        piece = self._conversation.more()
        server.tally.sent_bytes += len(piece)
        server.transport.write(piece)
        if server.tap is not None:
            server.tap.sent(piece)

    def stopProducing(self) -> None:
        """Say no more: the transport is lost."""
