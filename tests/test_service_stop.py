"""Stopping the service: nothing is lost that the kernel has accepted for it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
import pytest_twisted
from twisted.internet.task import deferLater

from echod.transport.mmsg import Batch
from tests.bound import MIXED, Maker, at

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

in_reactor: Callable[[Callable[..., Coroutine[Any, Any, None]]], Callable[..., Any]] = pytest_twisted.ensureDeferred


@pytest.fixture(name="make")
def service_maker(tmp_path: Path) -> Iterator[Maker]:
    """Make services of a file's text, and close what is open at the end."""
    maker = Maker(tmp_path / "echod.yaml")
    yield maker
    maker.close()


@in_reactor
async def test_a_stop_answers_connections_that_nobody_has_accepted(make: Maker) -> None:
    """The kernel completed their handshake and acknowledged their bytes, so they are ours to answer."""
    service = make(
        "  a:\n    listen: tcp:0:interface=127.0.0.1\n    protocol: echo\n"
        "  b:\n    listen: tcp:0:interface=127.0.0.1\n    protocol: reply\n    reply: hi\n    framing: line\n"
    )
    service.bind()
    service.startService()
    clients: list[tuple[socket.socket, bytes]] = []
    for number in range(40):
        name, said, answer = [("a", b"x" * 1000, b"x" * 1000), ("b", b"1\r\n2\r\n", b"hihi")][number % 2]
        client = socket.create_connection(at(service, name))
        client.settimeout(1)
        client.sendall(said)
        if number % 3:
            client.shutdown(socket.SHUT_WR)
        clients.append((client, answer))
    stopped = service.stopService()
    from twisted.internet import reactor

    await deferLater(reactor, 0.5)
    for client, answer in clients:
        heard = b""
        while piece := client.recv(9999):
            heard += piece
        assert heard == answer
        client.close()
    await stopped
    assert [running.tally.connections for running in service.services.values()] == [20, 20]
    assert not any(running.tally.dropped for running in service.services.values())


@pytest.mark.parametrize("batched", [False, True])
@in_reactor
async def test_a_stop_answers_datagrams_that_nobody_has_read(make: Maker, batched: bool) -> None:
    """More of them than one turn serves, empty ones too."""
    service = make(MIXED, Batch() if batched else None)
    service.bind()
    service.startService()
    clients = [(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), name) for name in ("echo", "hello")]
    for client, name in clients:
        client.settimeout(1)
        client.connect(at(service, name, 1 if name == "echo" else 0))
        for number in range(150):
            client.send(b"%d" % number if number else b"")
    await service.stopService()
    for client, name in clients:
        heard = [client.recv(99) for _ in range(150)]
        assert heard == ([b"", *[b"%d" % n for n in range(1, 150)]] if name == "echo" else [b"hi"] * 150)
        client.close()


@in_reactor
async def test_an_abort_ends_a_stop(make: Maker) -> None:
    """Whoever has no patience left cuts the connections, and the stop is over."""
    from twisted.internet import reactor

    service = make("  a:\n    listen: tcp:0:interface=127.0.0.1\n    protocol: echo\n")
    service.bind()
    service.startService()
    client = socket.create_connection(at(service, "a"))
    client.setblocking(False)
    for _ in range(100):
        try:
            client.send(bytes(65_536))
        except BlockingIOError:
            break
        await deferLater(reactor, 0.001)
    stopped = service.stopService()
    await deferLater(reactor, 0.4)
    assert not stopped.called
    service.abort()
    await stopped
    client.close()
