"""
How a client judges what it hears: one request, the reply that is right, and how the talk must end.

An `Exam` is fed like a server's conversation, without I/O: `received` for each piece, `ended` when the peer closed,
`silent` when nothing came for `patience` seconds. Each returns a `Verdict` once it is certain, None before.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

LINGER = 0.05
"""Seconds that a client waits after a right reply for bytes which nobody asked for."""

SILENCE_PROOF = 0.3
"""Seconds without an answer after which a client believes that none was meant."""

_PREVIEW = 60


class Then(enum.Enum):
    """What happens to a stream when the answer has left."""

    KEEP = "keep"
    CLOSE = "close"
    HALF_CLOSE = "half-close"
    RESET = "reset"


class Ending(enum.Enum):
    """How a talk ended; the values are the failure words of design section 4."""

    CLEAN = "closed"
    RESET = "reset"
    REFUSED = "refused"
    GARBLED = "mismatch"
    """What came was not of the framing, so the client ended the talk."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an answer was right and, if not, one failure word (design, section 4) and a sentence."""

    right: bool
    word: str = ""
    why: str = ""


RIGHT = Verdict(right=True)


def preview(data: bytes) -> str:
    """Show bytes in a sentence: escaped, and cut after 60 of them."""
    cut = repr(data[:_PREVIEW])[1:]
    return f"{cut} and {len(data) - _PREVIEW} more bytes" if len(data) > _PREVIEW else cut


class Match(enum.Enum):
    """What a matcher can say about the bytes so far."""

    YES = enum.auto()
    """They are a whole right answer."""

    ENOUGH = enum.auto()
    """They begin an answer without end, and are as much of it as proves it."""

    PARTIAL = enum.auto()
    """They may become one."""

    NO = enum.auto()
    """They are wrong, whatever follows."""


class Matcher(Protocol):
    """Knows the right reply."""

    def match(self, heard: bytes) -> Match:
        """Compare all that was heard so far."""

    def describe(self) -> str:
        """Name the right reply in a sentence."""


@dataclass(frozen=True, slots=True)
class Exactly:
    """The right reply is these bytes."""

    expected: bytes

    def match(self, heard: bytes) -> Match:
        """Compare byte by byte."""
        if heard == self.expected:
            return Match.YES
        return Match.PARTIAL if self.expected.startswith(heard) else Match.NO

    def describe(self) -> str:
        """Name the bytes."""
        return preview(self.expected)


@dataclass(frozen=True, slots=True)
class OneOf:
    """The right reply is any of several; `choices` lists them, and is asked anew each time."""

    choices: Callable[[], Collection[bytes]]
    name: str

    def match(self, heard: bytes) -> Match:
        """Compare with each choice."""
        choices = self.choices()
        if heard in choices:
            return Match.YES
        return Match.PARTIAL if any(choice.startswith(heard) for choice in choices) else Match.NO

    def describe(self) -> str:
        """Name what the choices have in common."""
        return self.name


@dataclass(frozen=True, slots=True)
class Checked:
    """The right reply has a known length in bytes, and `accepts` says whether those bytes are right."""

    length: int
    accepts: Callable[[bytes], bool]
    name: str

    def match(self, heard: bytes) -> Match:
        """Wait for the length, then ask."""
        if len(heard) < self.length:
            return Match.PARTIAL
        return Match.YES if len(heard) == self.length and self.accepts(heard) else Match.NO

    def describe(self) -> str:
        """Name the right reply in the words given."""
        return self.name


