"""What a client tells of a talk; `echod.tcp` and `echod.udp` tell it, exams and pings listen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from echod.answers.exam import Ending


class Listener(Protocol):
    """Hears what comes back."""

    def received(self, data: bytes) -> None:
        """Take a piece of a stream; a whole message, where the client's `whole` says that messages have bounds."""

    def ended(self, ending: Ending) -> None:
        """Hear that the server ended the talk; it may be told twice. Datagrams end by refusal only."""


class Client(Protocol):
    """The client half of a talk, over any transport."""

    whole: bool

    def listen(self, listener: Listener) -> None:
        """Tell a listener from now on."""

    def send(self, message: bytes) -> None:
        """Send one message."""

    def end(self) -> None:
        """End our direction, where the transport can."""

    def close(self) -> None:
        """Let go of the transport now."""
