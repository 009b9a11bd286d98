"""
What a ping sends, and how it tells which message an answer belongs to. Pure.

A message is its number (4 bytes, big-endian, from 1), the run's random id (8 bytes), and then the bytes 0, 1, 2 … 255
again and again, cut to the size that was asked for. Below 4 bytes there is no room for the number: such a message is
the beginning of the pattern alone, every one is the same, and answers are matched by their order.
"""

from __future__ import annotations

from echod.answers.exam import preview

NUMBER_BYTES = 4
RUN_BYTES = 8
MOST_MESSAGES = 256**NUMBER_BYTES - 1
"""Numbers that there are."""

MOST_DATAGRAM = 65_507
"""Bytes of the longest UDP datagram over IPv4 (65,535 less the headers of IP and UDP)."""

_PATTERN = bytes(range(256))


class Payloads:
    """
    The messages of one run.

    :param size: of each, in bytes; 0 is an empty datagram.
    :param run: the 8 bytes that tell this run from others.
    """

    def __init__(self, size: int, run: bytes) -> None:
        self.size = size
        self.numbered = size >= NUMBER_BYTES
        body = _PATTERN * (size // len(_PATTERN) + 1)
        self._tail = (run + body)[: max(size - NUMBER_BYTES, 0)]
        self._plain = body[:size]

    def message(self, number: int) -> bytes:
        """Return the message of a number."""
        return number.to_bytes(NUMBER_BYTES, "big") + self._tail if self.numbered else self._plain

    def number(self, answer: bytes) -> int | None:
        """Return the number that an answer bears, or None if these messages or this answer have none."""
        if not self.numbered or len(answer) < NUMBER_BYTES:
            return None
        return int.from_bytes(answer[:NUMBER_BYTES], "big")

    def difference(self, answer: bytes, number: int | None) -> str:
        """Say what is wrong with an answer; `number` is that of the message which it should repeat, if known."""
        if number is None:
            return f"said {preview(answer)}, which answers nothing that was asked"
        if len(answer) != self.size:
            return f"said {preview(answer)}; the {self.size} bytes of the message were expected"
        expected = self.message(number)
        wrong = [at for at in range(self.size) if answer[at] != expected[at]]
        first = wrong[0]
        return (
            f"{len(wrong)} of {self.size} bytes differ, the first at offset {first}: "
            f"{answer[first]:#04x} instead of {expected[first]:#04x}"
        )
