"""Accepting: what a factory may do, holding and releasing, and the end."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.protocol import Protocol

from echod.transport.accept import ACCEPTS_PER_TURN, internet_address
from tests.transport.listeners import Listening

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from twisted.internet.interfaces import IAddress
    from twisted.python.failure import Failure


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
