"""Closing a listening socket: those who wait in its queue are served, and nobody is let in and cut."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from echod.transport.turning_away import turn_away

if TYPE_CHECKING:
    from pathlib import Path

LOOPBACK = {"IPv4": (socket.AF_INET, "127.0.0.1"), "IPv6": (socket.AF_INET6, "::1")}


def listening(family: socket.AddressFamily, name: object) -> socket.socket:
    """Return a socket that listens."""
    sock = socket.socket(family)
    sock.settimeout(5)
    sock.bind(name)  # type: ignore[arg-type]  # depends on the family
    sock.listen(16)
    return sock


@pytest.mark.parametrize("version", LOOPBACK)
def test_who_comes_over_tcp_asks_again(version: str) -> None:
    """Who was connected is accepted and can talk; who comes later is not connected, and refused a second later."""
    family, host = LOOPBACK[version]
    with listening(family, (host, 0)) as listener, socket.socket(family) as early, socket.socket(family) as late:
        early.connect(listener.getsockname())
        turn_away(listener)
        late.settimeout(0.2)
        with pytest.raises(TimeoutError):
            late.connect(listener.getsockname())
        early.sendall(b"hello")
        server, _ = listener.accept()
        with server:
            assert server.recv(10) == b"hello"
            listener.setblocking(False)
            with pytest.raises(BlockingIOError):
                listener.accept()
            name = listener.getsockname()
            listener.close()
            server.sendall(b"hi")
            assert early.recv(10) == b"hi"
        with socket.socket(family) as later, pytest.raises(ConnectionRefusedError):
            later.connect(name)


def test_who_asks_again_finds_the_next_one() -> None:
    """A client that was turned away is connected to whoever listens there when it asks again."""
    with listening(socket.AF_INET, ("127.0.0.1", 0)) as listener, socket.socket() as client:
        name = listener.getsockname()
        turn_away(listener)
        client.settimeout(5)
        connecting = threading.Thread(target=client.connect, args=(name,))
        connecting.start()
        connecting.join(0.2)
        assert connecting.is_alive()
        listener.close()
        with listening(socket.AF_INET, name) as other:
            server, _ = other.accept()
            connecting.join()
            with server:
                client.sendall(b"hello")
                assert server.recv(10) == b"hello"


def test_who_comes_to_a_unix_socket_is_refused(tmp_path: Path) -> None:
    """Who was connected is accepted and can talk; who comes later is refused at once."""
    path = str(tmp_path / "socket")
    with ExitStack() as stack:
        listener = stack.enter_context(listening(socket.AF_UNIX, path))
        early, late = (stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2))
        early.connect(path)
        early.sendall(b"hello")
        turn_away(listener)
        with pytest.raises(ConnectionRefusedError):
            late.connect(path)
        server = stack.enter_context(listener.accept()[0])
        assert server.recv(10) == b"hello"


def test_where_it_cannot_be_done() -> None:
    """A socket that is closed already is left alone."""
    sock = socket.socket()
    sock.close()
    turn_away(sock)
