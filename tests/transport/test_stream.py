"""Write-through streams: bytes keep their order whatever the kernel takes, and each way to end does what it promises."""

from __future__ import annotations

import errno
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from echod.tally import Tally
from echod.transport.poller import Poller
from echod.transport.stream import READ_SIZE, TcpConnection, UnixConnection, unacknowledged

BIG = 300_000
"""Bytes that no socket of these tests takes at once."""


class Host(Clock):
    """A reactor in which only the poller lives."""

    def addReader(self, reader: Any) -> None:
        """Take the poller."""

    def removeReader(self, reader: Any) -> None:
        """Let it go."""


@implementer(IHalfCloseableProtocol)
class Notes(Protocol):
    """Writes down what happens."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.events: list[str] = []

    def dataReceived(self, data: bytes) -> None:
        """Note bytes."""
        self.heard += data

    def readConnectionLost(self) -> None:
        """Note the peer's end."""
        self.events.append("read lost")

    def writeConnectionLost(self) -> None:
        """Note ours."""
        self.events.append("write lost")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note the end."""
        self.events.append(type(reason.value).__name__)


class Wire:
    """A connection of ours in a poller, and the plain socket at its other end."""

    def __init__(self, kind: str) -> None:
        self.host = Host()
        self.step = 0.0
        self.poller = Poller(self.host)
        self.notes = Notes()
        if kind == "tcp":
            with socket.create_server(("127.0.0.1", 0)) as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
                self.peer = socket.socket()
                self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                self.peer.connect(listener.getsockname())
                ours, name = listener.accept()
        else:
            ours, self.peer = socket.socketpair()
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            name = ""
        ours.setblocking(False)
        self.peer.settimeout(2)
        make: Any = TcpConnection if kind == "tcp" else UnixConnection
        self.ours = make(ours, self.notes, name, None, 0, self.poller)
        self.notes.makeConnection(self.ours)

    def turn(self) -> None:
        """Let the poller serve, and timers ring."""
        self.poller.doRead()
        self.host.advance(self.step)

    def read(self, size: int) -> bytes:
        """Read up to so many bytes at the other end, while our end is served."""
        found = bytearray()
        while len(found) < size:
            self.turn()
            try:
                piece = self.peer.recv(min(size - len(found), 65_536))
            except ConnectionResetError:
                found += b"RESET"
                break
            if not piece:
                break
            found += piece
        return bytes(found)

    def fail(self, method: str, code: int) -> None:
        """Let a method of our socket fail, once."""
        self.ours.socket = _FailsOnce(self.ours.socket, method, code)

    def close(self) -> None:
        """Leave nothing open."""
        self.peer.close()
        if self.ours.connected:
            self.ours.abortConnection()
        for _ in range(3):
            self.turn()
        self.host.advance(10)


class _FailsOnce:
    def __init__(self, sock: Any, method: str, code: int) -> None:
        self._sock = sock
        self._method: str | None = method
        self._code = code

    def __getattr__(self, name: str) -> Any:
        if name == self._method:
            self._method = None

            def fail(*_: object) -> None:
                raise OSError(self._code, errno.errorcode[self._code])

            return fail
        return getattr(self._sock, name)


@pytest.fixture(name="wire", params=["unix", "tcp"])
def make_wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    """Make a connection over each kind of socket."""
    wire = Wire(request.param)
    yield wire
    wire.close()


def numbered(size: int) -> bytes:
    """Make bytes in which each place can be told from its neighbours."""
    return b"".join([b"%06d" % at for at in range(size // 6 + 1)])[:size]


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
    wire = Wire(kind)
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
                wire.ours.writeSequence([said[a:b] for a, b in zip(ends, ends[1:], strict=False)])
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


def test_half_close_after_all_that_waits(wire: Wire) -> None:
    """Ending our direction comes behind every byte, and leaves the other direction open."""
    wire.ours.write(numbered(BIG))
    wire.ours.loseWriteConnection()
    assert wire.read(BIG + 1) == numbered(BIG)
    assert wire.notes.events == ["write lost"]
    wire.peer.sendall(b"still")
    wire.turn()
    assert wire.notes.heard == b"still"
    wire.ours.write(b"too late")
    wire.turn()
    assert wire.peer.recv(9) == b""
    assert wire.notes.events == ["write lost"]


def test_half_close_by_the_peer(wire: Wire) -> None:
    """The peer's end is told once, without a busy loop, and what we say after it still arrives."""
    wire.peer.sendall(b"bye")
    wire.peer.shutdown(socket.SHUT_WR)
    for _ in range(3):
        wire.turn()
    assert wire.notes.heard == b"bye"
    assert wire.notes.events == ["read lost"]
    wire.ours.write(numbered(BIG))
    wire.ours.loseConnection()
    assert wire.read(BIG + 1) == numbered(BIG)
    assert wire.notes.events == ["read lost", "ConnectionDone"]


def test_close_loses_nothing(wire: Wire) -> None:
    """An ordinary close flushes first."""
    wire.ours.write(numbered(BIG))
    wire.ours.loseConnection()
    assert wire.read(BIG + 1) == numbered(BIG)
    assert wire.notes.events == ["ConnectionDone"]


def test_abort_throws_away_what_waits() -> None:
    """A cut connection is gone at once, with a reset, however much waits."""
    wire = Wire("tcp")
    wire.ours.write(numbered(BIG))
    wire.ours.abortConnection()
    wire.turn()
    assert wire.notes.events == ["ConnectionAborted"]
    heard = wire.read(BIG)
    assert heard.endswith(b"RESET")
    assert len(heard) < BIG
    wire.close()


