"""The small services of RFC 863 to 868, without a socket: what they say, and how their clients judge it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echod.answers.answer import Path, Peer, Said, World
from echod.answers.chargen import LINES, PATTERN, Chargen
from echod.answers.discard import Discard
from echod.answers.exam import RIGHT, Ending, Then
from echod.answers.once import daytime, daytime_line, qotd, time, time_bytes

PEER = Peer("192.0.2.1", 40_000)
STREAMS = (Path.STREAM, Path.TLS)


def world(now: float = 0.0, chance: float = 0.0) -> World:
    """Make a world with a clock that stands and a chance that is none."""
    return World(lambda: now, lambda: "", lambda: chance)


def test_discard_is_silent() -> None:
    """Whatever is said to it."""
    conversation = Discard().open(PEER)
    assert conversation.opened() == conversation.message(b"hello") == Said(None)


@pytest.mark.parametrize("path", Path)
def test_discard_is_proven_by_silence(path: Path) -> None:
    """A client believes it after a moment, and not if something comes."""
    (exam,) = Discard().exams(path)
    assert exam.patience
    assert exam.silent() == RIGHT
    (exam,) = Discard().exams(path)
    verdict = exam.received(b"x")
    assert verdict is not None
    assert verdict.word == "mismatch"


def test_chargen_lines() -> None:
    """72 of the 95 printing characters, each line begun one further, and the 96th line is the first again."""
    assert LINES[0] == bytes(range(32, 104)) + b"\r\n"
    assert LINES[1] == bytes(range(33, 105)) + b"\r\n"
    assert LINES[94][:2] == b"~ "
    assert len(LINES) == 95
    conversation = Chargen(world()).open(PEER)
    assert conversation.endless
    assert (conversation.more() + conversation.more()).startswith(PATTERN * 5)


@given(st.floats(0, 1, exclude_max=True))
def test_chargen_datagrams(chance: float) -> None:
    """0 to 512 characters, which a guard may cut (RFC 864)."""
    said = Chargen(world(chance=chance)).open(PEER).message(b"")
    assert said.data is not None
    assert len(said.data) <= 512
    assert said.may_be_cut
    (exam,) = Chargen(world()).exams(Path.DATAGRAM)
    assert exam.received(said.data, whole=True) is None
    assert exam.silent() == RIGHT


@given(st.integers(0, 94), st.integers(1, 100))
def test_chargen_is_proven_by_ten_lines(first: int, size: int) -> None:
    """A server may begin anywhere in the pattern, and cut it anywhere; one wrong character is seen."""
    stream = b"".join(LINES[first:] + LINES)
    for broken in (False, True):
        (exam,) = Chargen(world()).exams(Path.STREAM)
        heard = stream[:300] + b"\0" + stream[301:] if broken else stream
        verdict = None
        for at in range(0, 900, size):
            verdict = exam.received(heard[at : at + size])
            if verdict is not None:
                break
        assert verdict is not None
        assert verdict.right is not broken


def test_a_quote_is_one_of_the_list() -> None:
    """Chosen by chance, sent exactly as written, and then the stream ends."""
    quotes = (b"one", b"two\r\n", b"\xff")
    for chance, quote in zip((0.0, 0.5, 0.99), quotes, strict=True):
        conversation = qotd(quotes, world(chance=chance)).open(PEER)
        assert conversation.opened() == Said(quote, Then.CLOSE)
        assert conversation.message(b"?") == Said(quote)


@pytest.mark.parametrize(("heard", "word"), [(b"two", ""), (b"tw", "closed"), (b"three", "mismatch")])
def test_a_quote_is_proven_by_the_list(heard: bytes, word: str) -> None:
    """Any of them is right, nothing else is."""
    (exam,) = qotd((b"one", b"two"), world()).exams(Path.STREAM)
    verdict = exam.received(heard) or exam.ended(Ending.CLEAN)
    assert verdict.word == word


@pytest.mark.parametrize(
    ("seconds", "line"),
    [
        (0, b"Thursday, January 1, 1970 00:00:00-UTC\r\n"),
        (1_795_343_999.9, b"Sunday, November 22, 2026 10:39:59-UTC\r\n"),
        (4_102_444_800, b"Friday, January 1, 2100 00:00:00-UTC\r\n"),
    ],
)
def test_daytime(seconds: float, line: bytes) -> None:
    """The syntax that RFC 867 suggests, in English whatever the locale."""
    assert daytime_line(seconds) == line
    assert daytime(world(seconds)).open(PEER).opened() == Said(line, Then.CLOSE)


@pytest.mark.parametrize(
    ("seconds", "value"),
    [
        # RFC 868's own examples: 2,208,988,800 is 1 January 1970, 2,398,291,200 is 1 January 1976.
        (0, 2_208_988_800),
        (189_302_400, 2_398_291_200),
        # The last second before the count begins anew, on 7 February 2036, and the first after it.
        (2_085_978_495, 0xFFFFFFFF),
        (2_085_978_496, 0),
        (2_085_978_497.9, 1),
    ],
)
def test_time(seconds: float, value: int) -> None:
    """Seconds since 1900 in 32 bits, big-endian."""
    assert time_bytes(seconds) == value.to_bytes(4, "big")
    assert time(world(seconds)).open(PEER).message(b"").data == value.to_bytes(4, "big")


@pytest.mark.parametrize("seconds", [1_795_343_999.0, 2_085_978_496.0])
@pytest.mark.parametrize("off", range(-4, 5))
@pytest.mark.parametrize("answer", [daytime, time])
def test_clocks_may_differ_by_two_seconds(seconds: float, off: int, answer: object) -> None:
    """Also where the day changes, or the 32 bits begin anew."""
    make, say = (daytime, daytime_line) if answer is daytime else (time, time_bytes)
    for path in STREAMS:
        (exam,) = make(world(seconds)).exams(path)
        assert exam.request is None
        verdict = exam.received(say(seconds + off)) or exam.ended(Ending.CLEAN)
        assert verdict.right is (abs(off) <= 2)


def test_a_datagram_asks_with_nothing() -> None:
    """An empty datagram is the request (RFC 868)."""
    (exam,) = time(world()).exams(Path.DATAGRAM)
    assert exam.request == b""
    assert exam.received(time_bytes(0), whole=True) is None
    assert exam.silent() == RIGHT
