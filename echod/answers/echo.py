"""
Echo: everything back (RFC 862).

Over a stream, what arrives is returned in order until the peer ends its direction; as a datagram, the same datagram.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from echod.answers.answer import Answer, Conversation, Path, Peer, Said
from echod.answers.exam import Exactly, Exam, Then

if TYPE_CHECKING:
    from collections.abc import Sequence

EVERY_BYTE = bytes(range(256))


class EchoConversation:
    """Returns each message. It has no state, so one serves every peer."""

    endless = False

    def opened(self) -> Said:
        """Say nothing before the first message."""
        return Said(None)

    def message(self, data: bytes) -> Said:
        """Return the message itself; an empty datagram is answered by an empty one."""
        return Said(data)

    def more(self) -> bytes:
        """Say nothing unasked."""
        return b""


class Echo:
    """The answer of `protocol: echo`."""

    reflects = True
    remembers = False

    def __init__(self) -> None:
        self._conversation = EchoConversation()

    def open(self, peer: Peer) -> Conversation:  # noqa: ARG002 - every peer hears the same
        """Begin to talk with a peer."""
        return self._conversation

    def exams(self, path: Path) -> Sequence[Exam]:
        """
        Ask for every byte value back.

        Over a plain stream the client ends its direction too: all must come back, and then the end of the stream.
        Datagrams are tried empty, short, and longer than an Ethernet frame.
        """
        if path is Path.DATAGRAM:
            payloads = (b"hello", b"", EVERY_BYTE * 8)
            return [Exam(f"{len(data)} bytes", data, Exactly(data)) for data in payloads]
        data = EVERY_BYTE * 64
        if path is Path.STREAM:
            return [Exam(f"{len(data)} bytes", data, Exactly(data), then=Then.CLOSE, half_close=True)]
        return [Exam(f"{len(data)} bytes", data, Exactly(data))]


_conforms: type[Answer] = Echo
