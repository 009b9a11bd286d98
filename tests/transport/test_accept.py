"""Accepting: what a factory may do, holding and releasing, and errors that must neither spin nor end the port."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from echod.transport.accept import ACCEPTS_PER_TURN, StreamPort, internet_address


class Host(Clock):
    """A reactor that serves only when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[Any] = set()
        self.writers: set[Any] = set()

    def addReader(self, reader: Any) -> None:
        """Note it."""
        self.readers.add(reader)

    def removeReader(self, reader: Any) -> None:
        """Forget it."""
        self.readers.discard(reader)

    def addWriter(self, writer: Any) -> None:
        """Note it."""
        self.writers.add(writer)

    def removeWriter(self, writer: Any) -> None:
        """Forget it."""
        self.writers.discard(writer)


class Maker(Factory):
    """Makes protocols and keeps them; or does what `instead` says."""

    noisy = False

    def __init__(self) -> None:
        self.made: list[Protocol] = []
        self.peers: list[IAddress] = []
        self.started = 0
        self.instead: Callable[[], Protocol | None] | None = None

    def startFactory(self) -> None:
        """Note it."""
        self.started += 1

    def stopFactory(self) -> None:
        """Note it."""
        self.started -= 1

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """Make one."""
        assert addr is not None
        self.peers.append(addr)
        if self.instead is not None:
            return self.instead()
        self.made.append(Protocol())
        return self.made[-1]


class Listening:
    """A port of ours, and everything around it."""

    def __init__(self, listener: socket.socket) -> None:
        self.host = Host()
        self.maker = Maker()
        self.closed = 0
        self.port = StreamPort(listener, self.maker, self.host, self.host, self.note)  # type: ignore[arg-type]
        self.clients: list[socket.socket] = []
        self.port.startListening()

    def note(self) -> None:
        """Count closings."""
        self.closed += 1

    def connect(self, count: int = 1) -> None:
        """Let clients connect; the kernel takes them without us."""
        for _ in range(count):
            client = socket.socket(self.port.socket.family)
            client.settimeout(1)
            self.clients.append(client)
            client.connect(self.port.socket.getsockname())

    def close(self) -> None:
        """Leave nothing."""
        self.port.stopListening()
        for client in self.clients:
            client.close()
        for protocol in self.maker.made:
            if protocol.transport is not None:
                protocol.transport.abortConnection()  # type: ignore[attr-defined]
        self.host.advance(0)


@pytest.fixture(name="listening")
def make_listening() -> Iterator[Listening]:
    """Listen on a loopback port."""
    listening = Listening(socket.create_server(("127.0.0.1", 0)))
    yield listening
    listening.close()


def test_connections_have_addresses(listening: Listening) -> None:
    """Both ends of each, as Twisted has them."""
    listening.connect(2)
    assert listening.port.accept(99) == 2
    port = listening.clients[0].getpeername()[1]
    assert listening.port.getHost() == IPv4Address("TCP", "127.0.0.1", port)
    for client, peer, protocol in zip(listening.clients, listening.maker.peers, listening.maker.made, strict=True):
        assert protocol.transport is not None
        assert peer == protocol.transport.getPeer() == IPv4Address("TCP", *client.getsockname())
        assert protocol.transport.getHost() == listening.port.getHost()
    assert listening.maker.started == 1


def test_ipv6_addresses_keep_their_scope() -> None:
    """A link-local peer can be answered only with its interface."""
    listening = Listening(socket.create_server(("::1", 0), family=socket.AF_INET6))
    listening.connect()
    listening.port.doRead()
    (peer,) = listening.maker.peers
    assert peer == IPv6Address("TCP", "::1", listening.clients[0].getsockname()[1])
    transport = listening.maker.made[0].transport
    assert transport is not None
    assert transport.getPeer() == peer
    listening.close()

    name = socket.if_indextoname(1)
    assert internet_address(("fe80::1", 7, 0, 1)) == IPv6Address("TCP", f"fe80::1%{name}", 7, 0, 1)


@pytest.mark.parametrize("abstract", [False, True])
def test_unix_addresses(tmp_path: Path, abstract: bool) -> None:
    """Paths, abstract names, and clients without any."""
    name = f"\0echod-test-{os.getpid()}" if abstract else str(tmp_path / "s")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(name)
    listener.listen()
    listening = Listening(listener)
    assert listening.port.getHost() == UNIXAddress(name if not abstract else name.encode())
    listening.connect()
    listening.port.doRead()
    transport = listening.maker.made[0].transport
    assert transport is not None
    assert listening.maker.peers == [UNIXAddress(None)]
    listening.close()


@pytest.mark.parametrize("how", ["none", "raises", "raises when connected"])
def test_a_factory_that_refuses(listening: Listening, how: str, logged_failures: list[Failure]) -> None:
    """None closes the connection silently, an exception closes it with one log entry; the port goes on."""

    class Fails(Protocol):
        """Cannot begin."""

        def connectionMade(self) -> None:
            """Fail."""
            raise ZeroDivisionError

    def fail() -> None:
        raise ZeroDivisionError

    listening.maker.instead = {"none": lambda: None, "raises": fail, "raises when connected": Fails}[how]
    listening.connect()
    assert listening.port.accept(99) == 1
    listening.host.advance(0)
    try:
        assert listening.clients[0].recv(1) == b""
    except ConnectionResetError:
        assert how == "raises when connected"
    assert [failure.type for failure in logged_failures] == ([] if how == "none" else [ZeroDivisionError])
    logged_failures.clear()
    assert listening.host.readers == {listening.port}

    listening.maker.instead = None
    listening.connect()
    assert listening.port.accept(99) == 1
    assert len(listening.maker.made) == 1


