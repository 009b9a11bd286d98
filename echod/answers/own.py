r"""
Answers of one's own: `protocol: python:package.module:name`.

The name is called once, without arguments, when the file is read, and returns an `Answer`. Two small classes spare the
writer what most answers do not need:

    from echod.answers.own import OwnAnswer, Said

    class Adder(OwnAnswer):
        def __init__(self, peer):
            self.total = 0

        def message(self, data):
            self.total += int(data)
            return Said(b"%d\n" % self.total)

    def adder():
        return Adder.answer(examples={b"2": b"2\n"})

The same object answers over TCP and UDP: a conversation is a connection, or the datagrams of one address.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from echod.answers.answer import SILENCE, Answer, Conversation, Path, Peer, Said, Then
from echod.answers.exam import Exactly, Exam

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["SILENCE", "OwnAnswer", "OwnAnswerError", "Path", "Peer", "Said", "Then", "own_answer"]


class OwnAnswerError(ValueError):
    """`python:` names nothing that makes an answer; the message says why."""


class OwnAnswer:
    """
    One peer's conversation; subclass it and override `message`.

    An exception in it ends the connection, or drops the datagram, and is counted.

    :param peer: who talks.
    """

    endless = False

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def opened(self) -> Said:
        """Say what comes before a stream's first message: nothing, unless overridden."""
        return SILENCE

    def message(self, data: bytes) -> Said:  # noqa: ARG002 - for those who override it
        """Answer one message: with silence, unless overridden."""
        return SILENCE

    def more(self) -> bytes:
        """Say the next piece of a talk without end; asked only where `endless` is true."""
        return b""

    @classmethod
    def answer(cls, examples: Mapping[bytes, bytes] | None = None) -> Answer:
        """
        Make the answer that opens such conversations.

        :param examples: first messages and their replies, with which `echod verify` proves the service.
        """
        return _Answer(cls, examples or {})


class _Answer:
    """Opens conversations of one class."""

    reflects = False
    remembers = True

    def __init__(self, make: Callable[[Peer], Conversation], examples: Mapping[bytes, bytes]) -> None:
        self._make = make
        self._examples = examples

    def open(self, peer: Peer) -> Conversation:
        """Begin to talk with a peer."""
        return self._make(peer)

    def exams(self, path: Path) -> Sequence[Exam]:  # noqa: ARG002 - the examples hold on every path
        """Ask what the examples ask."""
        return [Exam(f"the example {request!r}", request, Exactly(reply)) for request, reply in self._examples.items()]


def own_answer(protocol: str) -> Answer:
    """
    Import what `python:package.module:name` names, and call it.

    :raises OwnAnswerError: it cannot be imported, or returns no answer.
    """
    _, module, name = protocol.split(":")
    try:
        make = getattr(importlib.import_module(module), name)
        answer = make()
    except Exception as problem:
        raise OwnAnswerError(f"{protocol} cannot be used: {type(problem).__name__}: {problem}") from problem
    missing = [word for word in ("reflects", "remembers", "open", "exams") if not hasattr(answer, word)]
    if missing:
        raise OwnAnswerError(
            f"{protocol} returned {type(answer).__name__}, which is no answer: it has no {', '.join(missing)}"
        )
    own: Answer = answer
    return own


_conforms: type[Conversation] = OwnAnswer
