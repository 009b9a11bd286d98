"""What a ping sends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echod.commands.payload import MOST_MESSAGES, Payloads

RUN = b"\xaa\xbb\xcc\xdd\xee\xff\x11\x22"


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (0, b""),
        (1, b"\0"),
        (3, b"\0\1\2"),
        (4, b"\0\0\0\7"),
        (6, b"\0\0\0\7\xaa\xbb"),
        (12, b"\0\0\0\7" + RUN),
        (15, b"\0\0\0\7" + RUN + b"\0\1\2"),
    ],
)
def test_message(size: int, message: bytes) -> None:
    """Number, run and pattern, cut to the size; the pattern alone where there is no room for the number."""
    assert Payloads(size, RUN).message(7) == message


@given(st.integers(4, 70_000), st.integers(1, MOST_MESSAGES))
def test_number(size: int, number: int) -> None:
    """A message has its size, and its number can be read."""
    payloads = Payloads(size, RUN)
    message = payloads.message(number)

    assert len(message) == size
    assert payloads.number(message) == number


@pytest.mark.parametrize(("size", "answer"), [(3, b"\0\1\2"), (0, b""), (56, b"hi"), (56, b"")])
def test_no_number(size: int, answer: bytes) -> None:
    """Small messages have none, and neither have short answers."""
    assert Payloads(size, RUN).number(answer) is None


@pytest.mark.parametrize(
    ("answer", "number", "sentence"),
    [
        (b"hi", 7, "said 'hi'; the 6 bytes of the message were expected"),
        (b"\0\0\0\7\xaa\xba", 7, "1 of 6 bytes differ, the first at offset 5: 0xba instead of 0xbb"),
        (b"\0\0\0\6\xaa\xba", 7, "2 of 6 bytes differ, the first at offset 3: 0x06 instead of 0x07"),
        (b"hi", None, "said 'hi', which answers nothing that was asked"),
    ],
)
def test_difference(answer: bytes, number: int | None, sentence: str) -> None:
    """What is wrong with an answer, to the byte."""
    assert Payloads(6, RUN).difference(answer, number) == sentence
