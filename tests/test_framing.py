"""Framing: the same messages however the bytes were cut, nothing kept over the limit, Twisted's own formats."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echod.framing import (
    Decoder,
    Delimited,
    Fixed,
    FrameError,
    FrameTooLongError,
    Framing,
    Netstring,
    Prefixed,
    Stream,
)

LIMIT = 20
SLACK = 16
"""More than any framing's own bytes around one message: delimiter, length, comma."""

FRAMINGS: dict[str, Framing] = {
    "line": Delimited(),
    "one byte": Delimited(b"\n"),
    "delimiter that overlaps itself": Delimited(b"abab"),
    "two alike": Delimited(b"\n\n"),
    "fixed": Fixed(4),
    "one": Fixed(1),
    "int8": Prefixed(1),
    "int16": Prefixed(2),
    "int32": Prefixed(4),
    "netstring": Netstring(),
}
every_framing = pytest.mark.parametrize("framing", FRAMINGS.values(), ids=FRAMINGS.keys())


@st.composite
def messages_of(draw: st.DrawFn, framing: Framing) -> list[bytes]:
    """Draw messages which the framing can write, of few byte values, so that delimiters nearly occur."""
    if isinstance(framing, Fixed):
        return draw(st.lists(st.binary(min_size=framing.size, max_size=framing.size), max_size=6))
    near = st.lists(st.sampled_from([b"a", b"b", b"\r", b"\n", b",", b":", b"1", b"\0"]), max_size=LIMIT).map(b"".join)
    found = draw(st.lists(near, max_size=6))
    return [message for message in found if _writable(framing, message)]


def _writable(framing: Framing, message: bytes) -> bool:
    try:
        framing.encode(message)
    except FrameError:
        return False
    return True


def kept(decoder: Decoder) -> int:
    """Return how many bytes a decoder holds back."""
    return len(cast("Any", decoder)._kept)


def fed(decoder: Decoder, pieces: list[bytes]) -> tuple[list[bytes], FrameError | None]:
    """Feed pieces up to the first fault, and return every whole message with that fault."""
    found: list[bytes] = []
    for piece in pieces:
        try:
            found += decoder.feed(piece)
        except FrameError as fault:  # noqa: PERF203 - the loop ends at the first fault
            return found + fault.whole, fault
    return found, None


