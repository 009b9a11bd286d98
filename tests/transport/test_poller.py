"""The poller: hosted while something is watched, and right about many descriptors in one batch."""

from __future__ import annotations

import os
import select
import socket
import struct
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from twisted.internet.main import CONNECTION_DONE
from twisted.python.failure import Failure

from echod.transport import poller as poller_module
from echod.transport.poller import Poller
from tests.transport.ends import End, Pair
from tests.transport.wires import Host

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(name="pair")
def pair_maker() -> Iterator[Pair]:
    """Make socket pairs that do not block, and close them at the end."""
    made: list[socket.socket] = []

    def pair() -> tuple[socket.socket, socket.socket]:
        both = socket.socketpair()
        for each in both:
            each.setblocking(False)
        made.extend(both)
        return both

    yield pair
    for each in made:
        each.close()


def test_hosted_only_while_something_is_watched(pair: Pair) -> None:
    """The epoll exists, and the reactor knows it, from the first watched descriptor to the last."""
    host = Host()
    poller = Poller(host)
    assert poller.fileno() == -1
    ends = [End(poller, pair()[0]) for _ in range(2)]
    for end in ends:
        end.startReading()
        end.startReading()
    assert host.readers == {poller}
    descriptor = poller.fileno()
    os.fstat(descriptor)

    ends[0].startWriting()
    assert (poller.getReaders(), poller.getWriters()) == (ends, ends[:1])
    ends[0].stopReading()
    ends[1].stopReading()
    assert host.readers == {poller}
    ends[0].stopWriting()
    assert host.readers == set()
    assert poller.fileno() == -1
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)

    ends[0].startReading()
    assert host.readers == {poller}
    assert poller.removeAll() == [ends[0]]
    assert host.readers == set()


def test_reads_and_writes_are_told_once_each(pair: Pair) -> None:
    """Only what is ready is told, reading before writing, and only what it asked for."""
    poller = Poller(Host())
    (a, peer), (b, _), (c, other) = pair(), pair(), pair()
    reader, idle, both = End(poller, a), End(poller, b), End(poller, c)
    both.on_write = both.stopWriting
    for end in (reader, idle, both):
        end.startReading()
    both.startWriting()
    peer.send(b"x")
    other.send(b"x")
    poller.doRead()
    assert (reader.events, idle.events, both.events) == (["read"], [], ["read", "write"])

    both.stopReading()
    both.startWriting()
    other.send(b"x")
    poller.doRead()
    assert both.events == ["read", "write", "write"]
    poller.removeAll()


def test_a_reader_that_closes_is_not_told_to_write(pair: Pair) -> None:
    """What ended while it was read gets nothing more of the same event."""
    poller = Poller(Host())
    a, peer = pair()
    end = End(poller, a)
    end.startReading()
    end.startWriting()
    end.on_read = lambda: end.connectionLost(Failure(CONNECTION_DONE))
    peer.send(b"x")
    poller.doRead()
    assert end.events == ["read", "ConnectionDone"]


def test_peers_that_vanish_in_one_batch(pair: Pair) -> None:
    """Hundreds of ends in a moment: each is told exactly once, and nothing is left watched."""
    host = Host()
    poller = Poller(host)
    ends = []
    for _ in range(300):
        ours, theirs = pair()
        ends.append(End(poller, ours))
        ends[-1].startReading()
        theirs.close()
    for _ in range(100):
        # One turn may be over before all are served.
        poller.doRead()
    assert all(end.events == ["read", "ConnectionDone"] for end in ends)
    assert host.readers == set()


def test_a_reset_is_told_to_who_does_not_read() -> None:
    """A peer that vanishes ends a connection also while its reading is paused, instead of waking us for ever."""
    host = Host()
    poller = Poller(host)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        end = End(poller, listener.accept()[0])
    end.startWriting()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    poller.doRead()
    assert end.events == ["ConnectionLost"]
    assert host.readers == set()


