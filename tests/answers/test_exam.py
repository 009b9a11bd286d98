"""The client's judge: it must call wrong what is wrong, name it by the right word, and wait no longer than it must."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echod.answers.exam import (
    LINGER,
    RIGHT,
    SILENCE_PROOF,
    Checked,
    Ending,
    Exactly,
    Exam,
    Match,
    OneOf,
    Then,
    Verdict,
    preview,
)


def exam(
    expected: bytes | None,
    then: Then = Then.KEEP,
    *,
    greeting: bytes | None = None,
) -> Exam:
    """Make an exam with plain bytes for its reply and greeting."""
    return Exam(
        "x",
        b"?",
        None if expected is None else Exactly(expected),
        greeting=None if greeting is None else Exactly(greeting),
        then=then,
    )


def word(verdict: Verdict | None) -> str:
    """Return the word of a verdict which must be there, and must be wrong."""
    assert verdict is not None
    assert not verdict.right
    assert verdict.why
    return verdict.word


@given(st.binary(min_size=1, max_size=200), st.data())
def test_right_reply_in_any_pieces(reply: bytes, data: st.DataObject) -> None:
    """However the stream was cut, the right reply is right, and only after it the client waits no longer."""
    judge = exam(reply)
    at = 0
    while at < len(reply):
        assert judge.patience is None
        size = data.draw(st.integers(1, len(reply) - at))
        assert judge.received(reply[at : at + size]) is None
        at += size

    assert judge.patience == LINGER
    assert judge.silent() == RIGHT


@given(st.binary(min_size=1, max_size=50), st.data())
def test_a_wrong_byte_is_told_at_once(reply: bytes, data: st.DataObject) -> None:
    """The first byte that differs decides: nobody waits for a timeout to hear of a mismatch."""
    at = data.draw(st.integers(0, len(reply) - 1))
    wrong = reply[:at] + bytes([reply[at] ^ 1])
    judge = exam(reply)

    assert judge.received(wrong[:-1]) is None
    assert word(judge.received(wrong[-1:])) == "mismatch"


def test_bytes_after_a_right_reply_are_wrong() -> None:
    """What nobody asked for makes a right reply wrong, which is why the client lingers."""
    judge = exam(b"hi")
    assert judge.received(b"hi") is None
    assert word(judge.received(b"!")) == "mismatch"


def test_whole_message_must_be_the_whole_reply() -> None:
    """A datagram or frame that is only the beginning of the right one is wrong; of a stream, more may come."""
    assert word(exam(b"hello").received(b"hel", whole=True)) == "mismatch"
    assert exam(b"hello").received(b"hel") is None
    assert exam(b"hello").received(b"hello", whole=True) is None


def test_empty_datagram_is_a_reply() -> None:
    """An empty message answers; nothing at all does not."""
    judge = exam(b"")
    assert judge.received(b"", whole=True) is None
    assert judge.silent() == RIGHT
    assert word(exam(b"").silent()) == "timeout"


def test_silence() -> None:
    """Where silence is right, any byte is wrong and a third of a second without one is proof."""
    judge = exam(None)
    assert judge.patience == SILENCE_PROOF
    assert judge.silent() == RIGHT
    assert word(exam(None).received(b"x")) == "mismatch"
    assert word(exam(None).ended(Ending.CLEAN)) == "closed"


def test_silence_and_then_an_end_has_no_short_patience() -> None:
    """Without a reply to wait for, a promised close still gets the client's whole timeout."""
    judge = exam(None, Then.CLOSE)
    assert judge.patience is None
    assert judge.ended(Ending.CLEAN) == RIGHT
    assert "did not end" in exam(None, Then.CLOSE).silent().why


@pytest.mark.parametrize(
    ("then", "ending", "right"),
    [
        (Then.KEEP, Ending.CLEAN, False),
        (Then.KEEP, Ending.RESET, False),
        (Then.CLOSE, Ending.CLEAN, True),
        (Then.CLOSE, Ending.RESET, False),
        (Then.HALF_CLOSE, Ending.CLEAN, True),
        (Then.HALF_CLOSE, Ending.RESET, False),
        (Then.RESET, Ending.CLEAN, False),
        (Then.RESET, Ending.RESET, True),
    ],
)
def test_endings_after_the_reply(then: Then, ending: Ending, right: bool) -> None:
    """The end must be the promised one; a wrong one is named by what happened."""
    judge = exam(b"hi", then)
    assert judge.received(b"hi") is None
    verdict = judge.ended(ending)
    assert verdict.right == right
    assert verdict.word == ("" if right else ending.value)


