"""
Framing: where one message ends and the next begins on a stream.

No I/O: a `Decoder` is fed what arrived and returns the messages that are whole, the same ones however the bytes were
cut. The wire formats are those of Twisted's `LineReceiver`, `NetstringReceiver` and `IntNStringReceiver`
(twisted.protocols.basic); lengths are bytes, integers big-endian.

No decoder holds more than its limit: a message that would be longer is refused as soon as that is known, before it is
kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class FrameError(ValueError):
    """
    The bytes are not of this framing, or a message is over the limit; the message says which.

    :ivar whole: the messages that were whole before the fault, still to be answered.
    """

    whole: list[bytes] = []  # noqa: RUF012 - replaced, never changed


class FrameTooLongError(FrameError):
    """A message is over the limit."""


class Decoder(Protocol):
    """Cuts one direction of one stream into messages."""

    def feed(self, data: bytes) -> list[bytes]:
        """
        Take what arrived and return the messages that are whole now.

        :raises FrameError: the stream cannot be read on; the messages before the fault are in its `whole`.
        """


class Framing(Protocol):
    """One way to mark messages."""

    @property
    def symmetric(self) -> bool:
        """Whether a server's replies are framed as the requests are; otherwise they are sent as written."""

    def decoder(self, limit: int) -> Decoder:
        """Make a decoder for messages of at most `limit` bytes."""

    def encode(self, message: bytes) -> bytes:
        """
        Frame a message.

        :raises FrameError: it cannot be written in this framing.
        """


def _too_long(length: int, limit: int) -> FrameTooLongError:
    return FrameTooLongError(f"a message of {length} bytes or more is over the limit of {limit}")


@dataclass(frozen=True, slots=True)
class Stream:
    """No framing: what one read brought is a message, cut where it is over the limit."""

    symmetric = True

    def decoder(self, limit: int) -> Decoder:
        """Make a decoder that keeps nothing."""
        return _StreamDecoder(limit)

    def encode(self, message: bytes) -> bytes:
        """Return the message as it is."""
        return message


@dataclass(slots=True)
class _StreamDecoder:
    limit: int

    def feed(self, data: bytes) -> list[bytes]:
        limit = self.limit
        if len(data) <= limit:
            return [data] if data else []
        return [data[at : at + limit] for at in range(0, len(data), limit)]


@dataclass(frozen=True, slots=True)
class Delimited:
    r"""A message ends with a delimiter, which is no part of it; `\r\n` for lines (`LineReceiver`)."""

    delimiter: bytes = b"\r\n"
    symmetric = False

    def decoder(self, limit: int) -> Decoder:
        """Make a decoder that keeps an unfinished message of at most `limit` bytes."""
        return _DelimitedDecoder(self.delimiter, limit)

    def encode(self, message: bytes) -> bytes:
        """Append the delimiter; a message that would end earlier for the reader is refused."""
        framed = message + self.delimiter
        if framed.find(self.delimiter) != len(message):
            raise FrameError(f"the message holds the delimiter {self.delimiter!r}")
        return framed


class _DelimitedDecoder:
    def __init__(self, delimiter: bytes, limit: int) -> None:
        self._delimiter = delimiter
        self._limit = limit
        self._kept = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        delimiter, kept = self._delimiter, self._kept
        # A delimiter may begin in what was kept, so the search goes back by all but one of its bytes.
        search = max(0, len(kept) - len(delimiter) + 1)
        kept += data
        messages: list[bytes] = []
        start = 0
        while (end := kept.find(delimiter, max(search, start))) >= 0:
            if end - start > self._limit:
                break
            messages.append(bytes(kept[start:end]))
            start = end + len(delimiter)
        del kept[:start]
        # What is left may end with a part of the delimiter.
        if len(kept) > self._limit + len(delimiter) - 1:
            length = end - start if end >= 0 else len(kept)
            kept.clear()
            raise _with(_too_long(length, self._limit), messages)
        return messages


