"""Echo: RFC 862 in bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echod.answers.answer import Path, Peer
from echod.answers.echo import Echo
from echod.answers.exam import RIGHT, Ending, Then

PEER = Peer("192.0.2.1", 4711)


@given(st.binary())
def test_a_message_is_its_own_answer(message: bytes) -> None:
    """Also the empty one, which is a datagram and no silence; and the stream stays open."""
    said = Echo().open(PEER).message(message)
    assert said.data == message
    assert said.then is Then.KEEP


def test_nothing_is_said_unasked() -> None:
    """Echo has no greeting and no talk of its own."""
    talk = Echo().open(PEER)
    assert talk.opened().data is None
    assert not talk.endless
    assert talk.more() == b""


def test_transports_may_take_the_fast_way() -> None:
    """Bytes may go back unseen, and no peer needs a memory."""
    assert Echo().reflects
    assert not Echo().remembers


@pytest.mark.parametrize("path", list(Path))
def test_exams_ask_every_byte_and_are_passed_by_the_answer_itself(path: Path) -> None:
    """What the answer says passes its own exams; half-close is asked for on plain streams only, since TLS has none."""
    exams = Echo().exams(path)
    assert {byte for exam in exams for byte in exam.request or b""} == set(range(256))
    for exam in exams:
        assert exam.half_close == (path is Path.STREAM)
        request = exam.request
        assert request is not None
        said = Echo().open(PEER).message(request)
        assert said.data is not None
        assert exam.received(said.data, whole=path is Path.DATAGRAM) is None
        assert (exam.ended(Ending.CLEAN) if exam.half_close else exam.silent()) == RIGHT


def test_datagrams_are_tried_empty_and_longer_than_a_frame() -> None:
    """The sizes at which other servers fail: nothing, and more than an Ethernet frame holds."""
    sizes = sorted(len(exam.request or b"") for exam in Echo().exams(Path.DATAGRAM))
    assert sizes[0] == 0
    assert sizes[-1] > 1500


@pytest.mark.parametrize("path", list(Path))
def test_a_wrong_echo_fails(path: Path) -> None:
    """An echo with one bit changed, or one byte lost, is no echo."""
    for flaw in (lambda data: data[:-1] + bytes([data[-1] ^ 1]), lambda data: data[:-1]):
        for exam in Echo().exams(path):
            if exam.request:
                verdict = exam.received(flaw(exam.request), whole=path is Path.DATAGRAM)
                assert not (exam.silent() if verdict is None else verdict).right
