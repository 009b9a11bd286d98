"""Datagram ports when the kernel says no: counted, never logged, and the next datagram is served."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Any

import pytest
import pytest_twisted
from twisted.internet.task import deferLater

from echod.transport.datagram import DatagramPort
from echod.transport.poller import Poller
from tests.transport.datagrams import LARGEST_4, Echoing, Open
from tests.transport.wires import FailsOnce

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

in_reactor: Callable[[Callable[..., Coroutine[Any, Any, None]]], Callable[..., Any]] = pytest_twisted.ensureDeferred

CODES = [
    *(errno.EPERM, errno.ENETUNREACH, errno.EINVAL, errno.EACCES, errno.EAGAIN, errno.EMSGSIZE),
    *(errno.ENOBUFS, errno.ECONNRESET, errno.ECONNREFUSED, errno.ENOMEM),
]


@pytest.mark.parametrize("method", ["recvmsg", "sendmsg", "sendto", "send"])
@pytest.mark.parametrize("code", CODES, ids=errno.errorcode.get)
def test_a_call_that_fails_once(method: str, code: int) -> None:
    """Each call, each error: counted by name, no traceback, and the very next datagram is served."""
    # Only where an address was hit must the reply be told to leave from there, by sendmsg.
    opened = Open(socket.AF_INET, ("0.0.0.0" if method == "sendmsg" else "127.0.0.1", 0))
    client = opened.client(("127.0.0.1", opened.port.socket.getsockname()[1]))
    if method == "send":
        opened.port.socket.connect(client.getsockname())
        opened.echoing.datagramReceived = lambda data, _: opened.port.write(data)  # type: ignore[method-assign,assignment]
    opened.port.socket = FailsOnce(opened.port.socket, method, code)  # type: ignore[assignment]
    client.send(b"first")
    client.send(b"second")
    for _ in range(2):
        opened.port.doRead()

    silent = method == "recvmsg" and code == errno.EAGAIN
    assert opened.port.errors == ({} if silent else {errno.errorcode[code]: 1})
    assert opened.echoing.refused == (code == errno.ECONNREFUSED)
    assert client.recv(9) == (b"first" if method == "recvmsg" else b"second")
    assert opened.port in opened.host.readers
    opened.close()


def test_write_says_whether_the_kernel_took_it() -> None:
    """What could not leave is not counted as sent: here, a datagram longer than any, and one to a closed port."""
    opened = Open(socket.AF_INET, ("127.0.0.1", 0))
    assert not opened.port.write(bytes(LARGEST_4 + 1), ("127.0.0.1", 9))
    assert opened.port.errors == {"EMSGSIZE": 1}
    client = opened.client()
    assert opened.port.write(b"x", client.getsockname())
    assert client.recv(9) == b"x"
    opened.port.stopListening()
    assert not opened.port.write(b"x", client.getsockname())
    opened.close()


@in_reactor
@pytest.mark.parametrize("polled", [False, True])
async def test_a_connected_socket_lives_through_refusals(polled: bool) -> None:
    """The kernel tells an ICMP error as a hang-up, at which Twisted's own port dies; this one hears it and goes on."""
    from twisted.internet import reactor

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        name = server.getsockname()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(name)
    echoing = Echoing()
    port = DatagramPort(sock, echoing, Poller(reactor) if polled else reactor)
    port.startListening()
    for count in (1, 2):
        assert port.write(b"anyone?")
        await deferLater(reactor, 0.05)
        assert echoing.refused == count
    assert port.errors == {"ECONNREFUSED": 2}

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(name)
        server.settimeout(1)
        port.write(b"and now?")
        data, client = server.recvfrom(99)
        server.sendto(b"yes", client)
        echoing.after = port.stopListening
        await deferLater(reactor, 0.05)
    assert data == b"and now?"
    assert [datagram for datagram, _ in echoing.heard] == [b"yes"]
    assert echoing.stopped == 1


@in_reactor
async def test_who_hears_of_a_refusal_may_close() -> None:
    """A client that gives up on the first refusal leaves nothing in the reactor."""
    from twisted.internet import reactor

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        name = server.getsockname()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(name)
    echoing = Echoing()
    port = DatagramPort(sock, echoing, reactor)
    echoing.connectionRefused = port.stopListening  # type: ignore[assignment,method-assign]
    port.startListening()
    port.write(b"anyone?")
    await deferLater(reactor, 0.05)
    assert port.fileno() == -1
    assert echoing.stopped == 1
