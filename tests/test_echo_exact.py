"""Echo equals input over real sockets: through the daemon's own factory, poller and port, and with bounded memory."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import pytest_twisted
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.task import deferLater

from echod.answers.echo import Echo
from echod.connection import StreamLimits
from echod.guard.patience import Patience
from echod.tally import Tally
from echod.tcp import StreamServerFactory
from echod.transport.accept import StreamPort
from echod.transport.poller import Poller
from echod.transport.stream import READ_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

in_reactor: Callable[[Callable[..., Coroutine[Any, Any, None]]], Callable[..., Any]] = pytest_twisted.ensureDeferred

BUFFER = 16_384
"""What may wait for a peer before no more is read from it."""


class Running:
    """An echo service on loopback, in the real reactor."""

    def __init__(self) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.tally = Tally()
        self.factory = StreamServerFactory(
            Echo(), Patience(self.reactor), self.reactor, self.tally, None, StreamLimits(buffer=BUFFER)
        )
        listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        # Connections inherit it: the kernel must not take everything, or nothing would ever wait in the daemon.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.port = StreamPort(listener, self.factory, self.reactor, Poller(self.reactor))
        self.port.startListening()

    def connect(self) -> socket.socket:
        """Make a client's socket with small buffers, so that back-pressure comes soon."""
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        client.connect(self.port.socket.getsockname())
        client.setblocking(False)
        return client

    @property
    def one(self) -> Any:
        """The only connection."""
        (server,) = self.factory.open
        return server

    @property
    def waiting(self) -> int:
        """How many bytes wait in the daemon for that connection's peer."""
        transport = self.one.transport
        return int(len(transport.dataBuffer) - transport.offset + transport._tempDataLen)

    async def wait(self, seconds: float = 0.0) -> None:
        """Let the reactor turn."""
        await deferLater(self.reactor, seconds)

    async def stop(self) -> None:
        """Leave nothing."""
        self.port.stopListening()
        self.factory.abort()
        while self.factory.open:
            await self.wait()


def numbered(size: int) -> bytes:
    """Make bytes in which each place can be told from its neighbours."""
    return b"".join([b"%07d" % at for at in range(size // 7 + 1)])[:size]


async def talk(running: Running, size: int, steps: list[tuple[str, int]]) -> bytes:
    """Send numbered bytes by the steps of a plan, then all the rest, and half-close; return what comes back."""
    client = running.connect()
    said, heard = numbered(size), bytearray()
    at, ended, over = 0, False, False
    plan = iter(steps)
    while not over:
        what, count = next(plan, ("all", 65_536))
        if what in ("send", "all") and at < size:
            with suppress(BlockingIOError):
                at += client.send(said[at : at + count])
        if at == size and not ended:
            client.shutdown(socket.SHUT_WR)
            ended = True
        if what in ("read", "all"):
            with suppress(BlockingIOError):
                piece = client.recv(count)
                heard += piece
                over = not piece
        # A pause lets everything between the two fill up.
        await running.wait(0.001 if what == "pause" else 0)
    client.close()
    return bytes(heard)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    size=st.one_of(st.integers(0, 200), st.integers(0, 400_000)),
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("send"), st.integers(1, 70_000)),
            st.tuples(st.just("read"), st.integers(1, 20_000)),
            st.tuples(st.just("pause"), st.just(0)),
        ),
        max_size=30,
    ),
)
@in_reactor
async def test_echo_is_its_input(size: int, steps: list[tuple[str, int]]) -> None:
    """Any chunking, any pauses in reading, a half-close at the end: the same bytes come back, and then the end."""
    running = Running()
    try:
        assert await talk(running, size, steps) == numbered(size)
        tally = running.tally
        assert tally.received_bytes == tally.sent_bytes == size
        assert tally.messages_received == tally.messages_sent
        assert not running.tally.dropped
    finally:
        await running.stop()


@in_reactor
async def test_a_never_reader_costs_bounded_memory() -> None:
    """What waits for a peer that does not read stays below the limit and one read, however much it would send."""
    running = Running()
    client = running.connect()
    try:
        said = numbered(2_000_000)
        sent, quiet, peak = 0, 0, 0
        await running.wait(0.01)
        while quiet < 50:
            # Until the server has stopped reading, and the kernel between the two is full.
            quiet += running.one.blocked
            with suppress(BlockingIOError):
                sent += client.send(said[sent : sent + 65_536])
                quiet = 0
            peak = max(peak, running.waiting)
            await running.wait(0.001)
        assert BUFFER < peak <= BUFFER + READ_SIZE

        heard = bytearray()
        client.shutdown(socket.SHUT_WR)
        while len(heard) < sent < len(said):
            with suppress(BlockingIOError):
                heard += client.recv(65_536)
            await running.wait()
        assert bytes(heard) == said[:sent]
    finally:
        client.close()
        await running.stop()


@pytest.mark.parametrize("count", [50])
@in_reactor
async def test_many_at_once(count: int) -> None:
    """Talks do not mix: each client hears its own bytes, whoever else is served in the same batch."""
    running = Running()
    clients = [running.connect() for _ in range(count)]
    try:
        for number, client in enumerate(clients):
            client.send(b"%d " % number * 100)
            client.shutdown(socket.SHUT_WR)
        await running.wait(0.1)
        for number, client in enumerate(clients):
            assert client.recv(9999) == b"%d " % number * 100
            assert client.recv(9999) == b""
        assert running.tally.connections == count
    finally:
        for client in clients:
            client.close()
        await running.stop()
