"""Discard: everything is read and dropped, nothing is ever said (RFC 863)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from echod.answers.answer import SILENCE, Answer, Conversation, Path, Peer, Said
from echod.answers.exam import Exam

if TYPE_CHECKING:
    from collections.abc import Sequence


class DiscardConversation:
    """Drops each message. It has no state, so one serves every peer."""

    endless = False

    def opened(self) -> Said:
        """Say nothing."""
        return SILENCE

    def message(self, data: bytes) -> Said:  # noqa: ARG002 - whatever it is, it is dropped
        """Say nothing."""
        return SILENCE

    def more(self) -> bytes:
        """Say nothing."""
        return b""


class Discard:
    """The answer of `protocol: discard`."""

    reflects = False
    remembers = False

    def __init__(self) -> None:
        self._conversation = DiscardConversation()

    def open(self, peer: Peer) -> Conversation:  # noqa: ARG002 - every peer hears the same
        """Begin to listen to a peer."""
        return self._conversation

    def exams(self, path: Path) -> Sequence[Exam]:  # noqa: ARG002 - silence is the same everywhere
        """Send something, and want silence on a connection that stays open."""
        return [Exam("silence", b"hello", None)]


_conforms: type[Answer] = Discard
