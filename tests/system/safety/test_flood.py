"""A flood costs its sender the answers, and nobody else much."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

import pytest

from echod.guard.buckets import SOURCES
from tests.statistical import best_of
from tests.system.clients import connected, exactly
from tests.system.daemon import Address, Daemon
from tests.system.safety.flooder import flood
from tests.system.safety.probe import check_log, percentile
from tests.system.safety.stock import stock
from tests.system.safety.wire import CLIENT_4, OTHER_4, SERVER_4, Wire

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """\
services:
  echo: {listen: ["tcp:7001", "udp:7001"], protocol: echo}
  plain: {listen: "udp:7003", protocol: reply, reply: "{message}"}
"""
TCP = Address("tcp", f"{SERVER_4}:7001")
SECONDS = 5


pytestmark = pytest.mark.usefixtures("quiet_machine")


def on_one_core(daemon: Daemon) -> None:
    """Leave one processor to the daemon, and give all else to the others: the flood comes from another one."""
    first, *others = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(daemon.pid, {first})
    os.sched_setaffinity(0, others or {first})


class Innocent:
    """Sends 100 datagrams a second and as many bytes over TCP, and counts and times what comes back."""

    def __init__(self, port: int, host: str = CLIENT_4) -> None:
        self._port = port
        self._host = host
        self.asked = 0
        self.times: list[float] = []
        self._heard: set[bytes] = set()

    @property
    def heard(self) -> int:
        """How many different answers came."""
        return len(self._heard)

    def ask(self, seconds: float) -> None:
        """Do so for a while."""
        with socket.socket(type=socket.SOCK_DGRAM) as sock, connected(TCP) as stream:
            sock.bind((self._host, 0))
            sock.connect((SERVER_4, self._port))
            sock.setblocking(False)
            began = time.perf_counter()
            while (now := time.perf_counter() - began) < seconds:
                if now * 100 > self.asked:
                    sock.send(b"%d" % self.asked)
                    self.asked += 1
                    asked = time.perf_counter()
                    stream.sendall(b"x")
                    assert exactly(stream, 1) == b"x"
                    self.times.append(time.perf_counter() - asked)
                    self._hear(sock)
                else:
                    time.sleep(0.001)
            time.sleep(0.3)
            self._hear(sock)

    def _hear(self, sock: socket.socket) -> None:
        try:
            while True:
                self._heard.add(sock.recv(100))
        except BlockingIOError:
            pass


@pytest.mark.parametrize("port", [7001, 7003], ids=["batched", "plain"])
@best_of(3)
def test_one_source_gets_its_limit_and_the_innocent_their_answers(tmp_path: Path, wire: Wire, port: int) -> None:
    """
    A source that sends 50,000 datagrams a second gets a burst and a thousand a second.

    Meanwhile an innocent one gets 99 of 100 answers, and TCP its echo within 50 ms.
    """
    with Daemon(tmp_path, CONFIG, prefix=wire.server.prefix) as daemon, wire.client.inside():
        on_one_core(daemon)
        before = wire.server.sent()
        innocent = Innocent(port)
        with flood(wire.client.prefix, SERVER_4, port, SECONDS, 55_000, OTHER_4) as flooded:
            innocent.ask(SECONDS - 1.5)
            took = daemon.stop()
        answered = wire.server.sent() - before - innocent.heard
        late = percentile(innocent.times, 0.99)
        print(
            f"flood {flooded[0] / SECONDS:.0f}/s, {answered} answered; innocent {innocent.heard} of {innocent.asked};"
            f" TCP p99 {late * 1e3:.1f} ms"
        )
        print(daemon.log[-300:])
        # As many as the machine can send; far more than the limit in any case.
        assert flooded[0] >= 25_000 * SECONDS
        assert 0.9 * (4000 + 1000 * (SECONDS - 2)) <= answered <= 4000 + 1000 * (SECONDS + 1)
        assert innocent.heard >= 0.99 * innocent.asked
        assert late < 0.05
        # It was told to stop while the flood went on.
        assert took < 2
        check_log(daemon)
        assert " rate" in daemon.log


@best_of(3)
def test_more_sources_than_have_a_bucket(tmp_path: Path, wire: Wire) -> None:
    """
    Forged sources, each another one, cost at most 64 MB; innocent ones get their answers, old and new.

    tests/guard/test_buckets.py has a million of them.
    """
    with Daemon(tmp_path, CONFIG, prefix=wire.server.prefix) as daemon, wire.client.inside():
        on_one_core(daemon)
        old, new = Innocent(7001), Innocent(7001, OTHER_4)
        old.ask(0.2)
        before, received, most = daemon.resident, wire.server.received(), 0
        with flood(wire.client.prefix, SERVER_4, 7001, 8, 22_000, "forge", "16") as flooded:
            for innocent in (old, old, old, new, new, new):
                innocent.ask(1)
                most = max(most, daemon.resident - before)
        received = wire.server.received() - received
        daemon.stop()
        times = old.times + new.times
        print(
            f"{flooded[0]} sent, {received} received, {most / 1e6:.1f} MB,"
            f" TCP p99 {percentile(times, 0.99) * 1e3:.1f} ms;"
            f" innocent {old.heard} of {old.asked} and {new.heard} of {new.asked}"
        )
        print(daemon.log[-300:])
        assert received > SOURCES
        assert 10e6 < most < 64e6
        for innocent in (old, new):
            assert innocent.heard >= 0.99 * innocent.asked
        assert percentile(times, 0.99) < 0.05
        check_log(daemon)


@best_of(3)
def test_stock_has_no_limit(tmp_path: Path, wire: Wire) -> None:
    """The stock server answers the flood as fast as it can."""
    with stock(tmp_path, 7001, prefix=wire.server.prefix) as daemon, wire.client.inside():
        before = wire.server.sent()
        with flood(wire.client.prefix, SERVER_4, 7001, 1.5, 55_000, OTHER_4):
            time.sleep(1.5)
        assert wire.server.sent() - before > 4000 + 2 * 1000 + 5000
        daemon.kill()