def test_hold_and_release(listening: Listening) -> None:
    """A held port leaves connections to the kernel, even those it is just accepting, and takes them later."""
    listening.connect(5)
    built = listening.maker.buildProtocol

    def hold_at_two(addr: IAddress | None) -> Protocol | None:
        made = built(addr)
        if len(listening.maker.made) == 2:
            listening.port.hold()
        return made

    listening.maker.buildProtocol = hold_at_two  # type: ignore[method-assign]
    listening.port.doRead()
    assert len(listening.maker.made) == 2
    assert listening.port not in listening.host.readers
    assert listening.port.accept(99) == 0
    listening.port.release()
    assert listening.port in listening.host.readers
    listening.port.doRead()
    assert len(listening.maker.made) == 5


def test_a_burst_does_not_take_the_whole_turn(listening: Listening) -> None:
    """Connections are taken in portions, so that open ones are served in between."""
    listening.port.socket.listen(200)
    listening.connect(ACCEPTS_PER_TURN + 10)
    listening.port.doRead()
    assert len(listening.maker.made) == ACCEPTS_PER_TURN
    listening.port.doRead()
    assert len(listening.maker.made) == ACCEPTS_PER_TURN + 10


def test_stop_listening_closes_once(listening: Listening) -> None:
    """The address is free at once, what belongs to it is removed, and connections stay."""
    listening.connect()
    listening.port.doRead()
    name = listening.port.socket.getsockname()
    for _ in range(2):
        assert listening.port.stopListening().called
    assert (listening.closed, listening.maker.started) == (1, 0)
    assert listening.port.fileno() == -1
    assert listening.port.accept(9) == 0
    listening.port.release()
    assert listening.port not in listening.host.readers
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(name)
    transport = listening.maker.made[0].transport
    assert transport is not None
    transport.write(b"alive")
    assert listening.clients[0].recv(9) == b"alive"


class Exhausted:
    """A listening socket whose `accept` fails with each of these errors in turn, and counts how often it is asked."""

    def __init__(self, sock: socket.socket, codes: list[int]) -> None:
        self._sock = sock
        self._codes = codes
        self.asked = 0

    def accept(self) -> Any:
        """Fail, or accept."""
        self.asked += 1
        if self._codes:
            code = self._codes.pop(0)
            raise OSError(code, os.strerror(code))
        return self._sock.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS], ids=errno.errorcode.get)
def test_exhaustion_waits_and_goes_on(listening: Listening, code: int) -> None:
    """Without a descriptor the port asks twice a second, not a million times, and serves when there is one."""
    sock = listening.port.socket = Exhausted(listening.port.socket, [code] * 3)  # type: ignore[assignment]
    listening.connect()
    while not listening.maker.made:
        # The waiting connection would wake any reactor for as long as the port reads.
        if listening.port in listening.host.readers:
            listening.port.doRead()
        listening.host.advance(0.01)
        assert sock.asked <= 5
    assert 1.4 < listening.host.seconds() < 1.7
    assert not listening.host.getDelayedCalls()


def test_exhaustion_and_the_end(listening: Listening) -> None:
    """A port that is closed, or held, while it waits leaves no timer and does not wake up."""
    listening.port.socket = Exhausted(listening.port.socket, [errno.EMFILE] * 9)  # type: ignore[assignment]
    listening.connect()
    listening.port.doRead()
    listening.port.hold()
    listening.host.advance(0.6)
    assert listening.port not in listening.host.readers
    listening.port.release()
    listening.port.doRead()
    listening.port.release()
    listening.port.doRead()
    assert len(listening.host.getDelayedCalls()) == 1
    listening.port.stopListening()
    assert not listening.host.getDelayedCalls()


CODES = [
    *(errno.EPERM, errno.ENETUNREACH, errno.EINVAL, errno.EACCES, errno.EMSGSIZE, errno.ECONNRESET),
    *(errno.ECONNREFUSED, errno.ECONNABORTED, errno.EPROTO, errno.EINTR),
]


@pytest.mark.parametrize("code", CODES, ids=errno.errorcode.get)
def test_an_error_of_one_connection_costs_no_other(listening: Listening, code: int) -> None:
    """Broken connections in the queue are passed over, also when the daemon drains the queue for the last time."""
    listening.port.socket = Exhausted(listening.port.socket, [code])  # type: ignore[assignment]
    listening.connect(3)
    listening.port.accept(99)
    assert len(listening.maker.made) == 3
    assert listening.port in listening.host.readers


def test_an_error_that_stays_does_not_spin(listening: Listening) -> None:
    """Even a socket that can only fail gives the reactor its turn."""
    sock = listening.port.socket = Exhausted(listening.port.socket, [errno.EINVAL] * 10_000)  # type: ignore[assignment]
    listening.port.doRead()
    assert sock.asked <= ACCEPTS_PER_TURN
