"""
The services that say one thing and close: quote of the day (RFC 865), daytime (RFC 867) and time (RFC 868).

Over a stream they speak as soon as it opens, without being asked; a datagram, whatever is in it, gets one in return.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from echod.answers.answer import Answer, Conversation, Path, Peer, Said, World
from echod.answers.exam import Checked, Exam, OneOf, Then

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from echod.answers.exam import Matcher

SECONDS_FROM_1900_TO_1970 = 2_208_988_800
_CYCLE = 1 << 32
"""`time` counts in 32 bits, and begins anew on 7 February 2036 at 06:28:16 UTC."""

TOLERANCE = 2
"""Seconds that a server's clock may differ from the client's."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class OnceConversation:
    """Says what `say` returns."""

    endless = False

    def __init__(self, say: Callable[[], bytes]) -> None:
        self._say = say

    def opened(self) -> Said:
        """Say it, and close."""
        return Said(self._say(), Then.CLOSE)

    def message(self, data: bytes) -> Said:  # noqa: ARG002 - the RFCs have input ignored
        """Say it to a datagram."""
        return Said(self._say())

    def more(self) -> bytes:
        """Say nothing else."""
        return b""


class Once:
    """
    An answer that says one thing.

    :param say: makes it, fresh each time.
    :param reply: knows it, for the client.
    :param name: what it is, for reports.
    """

    reflects = False
    remembers = False

    def __init__(self, say: Callable[[], bytes], reply: Matcher, name: str) -> None:
        self._conversation = OnceConversation(say)
        self._reply = reply
        self._name = name

    def open(self, peer: Peer) -> Conversation:  # noqa: ARG002 - every peer hears the same
        """Begin to talk to a peer."""
        return self._conversation

    def exams(self, path: Path) -> Sequence[Exam]:
        """Want it unasked over a stream, followed by its end; and in return for an empty datagram."""
        if path is Path.DATAGRAM:
            return [Exam(self._name, b"", self._reply)]
        return [Exam(self._name, None, self._reply, then=Then.CLOSE)]


def qotd(quotes: Sequence[bytes], world: World) -> Once:
    """Make the answer of `protocol: qotd`: one of the quotes at random, exactly as the file has it."""
    return Once(
        lambda: quotes[int(world.random() * len(quotes))], OneOf(lambda: quotes, "one of the quotes"), "a quote"
    )


def daytime(world: World) -> Once:
    """Make the answer of `protocol: daytime`."""

    def choices() -> list[bytes]:
        now = world.clock()
        return [daytime_line(now + off) for off in range(-TOLERANCE, TOLERANCE + 1)]

    reply = OneOf(choices, f"the date and time within {TOLERANCE} s of the client's")
    return Once(lambda: daytime_line(world.clock()), reply, "the date and time")


def time(world: World) -> Once:
    """Make the answer of `protocol: time`."""

    def right(heard: bytes) -> bool:
        off = int.from_bytes(heard, "big") - int.from_bytes(time_bytes(world.clock()), "big")
        return (off + TOLERANCE) % _CYCLE <= 2 * TOLERANCE

    reply = Checked(4, right, f"the time within {TOLERANCE} s of the client's")
    return Once(lambda: time_bytes(world.clock()), reply, "the seconds since 1900")


def daytime_line(seconds: float) -> bytes:
    """Write seconds since 1970 as RFC 867 suggests: `Tuesday, February 22, 1982 17:37:43-UTC` and CRLF."""
    moment = _EPOCH + timedelta(seconds=int(seconds))
    day = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")[moment.weekday()]
    month = (
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    )[moment.month - 1]
    # Not strftime, whose names follow the locale.
    return f"{day}, {month} {moment.day}, {moment.year} {moment:%H:%M:%S}-UTC\r\n".encode("ascii")


def time_bytes(seconds: float) -> bytes:
    """Write seconds since 1970 as RFC 868's four bytes, big-endian, counted from 1900 modulo 2**32."""
    return ((int(seconds) + SECONDS_FROM_1900_TO_1970) % _CYCLE).to_bytes(4, "big")


_conforms: type[Answer] = Once
