"""
What an answer is.

An `Answer` is made once from a service's settings and serves TCP and UDP, the server and its client. The server
opens a `Conversation` for each peer, hands it messages, and does what the returned `Said` tells. The client takes
`Exam` objects from the same answer: each holds one request and judges what comes back.

None of this does I/O, so a test needs neither a socket nor a reactor.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from echod.answers.exam import Then

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from echod.answers.exam import Exam

__all__ = ["SILENCE", "Answer", "Conversation", "Path", "Peer", "Said", "Then"]


class Path(enum.Enum):
    """How messages travel: it decides which promises of a protocol can be seen by a client."""

    STREAM = "stream"
    """TCP or a Unix stream: both directions end on their own."""

    TLS = "tls"
    """As a stream, but an end of one direction ends both (Twisted issue 5341)."""

    DATAGRAM = "datagram"
    """UDP or a Unix datagram socket: one datagram is one message."""


@dataclass(frozen=True, slots=True)
class Peer:
    """
    Who is talking to whom.

    Hosts are address literals, or socket paths with port 0; `local_host` is the address which the peer hit.
    """

    host: str
    port: int
    local_host: str = ""
    local_port: int = 0
    path: Path = Path.STREAM


@dataclass(frozen=True, slots=True)
class Said:
    """
    What to send, and what to do when it has left.

    `data` is None for silence. The empty `bytes` differ from that where a message may be empty: as a datagram. A
    datagram that `may_be_cut` is shortened rather than dropped where it would be longer than a guard lets it be.
    """

    data: bytes | None
    then: Then = Then.KEEP
    may_be_cut: bool = False


SILENCE = Said(None)


class Conversation(Protocol):
    """One peer's talk with an answer: a connection, or the datagrams of one address."""

    @property
    def endless(self) -> bool:
        """Whether `more` is to be said over a stream, for ever, as fast as the peer takes it."""

    def opened(self) -> Said:
        """Say what comes before the peer's first message; not asked for datagrams."""

    def message(self, data: bytes) -> Said:
        """Answer one message: what one read brought, one frame or one datagram."""

    def more(self) -> bytes:
        """Say the next piece of an endless talk; not asked otherwise."""


class Answer(Protocol):
    """What one service says. The attributes spare the transports work that an answer does not need."""

    @property
    def reflects(self) -> bool:
        """Whether each message is its own answer, so that bytes may be sent back unseen."""

    @property
    def remembers(self) -> bool:
        """Whether a conversation's answers depend on the messages before."""

    def open(self, peer: Peer) -> Conversation:
        """Begin to talk with a peer."""

    def exams(self, path: Path) -> Sequence[Exam]:
        """Return what a client asks over such a path to prove this answer: at least one."""


@dataclass(frozen=True)
class World:
    """
    What the answers may know of the world, passed in so that tests can choose it.

    `clock` gives seconds since 1970-01-01 UTC, `uuid` a fresh UUID's text, `random` a number in [0, 1).
    """

    clock: Callable[[], float]
    uuid: Callable[[], str]
    random: Callable[[], float]
    hostname: str = field(default="")