@pytest.mark.parametrize("then", list(Then))
@pytest.mark.parametrize("heard", [b"", b"h"])
def test_an_end_before_the_reply_is_wrong(then: Then, heard: bytes) -> None:
    """No promised end excuses a missing reply."""
    judge = exam(b"hi", then)
    if heard:
        assert judge.received(heard) is None
    assert word(judge.ended(Ending.CLEAN)) == "closed"


@pytest.mark.parametrize("then", [Then.CLOSE, Then.HALF_CLOSE, Then.RESET])
def test_a_promised_end_that_does_not_come_is_a_timeout(then: Then) -> None:
    """The reply alone is not enough where the file says that the connection ends."""
    judge = exam(b"hi", then)
    assert judge.received(b"hi") is None
    assert judge.patience is None
    assert word(judge.silent()) == "timeout"


def test_greeting_comes_before_the_request() -> None:
    """The client holds its request until the greeting is whole, and judges the reply without it."""
    judge = exam(b"hi", greeting=b"220 ready")
    assert not judge.ready
    assert judge.patience is None
    assert judge.received(b"220 re") is None
    assert not judge.ready
    assert judge.received(b"ady") is None
    assert judge.ready
    assert judge.received(b"hi") is None
    assert judge.silent() == RIGHT


def test_wrong_and_missing_greetings() -> None:
    """A greeting is judged like a reply, and its absence has a sentence of its own."""
    assert word(exam(b"hi", greeting=b"220").received(b"221")) == "mismatch"
    assert word(exam(b"hi", greeting=b"220").silent()) == "timeout"
    ended = exam(b"hi", greeting=b"220").ended(Ending.RESET)
    assert word(ended) == "reset"
    assert "before its greeting" in ended.why


def test_enough_of_an_endless_answer_is_right_at_once() -> None:
    """An answer without end must not be waited for."""

    class Begun:
        """Takes two bytes for enough."""

        def match(self, heard: bytes) -> Match:
            """Count."""
            return Match.ENOUGH if len(heard) >= 2 else Match.PARTIAL

        def describe(self) -> str:
            """Name it."""
            return "two bytes"

    judge = Exam("x", None, Begun())
    assert judge.received(b"1") is None
    assert judge.received(b"2") == RIGHT


def test_one_of_several() -> None:
    """Any choice is right, the beginning of any may become so, and the choices are asked anew each time."""
    choices = [b"one", b"other"]
    matcher = OneOf(lambda: choices, "either")
    assert [matcher.match(x) for x in (b"one", b"o", b"ot", b"", b"two", b"ones")] == [
        Match.YES,
        Match.PARTIAL,
        Match.PARTIAL,
        Match.PARTIAL,
        Match.NO,
        Match.NO,
    ]
    choices.append(b"two")
    assert matcher.match(b"two") is Match.YES
    assert matcher.describe() == "either"


def test_checked_by_length_and_meaning() -> None:
    """The meaning is asked only of the whole, and length alone does not make it right."""
    matcher = Checked(2, lambda heard: heard == b"ok", "ok")
    assert [matcher.match(x) for x in (b"", b"x", b"ok", b"no", b"ok!")] == [
        Match.PARTIAL,
        Match.PARTIAL,
        Match.YES,
        Match.NO,
        Match.NO,
    ]
    assert matcher.describe() == "ok"


def test_preview_escapes_and_bounds() -> None:
    """A report never shows raw control bytes, nor a whole megabyte."""
    assert preview(b"a\x1b\n") == r"'a\x1b\n'"
    assert preview(b"x" * 60) == "'" + "x" * 60 + "'"
    assert preview(b"x" * 61).endswith("' and 1 more bytes")
    assert len(preview(b"\0" * 1_000_000)) < 300


def test_what_is_not_of_the_framing_is_a_mismatch() -> None:
    """The client ended the talk, not the server: `reset` would lead astray."""
    verdict = Exam("x", b"q", Exactly(b"a")).ended(Ending.GARBLED)
    assert (verdict.right, verdict.word) == (False, "mismatch")
    assert "framing" in verdict.why
