"""The words of the command line."""

from __future__ import annotations

import pytest

from echod import framing
from echod.commands.arguments import framing_named, hex_bytes, message_bytes, seconds, whole_number


@pytest.mark.parametrize(
    ("text", "value"),
    [("2", 2), ("0.5", 0.5), (".5", 0.5), ("500ms", 0.5), ("10s", 10), ("1m", 60), ("24h", 86_400)],
)
def test_seconds(text: str, value: float) -> None:
    """Times are written as in the file."""
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "0", "-1", "x", "1 s", "25h", "nan", "inf", "1e3", "1d", "٣"])
def test_no_seconds(text: str) -> None:
    """Anything else is refused with what would be right."""
    with pytest.raises(ValueError, match="is no time between 0 and a day: write seconds"):
        seconds(text)


def test_whole_number() -> None:
    """The bounds belong to the numbers."""
    read = whole_number(1, 1000)

    assert [read("1"), read("1000")] == [1, 1000]


@pytest.mark.parametrize("text", ["0", "1001", "", "1.0", "+1", "1_0", "٣", "9" * 5000])
def test_no_whole_number(text: str) -> None:
    """Beyond them, and what Python alone takes for a number, is refused."""
    with pytest.raises(ValueError, match="is not a whole number from 1 to 1,000"):
        whole_number(1, 1000)(text)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("stream", framing.Stream()),
        ("line", framing.Delimited()),
        ("netstring", framing.Netstring()),
        ("int8", framing.Prefixed(1)),
        ("int16", framing.Prefixed(2)),
        ("int32", framing.Prefixed(4)),
        (r"delimiter:\r\n", framing.Delimited(b"\r\n")),
        (r"delimiter:a\t\0\x7f\\:b", framing.Delimited(b"a\t\0\x7f\\:b")),
        ("delimiter:é", framing.Delimited("é".encode())),
        ("fixed:16", framing.Fixed(16)),
    ],
)
def test_framing(text: str, made: framing.Framing) -> None:
    """Each framing by its name."""
    assert framing_named(text) == made


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nope", "'nope' is no framing: write one of stream, line,"),
        ("delimiter:", "is no framing"),
        ("delimiter", "is no framing"),
        ("fixed", "is no framing"),
        ("fixed:0", "'0' is not a whole number from 1"),
        ("fixed:x", "'x' is not a whole number from 1"),
        (r"delimiter:\q", r"'\\q' is no escape"),
        (r"delimiter:a\x1", "is no escape"),
        ("delimiter:a\\", "is no escape"),
    ],
)
def test_no_framing(text: str, sentence: str) -> None:
    """What is wrong is said with what would be right."""
    with pytest.raises(ValueError, match=sentence):
        framing_named(text)


def test_message() -> None:
    """Text is sent as UTF-8; a byte that was no UTF-8 when the shell gave it is sent as it was."""
    assert message_bytes("é\udcff") == b"\xc3\xa9\xff"


def test_hex() -> None:
    """White space between pairs does not count."""
    assert hex_bytes("00 01\nfF\n") == b"\0\1\xff"
    with pytest.raises(ValueError, match="'0' is not hexadecimal: write pairs of digits"):
        hex_bytes("0")
