"""Clients which share no code with echod: blocking sockets, with a time limit on every call."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

from tests.system.daemon import LIMIT, Address

if TYPE_CHECKING:
    from collections.abc import Iterable

Where = Address | str
"""An address that the daemon logged, or the path of a Unix socket."""


def family(where: Where) -> socket.AddressFamily:
    """Return the family of an address."""
    if isinstance(where, str):
        return socket.AF_UNIX
    return socket.AF_INET6 if ":" in where.host else socket.AF_INET


def connected(where: Where, kind: socket.SocketKind = socket.SOCK_STREAM, limit: float = LIMIT) -> socket.socket:
    """Return a socket connected to an address; its calls take at most `limit` seconds."""
    sock = socket.socket(family(where), kind)
    try:
        sock.settimeout(limit)
        if isinstance(where, str) and kind == socket.SOCK_DGRAM:
            # Linux chooses a name (unix(7), autobind): to a socket without one nobody can answer.
            sock.bind("")
        sock.connect(where if isinstance(where, str) else where.name)
    except BaseException:
        sock.close()
        raise
    return sock


def rest(sock: socket.socket) -> bytes:
    """Return all that comes until the end of the stream. A reset raises `ConnectionResetError`."""
    return b"".join(iter(lambda: sock.recv(1 << 16), b""))


def exactly(sock: socket.socket, size: int) -> bytes:
    """Return so many bytes of a stream, fewer if it ends."""
    pieces = bytearray()
    while len(pieces) < size and (piece := sock.recv(min(size - len(pieces), 1 << 16))):
        pieces += piece
    return bytes(pieces)


def fill(sock: socket.socket, most: int, quiet: float = 0.5) -> int:
    """Send without ever reading, until nothing was taken for `quiet` seconds, and return how much was."""
    before = sock.gettimeout()
    sock.settimeout(quiet)
    sent = 0
    try:
        while sent < most:
            sent += sock.send(b"x" * (1 << 16))
    except TimeoutError:
        pass
    sock.settimeout(before)
    return sent


class Sending:
    """Sends in the background and then ends its direction, for a `with` statement."""

    def __init__(self, sock: socket.socket, data: bytes) -> None:
        self._sock = sock
        self._data = data
        self._thread = threading.Thread(target=self._send)
        self.problem: OSError | None = None

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        assert self.problem is None, f"sending failed: {self.problem}"

    def _send(self) -> None:
        try:
            self._sock.sendall(self._data)
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as problem:
            self.problem = problem


def half_closed(where: Where, data: bytes) -> bytes:
    """Send, end our direction, and return all that comes back: what `nc -N` does."""
    with connected(where) as sock, Sending(sock, data):
        return rest(sock)


def datagrams(where: Where, messages: Iterable[bytes]) -> list[bytes]:
    """Send datagrams one after the other, and return the answer to each."""
    with connected(where, socket.SOCK_DGRAM) as sock:
        answers = []
        for message in messages:
            sock.send(message)
            answers.append(sock.recv(1 << 17))
        return answers