class Exam:
    """
    One request and its judge.

    :param name: what is proven, for the report.
    :param request: the message to send; None to send nothing. The client frames it.
    :param reply: knows the right reply; None when silence is right.
    :param greeting: what the server must say first, before the request is sent; None for nothing.
    :param then: what the server must do with the stream afterwards.
    :param half_close: whether the client ends its own direction after the request.
    """

    def __init__(
        self,
        name: str,
        request: bytes | None,
        reply: Matcher | None,
        *,
        greeting: Matcher | None = None,
        then: Then = Then.KEEP,
        half_close: bool = False,
    ) -> None:
        self.name = name
        self.request = request
        self.half_close = half_close
        self._greeting = greeting
        self._reply = reply
        self._then = then
        self._heard = bytearray()
        self._settled = False

    @property
    def ready(self) -> bool:
        """Whether the greeting has come, so that the request may be sent."""
        return self._greeting is None

    @property
    def patience(self) -> float | None:
        """Seconds of silence after which to call `silent`; None while only the client's timeout counts."""
        if not self.ready:
            return None
        if self._reply is None:
            return SILENCE_PROOF if self._then is Then.KEEP else None
        return LINGER if self._settled and self._then is Then.KEEP else None

    def asked(self, *, whole: bool) -> None:
        """
        Hear that the request leaves, and whether messages have bounds there.

        Where they have none, an empty reply sends nothing, so that silence is right.
        """
        if not whole and isinstance(self._reply, Exactly) and not self._reply.expected:
            self._reply = None

    def received(self, data: bytes, *, whole: bool = False) -> Verdict | None:
        """
        Take the next piece of a stream, or a `whole` message where messages have bounds.

        A whole message that is only the beginning of the right one is wrong.
        """
        self._heard += data
        heard = bytes(self._heard)
        if self._greeting is not None:
            return self._greeted(heard)
        if self._reply is None:
            return Verdict(right=False, word="mismatch", why=f"should stay silent but said {preview(heard)}")
        found = self._reply.match(heard)
        if found is Match.NO or (whole and found is Match.PARTIAL):
            return self._mismatch(self._reply, heard)
        if found is Match.ENOUGH:
            return RIGHT
        self._settled = found is Match.YES
        return None

    def ended(self, ending: Ending) -> Verdict:
        """Judge the whole, the peer having ended the stream."""
        heard = bytes(self._heard)
        if ending is Ending.GARBLED:
            return Verdict(right=False, word=ending.value, why="sent bytes that are not of the service's framing")
        if self._greeting is not None:
            return Verdict(right=False, word=ending.value, why=f"ended after {preview(heard)}, before its greeting")
        if self._reply is not None and not self._settled:
            why = f"ended after {preview(heard)}; {self._reply.describe()} was expected"
            return Verdict(right=False, word=ending.value, why=why)
        if self._then is Then.KEEP:
            return Verdict(right=False, word=ending.value, why="ended the connection, which should stay open")
        reset = self._then is Then.RESET
        if reset != (ending is Ending.RESET):
            wanted = "a reset" if reset else "a clean close"
            return Verdict(right=False, word=ending.value, why=f"ended with {ending.value}; {wanted} was expected")
        return RIGHT

    def silent(self) -> Verdict:
        """Judge the whole, nothing more having come for `patience` seconds or within the client's timeout."""
        if self._then is Then.KEEP and self.ready and (self._reply is None or self._settled):
            return RIGHT
        waited = self._greeting or self._reply
        if self._settled or waited is None:
            return Verdict(right=False, word="timeout", why="did not end the connection, as the file says it does")
        heard = f"only {preview(bytes(self._heard))} came" if self._heard else "nothing came"
        return Verdict(right=False, word="timeout", why=f"{heard}; {waited.describe()} was expected")

    def _greeted(self, heard: bytes) -> Verdict | None:
        """Compare the greeting; when it is whole, the reply begins anew."""
        assert self._greeting is not None
        match self._greeting.match(heard):
            case Match.NO:
                return self._mismatch(self._greeting, heard)
            case Match.YES | Match.ENOUGH:
                self._greeting = None
                self._heard.clear()
            case Match.PARTIAL:
                pass
        return None

    @staticmethod
    def _mismatch(wanted: Matcher, heard: bytes) -> Verdict:
        return Verdict(right=False, word="mismatch", why=f"said {preview(heard)}; {wanted.describe()} was expected")