def test_reset_when_sent_gives_every_byte_first() -> None:
    """A real RST, and nothing said before it is lost."""
    wire = Wire("tcp")
    wire.ours.write(numbered(BIG))
    wire.ours.reset_when_sent(5)
    wire.step = 0.002
    heard = wire.read(BIG)
    for _ in range(5):
        wire.turn()
    assert heard + wire.read(1) == numbered(BIG) + b"RESET"
    assert wire.notes.events == ["ConnectionAborted"]
    wire.close()


def test_reset_when_sent_needs_no_wait_when_all_is_sent() -> None:
    """With nothing on its way, the reset comes now, and leaves no timer."""
    wire = Wire("tcp")
    wire.ours.reset_when_sent(5)
    wire.turn()
    assert wire.notes.events == ["ConnectionAborted"]
    assert not wire.host.getDelayedCalls()
    with pytest.raises(ConnectionResetError):
        wire.peer.recv(1)
    wire.close()


def test_reset_when_sent_waits_no_longer_than_it_may() -> None:
    """A peer that reads nothing is reset at the deadline."""
    wire = Wire("tcp")
    wire.ours.write(numbered(BIG))
    wire.ours.reset_when_sent(1)
    for _ in range(499):
        wire.host.advance(0.002)
    assert wire.notes.events == []
    for _ in range(4):
        wire.host.advance(0.002)
    assert wire.notes.events == ["ConnectionAborted"]
    wire.close()


def test_reset_when_sent_ends_with_the_connection(wire: Wire) -> None:
    """Where the peer goes first, the waiting stops and nothing is raised."""
    wire.ours.write(numbered(BIG))
    wire.ours.reset_when_sent(60)
    wire.peer.close()
    for _ in range(5):
        wire.turn()
        wire.host.advance(0.002)
    assert len(wire.notes.events) >= 1
    assert not wire.host.getDelayedCalls()


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
    talk = Pulled(wire, 10_000)
    wire.ours.registerProducer(talk, False)
    for _ in range(200):
        wire.turn()
    stuck = talk.asked
    assert 0 < stuck < 100
    for _ in range(5):
        wire.turn()
    assert talk.asked == stuck

    heard = wire.read(500_000)
    assert heard == b"".join([b"%010000d" % number for number in range(1, 51)])
    assert talk.asked > stuck
    wire.ours.unregisterProducer()
    rest = talk.asked * 10_000 - 500_000
    assert len(wire.read(rest)) == rest
    for _ in range(3):
        wire.turn()
    wire.ours.write(b"after")
    assert wire.read(5) == b"after"
    assert wire.poller.getWriters() == []
    assert not wire.ours.waiting


def test_a_pushed_producer_is_held_back_and_let_go() -> None:
    """Over the buffer's size the producer pauses, and it resumes when all has left."""
    wire = Wire("unix")
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


CODES = [
    *(errno.EPERM, errno.ENETUNREACH, errno.EINVAL, errno.EACCES, errno.EAGAIN, errno.EMSGSIZE),
    *(errno.ENOBUFS, errno.ECONNRESET, errno.ECONNREFUSED, errno.ENOMEM, errno.EPIPE, errno.ETIMEDOUT),
]


@pytest.mark.parametrize("code", CODES, ids=errno.errorcode.get)
def test_a_send_that_fails_once(wire: Wire, code: int) -> None:
    """No traceback; the buffered path asks the kernel again, and the message still arrives."""
    wire.fail("send", code)
    wire.ours.write(b"first ")
    wire.ours.write(b"second")
    assert wire.read(12) == b"first second"
    assert wire.notes.events == []


@pytest.mark.parametrize("reflecting", [False, True])
@pytest.mark.parametrize("code", CODES, ids=errno.errorcode.get)
def test_a_read_that_fails(wire: Wire, code: int, reflecting: bool) -> None:
    """No traceback: nothing to read is not an error, and any other error ends this connection."""
    if reflecting:
        wire.ours.reflect(Reflected())
    wire.fail("recv_into" if reflecting else "recv", code)
    wire.peer.sendall(b"x")
    wire.turn()
    assert wire.notes.events == ([] if code == errno.EAGAIN else ["ConnectionLost"])


class Reflected:
    """What a transport keeps up to date."""

    def __init__(self) -> None:
        self.active = 0.0
        self.patience = self
        self.now = 7.0
        self.tally = Tally()


def test_reflecting(wire: Wire) -> None:
    """The transport sends back what comes, counts it, and stops when told."""
    reflected = Reflected()
    wire.ours.reflect(reflected)
    wire.fail("send", errno.EAGAIN)
    heard = b""
    for at in range(0, 90_000, 3_000):
        wire.peer.sendall(numbered(90_000)[at : at + 3_000])
        heard += wire.read(3_000)
    assert heard == numbered(90_000)
    assert reflected.active == 7.0
    assert reflected.tally.received_bytes == 90_000
    assert 0 < reflected.tally.messages_received <= 90_000
    wire.ours.reflect(None)
    wire.peer.sendall(b"x")
    wire.turn()
    assert wire.notes.heard == b"x"


def test_a_read_is_bounded(wire: Wire) -> None:
    """One read brings at most `READ_SIZE` bytes: what a message can be at most where a stream has no framing."""
    sizes: list[int] = []
    wire.notes.dataReceived = lambda data: sizes.append(len(data))  # type: ignore[method-assign]
    wire.peer.setblocking(False)
    sent = 0
    while sent < 4 * READ_SIZE:
        try:
            sent += wire.peer.send(bytes(4 * READ_SIZE - sent))
        except BlockingIOError:
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
