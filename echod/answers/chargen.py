"""
Chargen: characters without end (RFC 864).

Over a stream, lines of 72 characters until the peer has enough, each shifted by one against the last; the 95 printing
characters of ASCII make a pattern of 95 lines. As a datagram, 0 to 512 characters of it at random.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from echod.answers.answer import SILENCE, Answer, Conversation, Path, Peer, Said, World
from echod.answers.exam import Exam, Match

if TYPE_CHECKING:
    from collections.abc import Sequence

_PRINTING = bytes(range(0x20, 0x7F))
LINE_LENGTH = 72
LINES = tuple((_PRINTING * 2)[at : at + LINE_LENGTH] + b"\r\n" for at in range(len(_PRINTING)))
PATTERN = b"".join(LINES)
"""All 95 lines; the talk repeats it."""

LONGEST_DATAGRAM = 512

_PIECE = PATTERN * 4
_PROOF = 10 * len(LINES[0])


class ChargenConversation:
    """One peer's characters. They do not depend on what the peer sends, so one serves every peer."""

    endless = True

    def __init__(self, world: World) -> None:
        self._world = world

    def opened(self) -> Said:
        """Say nothing that `more` would not say."""
        return SILENCE

    def message(self, data: bytes) -> Said:  # noqa: ARG002 - RFC 864: "any data received is thrown away"
        """Answer a datagram by a random number of characters, which may be cut."""
        length = int(self._world.random() * (LONGEST_DATAGRAM + 1))
        return Said(PATTERN[:length], may_be_cut=True)

    def more(self) -> bytes:
        """Say the next lines: whole patterns, so that each piece continues the last."""
        return _PIECE


class Chargen:
    """The answer of `protocol: chargen`."""

    reflects = False
    remembers = False

    def __init__(self, world: World) -> None:
        self._conversation = ChargenConversation(world)

    def open(self, peer: Peer) -> Conversation:  # noqa: ARG002 - every peer hears the same
        """Begin to talk to a peer."""
        return self._conversation

    def exams(self, path: Path) -> Sequence[Exam]:
        """Want ten lines of the pattern, or a datagram of it."""
        if path is Path.DATAGRAM:
            return [Exam("a datagram of the pattern", b"?" * LONGEST_DATAGRAM, OfPattern(0))]
        return [Exam("ten lines of the pattern", None, OfPattern(_PROOF))]


@dataclass(frozen=True, slots=True)
class OfPattern:
    """The right reply is a piece of the pattern, begun anywhere; `proof` bytes of it are enough, 0 for any number."""

    proof: int

    def match(self, heard: bytes) -> Match:
        """Look for what was heard in the pattern without end."""
        repeated = PATTERN * (len(heard) // len(PATTERN) + 2)
        if heard not in repeated:
            return Match.NO
        if not self.proof:
            return Match.YES if len(heard) <= LONGEST_DATAGRAM else Match.NO
        return Match.ENOUGH if len(heard) >= self.proof else Match.PARTIAL

    def describe(self) -> str:
        """Name the pattern."""
        return "the rotating pattern of RFC 864"


_conforms: type[Answer] = Chargen