def cut(data: st.DataObject, raw: bytes) -> list[bytes]:
    """Cut bytes into pieces, some of them empty."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    return [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]


@every_framing
@settings(max_examples=40)
@given(data=st.data())
def test_what_was_written_is_read(framing: Framing, data: st.DataObject) -> None:
    """Encoding and decoding are inverse: whole, byte by byte, in any pieces, and with the next message begun."""
    messages = data.draw(messages_of(framing))
    raw = b"".join([framing.encode(message) for message in messages])

    assert fed(framing.decoder(LIMIT), [raw]) == (messages, None)
    assert fed(framing.decoder(LIMIT), [raw[at : at + 1] for at in range(len(raw))]) == (messages, None)
    assert fed(framing.decoder(LIMIT), cut(data, raw)) == (messages, None)
    trailing = b"3" if isinstance(framing, Netstring) else b"\x03"
    if framing != Fixed(1):
        assert fed(framing.decoder(LIMIT), [raw + trailing]) == (messages, None)


@every_framing
@settings(max_examples=40)
@given(data=st.data())
def test_pieces_do_not_matter_for_any_bytes(framing: Framing, data: st.DataObject) -> None:
    """Also of what nobody meant as frames: the same messages, and a fault in the same cases, never more than kept."""
    raw = data.draw(
        st.one_of(
            st.binary(max_size=80),
            st.lists(st.sampled_from([b"a", b"b", b"\r", b"\n", b"\0", b"\1", b"2", b":", b","]), max_size=80).map(
                b"".join
            ),
        )
    )
    whole, fault = fed(framing.decoder(LIMIT), [raw])
    decoder = framing.decoder(LIMIT)
    pieces = cut(data, raw)
    found, later = fed(decoder, pieces)
    single, last = fed(framing.decoder(LIMIT), [raw[at : at + 1] for at in range(len(raw))])

    assert whole == found == single
    assert (fault is None) == (later is None) == (last is None)
    assert kept(decoder) <= LIMIT + SLACK
    assert all(len(message) <= LIMIT for message in whole)


@every_framing
@settings(max_examples=40)
@given(data=st.data())
def test_messages_before_a_fault_are_given(framing: Framing, data: st.DataObject) -> None:
    """What was whole before the fault is still to be answered, however the bytes came."""
    if isinstance(framing, Fixed):
        return  # any bytes are messages of a fixed length
    messages = data.draw(messages_of(framing))
    raw = b"".join([framing.encode(message) for message in messages])
    fault = {
        Prefixed(1): b"\xff",
        Prefixed(2): b"\xff\xff",
        Prefixed(4): b"\xff\xff\xff\xff",
        Netstring(): b"x",
    }.get(framing, b"x" * (LIMIT + SLACK))

    for pieces in ([raw + fault], cut(data, raw + fault)):
        found, raised = fed(framing.decoder(LIMIT), pieces)
        assert found == messages
        assert raised is not None


@pytest.mark.parametrize(
    ("framing", "longest", "over"),
    [
        (Delimited(), b"x" * LIMIT + b"\r\n", b"x" * (LIMIT + 1) + b"\r\n"),
        (Delimited(b"\n"), b"x" * LIMIT + b"\n", b"x" * (LIMIT + 1) + b"\n"),
        (Prefixed(1), b"\x14" + b"x" * LIMIT, b"\x15"),
        (Prefixed(2), b"\0\x14" + b"x" * LIMIT, b"\0\x15"),
        (Prefixed(4), b"\0\0\0\x14" + b"x" * LIMIT, b"\0\0\0\x15"),
        (Netstring(), b"20:" + b"x" * LIMIT + b",", b"21:"),
        (Netstring(), b"20:" + b"x" * LIMIT + b",", b"100"),
    ],
)
def test_the_limit_is_exact_and_holds_before_buffering(framing: Framing, longest: bytes, over: bytes) -> None:
    """A message of the limit passes; one byte more is refused as soon as it is announced, or would be kept."""
    for pieces in ([longest], [longest[at : at + 1] for at in range(len(longest))]):
        assert fed(framing.decoder(LIMIT), pieces) == ([b"x" * LIMIT], None)
    for pieces in ([over], [over[at : at + 1] for at in range(len(over))]):
        found, fault = fed(framing.decoder(LIMIT), pieces)
        assert found == []
        assert isinstance(fault, FrameTooLongError)
        assert str(LIMIT) in str(fault)


@pytest.mark.parametrize("framing", [Delimited(), Delimited(b"end")])
def test_an_endless_line_is_never_kept(framing: Framing) -> None:
    """Without a delimiter in sight, the fault comes as soon as no delimiter could make it right."""
    decoder = framing.decoder(LIMIT)
    found, fault = fed(decoder, [b"x"] * (LIMIT + SLACK))
    assert found == []
    assert isinstance(fault, FrameTooLongError)
    assert kept(decoder) == 0


@pytest.mark.parametrize(
    "raw", [b"x", b":", b"01:a,", b"00:,", b"-1:", b" 1:a,", b"1:ab", b"1 :", b"+1:a,", b"\xb2:aa,"]
)
def test_what_is_no_netstring(raw: bytes) -> None:
    """The grammar's corners: no sign, no space, no leading zero, no other digits, and the comma in its place."""
    assert fed(Netstring().decoder(LIMIT), [raw])[1] is not None
    assert fed(Netstring().decoder(LIMIT), [b"0:,0:,"]) == ([b"", b""], None)


@pytest.mark.parametrize(
    ("framing", "message"),
    [
        (Delimited(), b"a\r\nb"),
        (Delimited(b"\n"), b"\n"),
        (Delimited(b"aa"), b"a"),
        (Fixed(4), b"abc"),
        (Fixed(4), b"abcde"),
        (Fixed(4), b""),
        (Prefixed(1), b"x" * 256),
        (Prefixed(2), b"x" * 65_536),
    ],
)
def test_what_cannot_be_written_is_refused(framing: Framing, message: bytes) -> None:
    """Rather than sent so that the reader would cut it elsewhere."""
    with pytest.raises(FrameError):
        framing.encode(message)


def test_the_longest_that_a_prefix_can_write() -> None:
    """One byte short of overflow."""
    assert Prefixed(1).encode(b"x" * 255)[:1] == b"\xff"
    assert Prefixed(2).encode(b"x" * 65_535)[:2] == b"\xff\xff"


def test_a_fixed_length_over_the_limit_is_refused_at_once() -> None:
    """It could never be received."""
    Fixed(LIMIT).decoder(LIMIT)
    with pytest.raises(FrameTooLongError):
        Fixed(LIMIT + 1).decoder(LIMIT)


@given(st.binary(max_size=100))
def test_stream_gives_what_came(raw: bytes) -> None:
    """Nothing is kept, nothing is lost, and no message is over the limit."""
    found = Stream().decoder(LIMIT).feed(raw)
    assert b"".join(found) == raw
    assert all(0 < len(message) <= LIMIT for message in found)
    assert Stream().encode(raw) == raw


def test_a_fault_leaves_the_next_without_messages() -> None:
    """The list of whole messages belongs to one fault, not to the class."""
    fed(Delimited().decoder(LIMIT), [b"a\r\n" + b"x" * 50])
    assert FrameError("x").whole == []
