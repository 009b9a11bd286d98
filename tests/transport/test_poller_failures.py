"""The poller when protocols raise: one connection ends, and nothing else does."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
import pytest_twisted
from twisted.internet.error import ConnectionDone
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import deferLater

from echod.transport.poller import Poller
from echod.transport.stream import UnixConnection
from tests.transport.ends import End, Pair
from tests.transport.wires import Host

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from twisted.python.failure import Failure

in_reactor: Callable[[Callable[..., Coroutine[Any, Any, None]]], Callable[..., Any]] = pytest_twisted.ensureDeferred


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


@pytest.mark.parametrize("where", ["read", "write", "lost", "read lost"])
def test_an_exception_costs_one_connection(pair: Pair, where: str, logged_failures: list[Failure]) -> None:
    """Whatever a protocol raises, wherever: it is logged once, its connection ends, and the batch goes on."""
    host = Host()
    poller = Poller(host)
    pairs = [pair() for _ in range(5)]
    ends = [End(poller, ours) for ours, _ in pairs]
    bad = ends[2]

    def fail(*_: object) -> None:
        raise ZeroDivisionError(where)

    for end, (_, peer) in zip(ends, pairs, strict=True):
        end.startReading()
        peer.send(b"x")
    if where == "read":
        bad.on_read = fail
    elif where == "write":
        bad.startWriting()
        bad.on_write = fail
    else:
        bad.on_read = lambda: CONNECTION_DONE
        setattr(bad, "connectionLost" if where == "lost" else "readConnectionLost", fail)
    poller.doRead()

    assert [end.events for end in ends if end is not bad] == [["read"]] * 4
    assert [failure.type for failure in logged_failures] == [ZeroDivisionError]
    logged_failures.clear()
    assert bad not in poller.getReaders()
    assert host.readers == {poller}
    for end, (_, peer) in zip(ends, pairs, strict=True):
        if end is not bad:
            peer.send(b"y")
    poller.doRead()
    assert [end.events for end in ends if end is not bad] == [["read", "read"]] * 4
    poller.removeAll()


class Echo(Protocol):
    """Echoes; fails at what it is told to fail at."""

    lost = False

    def dataReceived(self, data: bytes) -> None:
        """Echo, or fail."""
        if data == b"fail":
            raise ZeroDivisionError
        assert self.transport is not None
        self.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note it, and fail."""
        self.lost = True
        if not reason.check(ConnectionDone):
            raise ZeroDivisionError


@in_reactor
async def test_hosted_in_the_reactor(pair: Pair, logged_failures: list[Failure]) -> None:
    """In the real reactor too, one connection that fails in two ways leaves the others echoing."""
    from twisted.internet import reactor

    poller = Poller(reactor)
    assert poller.seconds() == pytest.approx(reactor.seconds(), abs=0.5)
    pairs = [pair() for _ in range(3)]
    protocols = []
    for ours, _ in pairs:
        protocol = Echo()
        server: Any = None
        protocol.makeConnection(UnixConnection(ours, protocol, "", server, 0, poller))
        protocols.append(protocol)
    for _, peer in pairs[:2]:
        peer.send(b"hello")
    pairs[2][1].send(b"fail")
    await deferLater(reactor, 0.05)

    assert [peer.recv(99) for _, peer in pairs] == [b"hello", b"hello", b""]
    assert [protocol.lost for protocol in protocols] == [False, False, True]
    assert [failure.type for failure in logged_failures] == [ZeroDivisionError, ZeroDivisionError]
    logged_failures.clear()
    for _, peer in pairs[:2]:
        peer.send(b"again")
    await deferLater(reactor, 0.05)
    assert [peer.recv(99) for _, peer in pairs[:2]] == [b"again", b"again"]
    for _, peer in pairs:
        peer.close()
    await deferLater(reactor, 0.05)
    assert all(protocol.lost for protocol in protocols)
    assert poller.fileno() == -1
