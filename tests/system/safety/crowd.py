"""Many clients at once, from one thread."""

from __future__ import annotations

import errno
import resource
import select
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from typing_extensions import Self

from tests.system.clients import family

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.system.daemon import Address

_CHUNK = b"n" * (1 << 16)


@contextmanager
def descriptors(count: int) -> Iterator[None]:
    """Let this process open so many; root may."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(count, before[0]), max(count, before[1])))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


class Crowd:
    """
    Connections to one address, for a `with` statement.

    :param buffer: how much the kernel keeps for each in either direction, in bytes; 0 for as much as it likes.
    :ivar took: how many seconds each took to be connected; fewer than asked for, if some were refused or too slow.
    """

    def __init__(self, where: Address, count: int, limit: float = 10.0, buffer: int = 0) -> None:
        self.socks: list[socket.socket] = []
        self.took: list[float] = []
        waiting: dict[int, socket.socket] = {}
        poll = select.poll()
        began = time.perf_counter()
        for _ in range(count):
            sock = socket.socket(family(where))
            sock.setblocking(False)
            if buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
            assert sock.connect_ex(where.name) in (0, errno.EINPROGRESS)
            self.socks.append(sock)
            waiting[sock.fileno()] = sock
            poll.register(sock, select.POLLOUT)
        while waiting and time.perf_counter() - began < limit:
            for descriptor, _ in poll.poll(100):
                poll.unregister(descriptor)
                if not waiting.pop(descriptor).getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    self.took.append(time.perf_counter() - began)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self.socks:
            sock.close()

    def fill(self, most: int, quiet: float = 0.7) -> int:
        """Send without reading, each up to `most` bytes, until nothing was taken for a while; return how much was."""
        sent = dict.fromkeys(self.socks, 0)
        last = time.monotonic()
        while time.monotonic() - last < quiet:
            for sock, so_far in sent.items():
                try:
                    if so_far < most:
                        sent[sock] += sock.send(_CHUNK)
                        last = time.monotonic()
                except BlockingIOError:  # noqa: PERF203 - that is how each tells that it takes no more
                    continue
            time.sleep(0.001)
        return sum(sent.values())

    def echoed(self, data: bytes, limit: float = 10.0) -> int:
        """Send the same to all and return how many had it back within the limit."""
        for sock in self.socks:
            sock.send(data)
        right, end = 0, time.monotonic() + limit
        for sock in self.socks:
            sock.settimeout(max(0.001, end - time.monotonic()))
            try:
                right += sock.recv(len(data)) == data
            except OSError:
                continue
        return right

    def cut(self, limit: float) -> list[float]:
        """Wait until all are reset or closed, at most so long, and return after how many seconds each was."""
        poll, began, found = select.poll(), time.monotonic(), list[float]()
        for sock in self.socks:
            # Nothing is asked for: resets are told all the same.
            poll.register(sock, 0)
        while len(found) < len(self.socks) and time.monotonic() - began < limit:
            for descriptor, _ in poll.poll(50):
                poll.unregister(descriptor)
                found.append(time.monotonic() - began)
        return found
