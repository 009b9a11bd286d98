"""One exam over one client: what is sent when, how long is waited, and that the client is closed at every end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from twisted.internet.task import Clock

from echod.answers.exam import LINGER, RIGHT, SILENCE_PROOF, Ending, Exactly, Exam, Then, Verdict
from echod.examine import Examination
from echod.framing import FrameError

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.defer import Deferred

    from echod.listener import Listener

TIMEOUT = 5.0


class Fake:
    """A client without a transport: it writes down what it is told, and tells what the test says."""

    whole = False

    def __init__(self) -> None:
        self.told: list[bytes | str] = []
        self.listener: Listener | None = None
        self.early: list[Callable[[Listener], object]] = []
        self.on_send: Callable[[], object] = lambda: None

    def listen(self, listener: Listener) -> None:
        """Keep it, and tell it what came before."""
        self.listener = listener
        for tell in self.early:
            tell(listener)

    def send(self, message: bytes) -> None:
        """Note it."""
        self.told.append(message)
        self.on_send()

    def end(self) -> None:
        """Note it."""
        self.told.append("end")

    def close(self) -> None:
        """Note it."""
        self.told.append("close")

    def say(self, data: bytes) -> None:
        """Let the server say something."""
        assert self.listener is not None
        self.listener.received(data)

    def finish(self, ending: Ending) -> None:
        """Let the server end the talk."""
        assert self.listener is not None
        self.listener.ended(ending)


class Room:
    """An examination with its client and clock; `verdict` when there is one."""

    def __init__(self, exam: Exam, client: Fake | None = None) -> None:
        self.clock = Clock()
        self.client = Fake() if client is None else client
        self.verdicts: list[Verdict] = []
        self.done: Deferred[Verdict] = Examination(self.client, exam, self.clock, TIMEOUT).start()
        self.done.addCallback(self.verdicts.append)

    def over(self) -> Verdict:
        """Return the verdict, after which nothing may be left."""
        (verdict,) = self.verdicts
        assert self.client.told[-1] == "close"
        assert self.client.told.count("close") == 1
        assert not self.clock.getDelayedCalls()
        return verdict


def test_a_right_answer() -> None:
    """The request at once, the reply in pieces, a moment for what nobody asked for, and the client is closed."""
    room = Room(Exam("x", b"hello", Exactly(b"hi")))
    assert room.client.told == [b"hello"]
    room.clock.advance(TIMEOUT - 0.1)
    room.client.say(b"h")
    room.clock.advance(TIMEOUT - 0.1)
    room.client.say(b"i")
    room.clock.advance(LINGER - 0.01)
    assert not room.verdicts
    room.clock.advance(0.02)
    assert room.over() == RIGHT


def test_a_wrong_answer_is_not_waited_for() -> None:
    """The first wrong byte ends the exam."""
    room = Room(Exam("x", b"hello", Exactly(b"hi")))
    room.client.say(b"no")
    assert room.over().word == "mismatch"
    room.client.say(b"more")
    room.client.finish(Ending.RESET)
    assert len(room.verdicts) == 1


def test_no_answer_is_a_timeout() -> None:
    """Counted anew with each piece."""
    room = Room(Exam("x", b"hello", Exactly(b"hi")))
    room.clock.advance(TIMEOUT - 0.01)
    assert not room.verdicts
    room.clock.advance(0.02)
    assert room.over().word == "timeout"


def test_silence_is_proven_quickly() -> None:
    """Where silence is right, nobody waits for the whole timeout."""
    room = Room(Exam("x", b"hello", None))
    room.clock.advance(SILENCE_PROOF + 0.01)
    assert room.over() == RIGHT


def test_the_request_waits_for_the_greeting() -> None:
    """And the end of the client's direction for the request."""
    room = Room(Exam("x", b"hello", Exactly(b"hi"), greeting=Exactly(b"220"), half_close=True, then=Then.CLOSE))
    assert room.client.told == []
    room.client.say(b"2")
    assert room.client.told == []
    room.client.say(b"20")
    assert room.client.told == [b"hello", "end"]
    room.client.say(b"hi")
    room.client.finish(Ending.CLEAN)
    assert room.over() == RIGHT


def test_what_came_before_the_start_counts() -> None:
    """A greeting may be there before the exam listens; so may the end."""
    client = Fake()
    client.early = [lambda listener: listener.received(b"220")]
    room = Room(Exam("x", b"hello", Exactly(b"hi"), greeting=Exactly(b"220")), client)
    assert client.told == [b"hello"]
    assert len(room.clock.getDelayedCalls()) == 1
    room.client.say(b"hi")
    room.clock.advance(LINGER)
    assert room.over() == RIGHT

    client = Fake()
    client.early = [lambda listener: listener.ended(Ending.RESET)] * 2
    assert Room(Exam("x", b"hello", Exactly(b"hi")), client).over().word == "reset"


@pytest.mark.parametrize("ending", list(Ending))
def test_endings(ending: Ending) -> None:
    """Each has its word, a refusal before all else."""
    room = Room(Exam("x", b"hello", Exactly(b"hi")))
    room.client.finish(ending)
    assert room.over().word == ending.value


@pytest.mark.parametrize("half_close", [False, True])
def test_a_refusal_while_sending(half_close: bool) -> None:
    """A Unix datagram socket tells at once that nobody is there: one verdict, and no timer is left for another."""
    client = Fake()
    client.on_send = lambda: client.finish(Ending.REFUSED)
    room = Room(Exam("x", b"hello", Exactly(b"hi"), half_close=half_close), client)
    assert room.over().word == "refused"
    assert client.told == [b"hello", "close"]
    room.clock.advance(2 * TIMEOUT)
    assert len(room.verdicts) == 1


def test_a_request_that_cannot_be_framed() -> None:
    """A rule may ask for what its framing cannot carry: a verdict, no exception and no open client."""
    client = Fake()

    def fail() -> None:
        raise FrameError("the message holds the delimiter")

    client.on_send = fail
    verdict = Room(Exam("x", b"a\r\nb", Exactly(b"hi")), client).over()
    assert (verdict.word, verdict.why) == ("mismatch", "the request cannot be sent: the message holds the delimiter")


@pytest.mark.parametrize("whole", [False, True])
def test_an_empty_reply(whole: bool) -> None:
    """As a frame or datagram it must come; in a plain stream it cannot be seen, and silence is right."""
    client = Fake()
    client.whole = whole
    room = Room(Exam("x", b"hello", Exactly(b"")), client)
    if whole:
        room.clock.advance(1)
        assert not room.verdicts
        room.client.say(b"")
    room.clock.advance(SILENCE_PROOF)
    assert room.over() == RIGHT


def test_cancelling_closes_the_client(logged_failures: list[object]) -> None:
    """Whoever loses interest leaves nothing behind."""
    room = Room(Exam("x", b"hello", Exactly(b"hi")))
    room.done.addErrback(lambda _: None)
    room.done.cancel()
    assert room.client.told == [b"hello", "close"]
    assert not room.clock.getDelayedCalls()
    assert not logged_failures
