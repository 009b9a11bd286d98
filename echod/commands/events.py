"""What a ping is told to do, what carries its messages, and what it reports. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Talk(Protocol):
    """What carries the messages."""

    whole: bool
    """Whether each answer comes as a whole; otherwise it is cut from a stream."""

    def send(self, message: bytes) -> str | None:
        """Send a message; return why it could not leave, or None."""

    def trouble(self) -> str | None:
        """Return what the network said since it was last asked (an ICMP error), or None."""


@dataclass(frozen=True, slots=True)
class Event:
    """
    What is to be told at once.

    :ivar number: of the message; None when it is about none of them.
    :ivar seconds: the round-trip time of a right answer; None for a duplicate.
    :ivar remark: what is unusual about a right answer: `late`, `reordered`, `duplicate`.
    :ivar word: a failure word (design, section 4), empty for a right answer.
    :ivar sentence: what happened.
    """

    number: int | None
    seconds: float | None = None
    remark: str = ""
    word: str = ""
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What to do.

    :ivar count: how many messages; None for as many as there are numbers.
    :ivar interval: seconds from one message to the next.
    :ivar timeout: seconds after which a message counts as lost, unless it is answered late.
    """

    count: int | None
    interval: float
    timeout: float
