"""What a stream may take: memory, time and descriptors."""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.statistical import best_of
from tests.system.clients import Sending, connected, exactly, rest
from tests.system.daemon import Address, Daemon, wait_until
from tests.system.programs import program
from tests.system.safety.crowd import Crowd, descriptors
from tests.system.safety.probe import check_log, echo_time, echo_times
from tests.system.safety.stock import stock
from tests.system.safety.wire import SERVER_4, Wire

if TYPE_CHECKING:
    from pathlib import Path

KIB, MIB = 1 << 10, 1 << 20
PEERS = 100

NEVER = """\
services:
  echo: {listen: "tcp:0:interface=127.0.0.1", protocol: echo, limits: {stall_timeout: 5s}}
  lines: {listen: "tcp:0:interface=127.0.0.1", protocol: reply, framing: {fixed: 16384}, reply: "{message}",
    limits: {stall_timeout: 5s}}
  talk: {listen: "tcp:0:interface=127.0.0.1", protocol: chargen, limits: {stall_timeout: 5s}}
"""


def held(port: int) -> list[str]:
    """Return the connections that a port has, those included that only the kernel still knows."""
    words = [program("ss"), "-Htna", "exclude", "listening", "exclude", "time-wait", "sport", "=", f":{port}"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.parametrize("service", ["echo", "lines", "talk"])
@best_of(3)
def test_peers_that_never_read(tmp_path: Path, service: str) -> None:
    """A hundred of them hold 256 KiB each at most, delay nobody, and are all cut; half-closed ones too."""
    with Daemon(tmp_path, NEVER) as daemon:
        before = daemon.resident
        with Crowd(daemon.at(service), PEERS, buffer=16 * KIB) as crowd:
            # A talk does not wait for anything to be said.
            crowd.fill(64 * KIB if service == "talk" else 32 * MIB)
            each = (daemon.resident - before) / PEERS
            for sock in crowd.socks[::2]:
                sock.shutdown(socket.SHUT_WR)
            assert echo_time(daemon.at("echo")) < 0.1
            began = time.monotonic()
            # Of those that had ended their direction, the kernel alone may have the rest: it gives up too.
            wait_until(lambda: not held(daemon.at(service).port), "all are cut", 5 + 2)
            print(f"{each / KIB:.0f} KiB each, the last was cut after {time.monotonic() - began:.1f} s")
            assert len(crowd.cut(0.1)) >= PEERS // 2
            assert each < 256 * KIB
        daemon.stop()
        assert re.search(r"dropped \d+ stall", daemon.log)
        check_log(daemon)


def test_stock_keeps_everything_for_who_never_reads(tmp_path: Path) -> None:
    """The stock server takes all that it is sent, and cuts nobody."""
    with stock(tmp_path, host="127.0.0.1") as daemon:
        before = daemon.resident
        with Crowd(daemon.at("echo", "tcp"), 10) as crowd:
            crowd.fill(16 * MIB)
            assert (daemon.resident - before) / 10 > 4 * MIB
            assert not crowd.cut(2)
        daemon.kill()


def send_on(sock: socket.socket) -> None:
    """Send until it fails."""
    for _ in range(1 << 20):
        sock.send(b"t" * 16_384)


def test_tls_peers_that_never_read(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    """Over TLS the same: what waits is bounded, and cut."""
    key, cert = certificate
    config = f"""\
services:
  tls:
    listen: ssl:0:privateKey={key}:certKey={cert}:interface=127.0.0.1
    protocol: echo
    limits: {{stall_timeout: 3s}}
"""
    context = ssl.create_default_context(cafile=cert)
    with Daemon(tmp_path, config) as daemon:
        before = daemon.resident
        with connected(daemon.at("tls")) as plain, context.wrap_socket(plain, server_hostname="localhost") as sock:
            sock.settimeout(1)
            with pytest.raises(TimeoutError):
                send_on(sock)
            assert daemon.resident - before < 2 * MIB
            began = time.monotonic()
            sock.settimeout(6)
            with pytest.raises(OSError, match=r"reset|pipe|EOF"):
                send_on(sock)
            assert time.monotonic() - began < 5
        daemon.stop()
        assert "1 stall" in daemon.log


@best_of(3)
def test_a_peer_that_pauses_gets_every_byte(tmp_path: Path) -> None:
    """Who reads on before the stall limit is over gets all, in order; others do not notice."""
    data = os.urandom(16 * MIB)
    with Daemon(tmp_path, NEVER) as daemon, connected(daemon.at("echo")) as slow, Sending(slow, data):
        found = bytearray()
        for size in (MIB, 5 * MIB, 4 * MIB):
            times = echo_times(daemon.at("echo"))
            assert max(times) < 0.1
            found += exactly(slow, size)
        found += rest(slow)
        assert (found == data) is True


TIMES = """\
services:
  idle: {listen: "tcp:0:interface=127.0.0.1", protocol: echo, limits: {idle_timeout: 1s}}
  life: {listen: "tcp:0:interface=127.0.0.1", protocol: echo, limits: {lifetime: 2s}}
  stall: {listen: "tcp:0:interface=127.0.0.1", protocol: echo, limits: {stall_timeout: 2s}}
  idle-talk: {listen: "tcp:0:interface=127.0.0.1", protocol: reply, framing: line, reply: x, limits: {idle_timeout: 1s}}
"""


@best_of(3)
def test_times_act_within_a_second(tmp_path: Path) -> None:
    """Idle, lifetime and stall limits cut neither before their time nor a second after it."""
    with Daemon(tmp_path, TIMES) as daemon:
        for service, limit in (("idle", 1), ("idle-talk", 1), ("life", 2), ("stall", 2)):
            with Crowd(daemon.at(service), 5) as crowd:
                began = time.monotonic()
                if service == "stall":
                    # The clock of each starts when the kernel takes no more, before `fill` has noticed.
                    crowd.fill(32 * MIB, quiet=0.3)
                elif service == "idle":
                    assert crowd.echoed(b"active") == 5
                    began = time.monotonic()
                crowd.cut(limit + 3)
                took = time.monotonic() - began
                assert limit <= took + 0.05, service
                if service != "stall":
                    assert took < limit + 1, service
        daemon.stop()
        assert "5 idle" in daemon.log
        assert "5 lifetime" in daemon.log
        assert "5 stall" in daemon.log


@best_of(3)
def test_who_is_active_is_not_idle(tmp_path: Path) -> None:
    """A byte now and then keeps a connection, in either direction."""
    with Daemon(tmp_path, TIMES) as daemon, connected(daemon.at("idle")) as sock:
        for _ in range(6):
            time.sleep(0.6)
            sock.sendall(b"x")
            assert sock.recv(10) == b"x"


VANISHING = """\
services:
  idle: {listen: "tcp:7001", protocol: echo, limits: {idle_timeout: 0}}
  talk: {listen: "tcp:7003", protocol: reply, reply: "still there?", limits: {idle_timeout: 0}}
"""


def test_vanished_peers_are_gone_within_a_minute(tmp_path: Path, wire: Wire) -> None:
    """Peers behind a cable that was pulled: both those that were idle and those that are owed bytes."""
    with Daemon(tmp_path, VANISHING, prefix=wire.server.prefix) as daemon:
        with wire.client.inside():
            idle = Crowd(Address("tcp", f"{SERVER_4}:7001"), 10)
            owed = Crowd(Address("tcp", f"{SERVER_4}:7003"), 10)
        with idle, owed:
            assert idle.echoed(b"x") == 10
            # What they ask arrives, but no answer gets through.
            rules = "add table inet f; add chain inet f i { type filter hook input priority 0; }; add rule inet f i"
            wire.client.run(program("nft"), f"{rules} tcp sport 7003 drop")
            for sock in owed.socks:
                sock.send(b"hello?")
            time.sleep(0.2)
            wire.client.ip("link set c down")
            began = time.monotonic()
            while open_connections(wire) and time.monotonic() - began < 60:
                time.sleep(0.5)
            print(f"all gone after {time.monotonic() - began:.1f} s")
            assert open_connections(wire) == 0
        assert daemon.stop() < 1.5


def open_connections(wire: Wire) -> int:
    """Return how many connections the server's end has."""
    return len(wire.server.run(program("ss"), "-Htn", "state", "established").splitlines())


@best_of(3)
def test_tls_handshakes_have_a_deadline(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    """Who says nothing, or half of a hello, is cut after ten seconds; who shakes hands in time is not."""
    key, cert = certificate
    config = f"""\
services:
  tls: {{listen: "ssl:0:privateKey={key}:certKey={cert}:interface=127.0.0.1", protocol: echo}}
"""
    context = ssl.create_default_context(cafile=cert)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    hello = outgoing.read()
    with Daemon(tmp_path, config) as daemon, connected(daemon.at("tls")) as good:
        with Crowd(daemon.at("tls"), 20) as crowd, context.wrap_socket(good, server_hostname="localhost") as sock:
            for each in crowd.socks[::2]:
                each.send(hello[: len(hello) // 2])
            assert not crowd.cut(9.5)
            assert len(crowd.cut(2)) == 20
            sock.sendall(b"x")
            assert sock.recv(10) == b"x"
        daemon.stop()
        assert "20 handshake" in daemon.log
        check_log(daemon)


def test_ten_thousand_connections(tmp_path: Path) -> None:
    """Idle connections cost at most 4 KiB each, and all of them are served."""
    count = 10_000
    config = f"""\
services:
  echo:
    listen: "tcp:0:interface=127.0.0.1"
    protocol: echo
    limits: {{connections: {count}, connections_per_source: {count}}}
"""
    limit = [program("prlimit"), f"--nofile={count + 500}"]
    with descriptors(count + 500), Daemon(tmp_path, config, prefix=limit) as daemon:
        before = daemon.resident
        crowds = [Crowd(daemon.at("echo"), 1000) for _ in range(count // 1000)]
        try:
            assert sum(len(crowd.took) for crowd in crowds) == count
            time.sleep(0.3)
            each = (daemon.resident - before) / count
            print(f"{each / KIB:.2f} KiB each")
            assert each <= 4 * KIB
            assert sum(crowd.echoed(b"x" * 64) for crowd in crowds) == count
            assert (daemon.resident - before) / count <= 4 * KIB
        finally:
            for crowd in crowds:
                crowd.__exit__()
        daemon.stop()
