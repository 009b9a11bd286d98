"""Answers of the user's own: found by their name, made once, and judged by their examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from echod.answers.answer import Path, Peer, Said
from echod.answers.exam import RIGHT, Exactly, Exam
from echod.answers.own import OwnAnswer, OwnAnswerError, own_answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path as File

PEER = Peer("192.0.2.1", 40_000)

MODULE = """
from echod.answers.own import OwnAnswer, Said

class Counter(OwnAnswer):
    count = 0
    def message(self, data):
        self.count += 1
        return Said(b"%d" % self.count)

def counter():
    return Counter.answer({b"x": b"1"})

def nothing():
    return 7

def broken():
    raise RuntimeError("no luck today")
"""


@pytest.fixture(autouse=True)
def _own_module(tmp_path: File, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let Python find a module of the user's, and forget it afterwards."""
    (tmp_path / "own_counter.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    monkeypatch.delitem(__import__("sys").modules, "own_counter", raising=False)


def test_each_peer_has_a_conversation() -> None:
    """What is remembered of one is not told to another."""
    answer = own_answer("python:own_counter:counter")
    assert answer.remembers
    assert not answer.reflects
    one, two = answer.open(PEER), answer.open(PEER)
    assert [one.message(b"a").data, one.message(b"b").data, two.message(b"c").data] == [b"1", b"2", b"1"]
    assert one.opened() == Said(None)


def test_the_examples_prove_it() -> None:
    """They are the first messages of new peers."""
    (exam,) = own_answer("python:own_counter:counter").exams(Path.STREAM)
    assert exam.request == b"x"
    assert exam.received(b"1") is None
    assert exam.silent() == RIGHT


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("python:own_counter:missing", "AttributeError"),
        ("python:no_such_module:x", "ModuleNotFoundError"),
        ("python:own_counter:broken", "RuntimeError: no luck today"),
        ("python:own_counter:nothing", "returned int, which is no answer: it has no reflects, remembers, open, exams"),
    ],
)
def test_what_cannot_be_used(name: str, sentence: str) -> None:
    """The sentence names the setting and the reason."""
    with pytest.raises(OwnAnswerError) as caught:
        own_answer(name)
    assert sentence in str(caught.value)
    assert name in str(caught.value)


def test_an_answer_without_examples_is_silent_and_unproven() -> None:
    """The class alone is a whole answer."""
    answer = OwnAnswer.answer()
    assert answer.open(PEER).message(b"x") == Said(None)
    assert list(answer.exams(Path.STREAM)) == []
    assert Exam("x", b"", Exactly(b"")).ready
