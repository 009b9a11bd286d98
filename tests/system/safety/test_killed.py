"""A daemon that is killed serves again at once."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from typing_extensions import Self

from tests.statistical import best_of
from tests.system.clients import connected, datagrams, half_closed
from tests.system.daemon import Address, Daemon
from tests.system.safety.probe import echo_time

if TYPE_CHECKING:
    from pathlib import Path

TIMES = 20


class Load:
    """Clients that send and reconnect all the time, in the background; for a `with` statement."""

    def __init__(self, *where: Address) -> None:
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=[each]) for each in where for _ in range(2)]
        self.wrong: list[bytes] = []
        self.right = 0

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, where: Address) -> None:
        kind = socket.SOCK_STREAM if where.kind == "tcp" else socket.SOCK_DGRAM
        first = 0
        while not self._over.wait(0.002):
            first += 100
            with suppress(OSError), connected(where, kind, limit=0.5) as sock:
                for number in range(first, first + 100):
                    data = b"%08d" % number
                    sock.send(data)
                    heard = sock.recv(100)
                    if kind == socket.SOCK_STREAM and not heard:
                        break
                    if heard != data:
                        self.wrong.append(heard)
                    self.right += 1


@best_of(3)
@pytest.mark.usefixtures("quiet_machine")
def test_killed_and_restarted_under_load(tmp_path: Path) -> None:
    """Twenty times: it serves again within two seconds on all of its addresses, and no answer is ever wrong."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        port = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
    config = f"""\
services:
  echo: {{listen: ["tcp:{port}:interface=127.0.0.1", "udp:{port}:interface=127.0.0.1"], protocol: echo}}
  local: {{listen: ["unix:{tmp_path}/s.sock", "unixgram:{tmp_path}/d.sock"], protocol: echo}}
"""
    where, also = Address("tcp", f"127.0.0.1:{port}"), Address("udp", f"127.0.0.1:{port}")
    slowest = 0.0
    daemon = Daemon(tmp_path, config)
    daemon.start()
    try:
        with Load(where, also) as load:
            for _ in range(TIMES):
                daemon.kill()
                began = time.monotonic()
                daemon.start()
                assert echo_time(where) < 2
                assert datagrams(also, [b"x"]) == [b"x"]
                assert half_closed(f"{tmp_path}/s.sock", b"x") == b"x"
                assert datagrams(f"{tmp_path}/d.sock", [b"x"]) == [b"x"]
                slowest = max(slowest, time.monotonic() - began)
        print(f"served again after {slowest:.2f} s at the most; {load.right} right answers")
        assert slowest < 2
        assert not load.wrong
        assert load.right > 1000
        daemon.stop()
    finally:
        daemon.kill()