def test_one_of_a_batch_closes_another(pair: Pair) -> None:
    """What was closed by someone before it in the batch is not served any more."""
    poller = Poller(Host())
    pairs = [pair() for _ in range(2)]
    ends = [End(poller, ours) for ours, _ in pairs]
    for end, other in zip(ends, reversed(ends), strict=True):
        end.startReading()
        end.on_read = lambda other=other: other.connectionLost(Failure(CONNECTION_DONE))  # type: ignore[misc]
    for _, peer in pairs:
        peer.send(b"x")
    poller.doRead()
    assert sorted(end.events for end in ends) == [["ConnectionDone"], ["read"]]
    poller.removeAll()


@pytest.mark.parametrize("stale", ["readable", "hung up"])
def test_a_descriptor_that_is_used_again_in_one_batch(pair: Pair, stale: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event of a closed socket must not hurt the new one which got its number."""
    order: list[int] = []

    class FirstComes:
        """An epoll that puts one descriptor first in each batch."""

        def __init__(self) -> None:
            self._epoll = select.epoll()

        def poll(self, timeout: float, most: int) -> list[tuple[int, int]]:
            """Poll, and sort."""
            return sorted(self._epoll.poll(timeout, most), key=lambda event: event[0] not in order)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._epoll, name)

    monkeypatch.setattr(poller_module, "select", SimpleNamespace(epoll=FirstComes))
    poller = Poller(Host())
    (a, peer), (b, other) = pair(), pair()
    first, second = End(poller, a), End(poller, b)
    first.startReading()
    second.startReading()
    if stale == "hung up":
        second.startWriting()
        second.stopReading()
    newcomers: list[End] = []

    def replace() -> None:
        descriptor = second.fileno()
        second.connectionLost(Failure(CONNECTION_DONE))
        ours, theirs = pair()
        # Whatever number it got, let it have the one that was just closed.
        number = ours.detach()
        if number != descriptor:
            os.dup2(number, descriptor)
            os.close(number)
        newcomer = End(poller, socket.socket(fileno=descriptor))
        newcomer.startReading()
        newcomers.append(newcomer)
        kept.append(theirs)

    kept: list[socket.socket] = []
    first.on_read = replace
    peer.send(b"x")
    if stale == "hung up":
        other.close()
    else:
        other.send(b"x")
    order.append(a.fileno())
    poller.doRead()

    (newcomer,) = newcomers
    assert newcomer.events in ([], ["spurious"])
    kept[0].send(b"y")
    poller.doRead()
    assert newcomer.events[-1] == "read"
    poller.removeAll()
    newcomer.sock.close()


class Ticking:
    """A clock that goes on by a millisecond each time it is read."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        """Give the time in seconds."""
        self.now += 0.001
        return self.now


def test_one_turn_is_bounded(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Descriptors that are always ready cannot keep the reactor from its timers and signals."""
    monkeypatch.setattr(poller_module, "_BATCH", 4)
    monkeypatch.setattr(poller_module, "time", Ticking())
    poller = Poller(Host())
    ends = [End(poller, pair()[0]) for _ in range(6)]
    for end in ends:
        end.startWriting()
    poller.doRead()
    assert 4 <= sum(len(end.events) for end in ends) <= 5 * 4
    poller.doRead()
    assert all(end.events for end in ends)
    poller.removeAll()


def test_a_busy_poller_lingers(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits a moment for more where the last turn was just before, and never at first or after a pause."""
    clock = Ticking()
    monkeypatch.setattr(poller_module, "time", clock)
    poller = Poller(Host())
    End(poller, pair()[0]).startReading()
    waits: list[float] = []

    class Recorder:
        """Nothing is ever ready on the second look."""

        def poll(self, timeout: float, most: int) -> list[tuple[int, int]]:
            """Note how long we were to wait; the first look of a turn has an event of nobody's."""
            del most
            waits.append(timeout)
            return [] if len(waits) % 2 == 0 else [(-5, 1)]

    real, poller._epoll = poller._epoll, Recorder()  # type: ignore[assignment]
    poller.doRead()
    clock.now -= 0.0005
    poller.doRead()
    clock.now += 5
    poller.doRead()
    assert waits == [0, 0, 0, poller_module._LINGER, 0, 0]
    poller._epoll = real
    poller.removeAll()