@dataclass(frozen=True, slots=True)
class Fixed:
    """Every message has the same length."""

    size: int
    symmetric = False

    def decoder(self, limit: int) -> Decoder:
        """Make a decoder that keeps an unfinished message."""
        if self.size > limit:
            raise _too_long(self.size, limit)
        return _FixedDecoder(self.size)

    def encode(self, message: bytes) -> bytes:
        """Return the message, if it has the length."""
        if len(message) != self.size:
            raise FrameError(f"the message has {len(message)} bytes; every message has {self.size}")
        return message


class _FixedDecoder:
    def __init__(self, size: int) -> None:
        self._size = size
        self._kept = b""

    def feed(self, data: bytes) -> list[bytes]:
        size = self._size
        data = self._kept + data
        whole = len(data) - len(data) % size
        self._kept = data[whole:]
        return [data[at : at + size] for at in range(0, whole, size)]


@dataclass(frozen=True, slots=True)
class Prefixed:
    """A big-endian length of 1, 2 or 4 bytes stands before each message (`Int8`, `Int16`, `Int32StringReceiver`)."""

    width: int
    symmetric = True

    def decoder(self, limit: int) -> Decoder:
        """Make a decoder that keeps an unfinished message of at most `limit` bytes."""
        return _PrefixedDecoder(self.width, limit)

    def encode(self, message: bytes) -> bytes:
        """Put the length before the message."""
        if len(message) >= 256**self.width:
            raise FrameError(f"the message has {len(message)} bytes; int{8 * self.width} holds {256**self.width - 1}")
        return len(message).to_bytes(self.width, "big") + message


class _PrefixedDecoder:
    def __init__(self, width: int, limit: int) -> None:
        self._width = width
        self._limit = limit
        self._kept = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        kept, width = self._kept, self._width
        kept += data
        messages: list[bytes] = []
        start = 0
        while len(kept) - start >= width:
            body = start + width
            length = int.from_bytes(kept[start:body], "big")
            if length > self._limit:
                kept.clear()
                raise _with(_too_long(length, self._limit), messages)
            if len(kept) - body < length:
                break
            messages.append(bytes(kept[body : body + length]))
            start = body + length
        del kept[:start]
        return messages


@dataclass(frozen=True, slots=True)
class Netstring:
    """`LENGTH:MESSAGE,` with the length in decimal (https://cr.yp.to/proto/netstrings.txt)."""

    symmetric = True

    def decoder(self, limit: int) -> Decoder:
        """Make a decoder that keeps an unfinished message of at most `limit` bytes."""
        return _NetstringDecoder(limit)

    def encode(self, message: bytes) -> bytes:
        """Put length and colon before the message, and a comma behind it."""
        return b"%d:%b," % (len(message), message)


class _NetstringDecoder:
    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._digits = len(str(limit))
        self._kept = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        kept = self._kept
        kept += data
        messages: list[bytes] = []
        start = 0
        try:
            while (length := self._length(start)) is not None:
                body = kept.index(b":", start) + 1
                if len(kept) - body <= length:
                    break
                if kept[body + length] != ord(","):
                    raise FrameError(f"a netstring of {length} bytes does not end with a comma")  # noqa: TRY301
                messages.append(bytes(kept[body : body + length]))
                start = body + length + 1
        except FrameError as fault:
            kept.clear()
            raise _with(fault, messages) from None
        del kept[:start]
        return messages

    def _length(self, start: int) -> int | None:
        """Read the decimal length at `start`, or None while its colon has not come."""
        kept = self._kept
        colon = kept.find(b":", start, start + self._digits + 1)
        digits = bytes(kept[start : colon if colon >= 0 else start + self._digits + 1])
        if digits and (not digits.isdigit() or (digits[:1] == b"0" and len(digits) > 1)):
            raise FrameError(f"a netstring begins with {digits[:10]!r}, which is no decimal length")
        if colon < 0:
            if len(digits) > self._digits:
                raise FrameTooLongError(f"a netstring's length {digits!r} is over the limit of {self._limit}")
            return None
        if not digits:
            raise FrameError("a netstring begins with a colon; its length is missing")
        if int(digits) > self._limit:
            raise _too_long(int(digits), self._limit)
        return int(digits)


def _with(fault: FrameError, whole: list[bytes]) -> FrameError:
    """Give a fault the messages that were whole before it."""
    fault.whole = whole
    return fault
