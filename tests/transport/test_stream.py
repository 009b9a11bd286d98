"""Write-through streams: bytes keep their order whatever the kernel takes, and reads are bounded."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echod.transport.stream import READ_SIZE, unacknowledged
from tests.transport.wires import BIG, Notes, Wire, numbered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(name="wire", params=["unix", "tcp"])
def make_wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    """Make a connection over each kind of socket."""
    wire = Wire(request.param, Notes())
    yield wire
    wire.close()


def test_a_message_leaves_at_once(wire: Wire) -> None:
    """What the kernel takes needs no turn of any reactor, and nothing is watched for writing."""
    wire.ours.write(b"hello ")
    wire.ours.writeSequence([b"wor", b"ld"])
    assert wire.peer.recv(99) == b"hello world"
    assert not wire.ours.waiting
    assert wire.poller.getWriters() == []


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["unix", "tcp"]),
    st.lists(
        st.one_of(
            st.integers(0, 20_000),
            st.lists(st.integers(0, 3_000), max_size=3),
            st.tuples(st.just("read"), st.integers(1, 20_000)),
            st.just("turn"),
        ),
        max_size=25,
    ),
)
def test_order_whatever_the_kernel_takes(kind: str, steps: list[Any]) -> None:
    """Direct and buffered writes in any mixture, a peer that reads now and then: every byte, in order, once."""
    wire = Wire(kind, Notes())
    said = numbered(500_000)
    at = 0
    heard = b""
    try:
        for step in steps:
            if isinstance(step, int):
                wire.ours.write(said[at : at + step])
                at += step
            elif isinstance(step, list):
                ends = [at]
                for size in step:
                    ends.append(ends[-1] + size)
                wire.ours.writeSequence([said[a:b] for a, b in itertools.pairwise(ends)])
                at = ends[-1]
            elif step == "turn":
                wire.turn()
            elif at > len(heard):
                heard += wire.read(min(step[1], at - len(heard)))
        heard += wire.read(at - len(heard))
        wire.turn()
        assert heard == said[:at]
        assert not wire.ours.waiting
        assert wire.poller.getWriters() == []
    finally:
        wire.close()


def test_waiting_is_told_each_time_it_begins(wire: Wire) -> None:
    """The limits hear when bytes begin to wait, and when the kernel last took some of them."""
    times: list[float] = []
    wire.ours.on_wait = lambda: times.append(wire.host.seconds())
    for began in ([1.0], [1.0, 2.5]):
        wire.host.advance(1)
        wire.ours.write(numbered(BIG))
        wire.ours.write(b"more")
        assert wire.ours.waiting
        wire.host.advance(0.5)
        assert wire.read(BIG + 4) == numbered(BIG) + b"more"
        wire.turn()
        assert not wire.ours.waiting
        assert times == began
        assert wire.ours.moved_at == wire.host.seconds()


class Pulled:
    """Says numbered pieces, each time it is asked."""

    def __init__(self, wire: Wire, size: int) -> None:
        self._wire = wire
        self._size = size
        self.asked = 0
        self.stopped = 0

    def resumeProducing(self) -> None:
        """Say one."""
        self.asked += 1
        self._wire.ours.write(b"%0*d" % (self._size, self.asked))

    def stopProducing(self) -> None:
        """Note it."""
        self.stopped += 1


def test_a_pulled_producer_is_paced_by_the_peer(wire: Wire) -> None:
    """It is asked only when all before has left: without a reader it stops, with one it goes on, in order."""
    talk = Pulled(wire, 1_000)
    wire.ours.registerProducer(talk, False)
    for _ in range(1_000):
        wire.turn()
    stuck = talk.asked
    assert 1 < stuck < 900
    for _ in range(5):
        wire.turn()
    assert talk.asked == stuck

    heard = wire.read(950_000)
    assert heard == b"".join([b"%01000d" % number for number in range(1, 951)])
    assert talk.asked > stuck
    wire.ours.unregisterProducer()
    rest = talk.asked * 1_000 - 950_000
    assert len(wire.read(rest)) == rest
    for _ in range(3):
        wire.turn()
    wire.ours.write(b"after")
    assert wire.read(5) == b"after"
    assert wire.poller.getWriters() == []
    assert not wire.ours.waiting


def test_a_pushed_producer_is_held_back_and_let_go() -> None:
    """Over the buffer's size the producer pauses, and it resumes when all has left."""
    wire = Wire("unix", Notes())
    calls: Counter[str] = Counter()

    class Pushed:
        """Counts."""

        def __getattr__(self, name: str) -> Callable[[], object]:
            return lambda: calls.update([name])

    wire.ours.bufferSize = 10_000
    wire.ours.registerProducer(Pushed(), True)
    wire.ours.write(numbered(5_000))
    assert not calls
    wire.ours.write(numbered(50_000))
    wire.ours.write(numbered(50_000))
    assert calls["pauseProducing"] >= 1
    assert calls["resumeProducing"] == 0
    assert len(wire.read(105_000)) == 105_000
    wire.turn()
    assert calls["resumeProducing"] == 1
    wire.close()


def test_a_read_is_bounded(wire: Wire) -> None:
    """One read brings at most `READ_SIZE` bytes: what a message can be at most where a stream has no framing."""
    sizes: list[int] = []
    wire.protocol.dataReceived = lambda data: sizes.append(len(data))
    wire.peer.setblocking(False)
    sent = 0
    while sent < 4 * READ_SIZE:
        try:
            sent += wire.peer.send(bytes(4 * READ_SIZE - sent))
        except BlockingIOError:  # noqa: PERF203 - a full socket is no exception here
            wire.turn()
    while sum(sizes) < sent:
        wire.turn()
    assert max(sizes) <= READ_SIZE


def test_what_the_kernel_holds(wire: Wire) -> None:
    """Both directions can be asked for, and a lost connection holds nothing."""
    wire.peer.sendall(b"12345")
    assert wire.ours.unread() == 5
    wire.turn()
    assert wire.ours.unread() == 0
    wire.ours.write(numbered(BIG))
    assert unacknowledged(wire.ours.fileno()) > 0
    wire.ours.abortConnection()
    wire.turn()
    assert wire.ours.unread() == 0
    wire.ours.write(b"x")
