"""Who is let in, and what happens when there is no room."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.statistical import best_of
from tests.system.clients import connected
from tests.system.daemon import Daemon, wait_until
from tests.system.programs import program
from tests.system.safety.crowd import Crowd
from tests.system.safety.probe import check_log, echo_time, percentile
from tests.system.safety.stock import stock
from tests.system.safety.wire import (
    CLIENT_4,
    CLIENT_6,
    OTHER_4,
    OTHER_6,
    SERVER_4,
    SERVER_6,
    Wire,
)

CONFIG = r"""
services:
  few: {listen: "tcp:7001", protocol: echo, limits: {connections: 3}}
  share: {listen: "tcp6:7003:interface=\\:\\:", protocol: echo, limits: {connections_per_source: 2}}
  allowed: {listen: "tcp6:7005:interface=\\:\\:", protocol: reply, greeting: hi, reply: x,
    allow: [10.99.0.9/32, "fd99::/64"], deny: ["fd99::2"]}
"""


def speak(source: str, host: str, port: int, data: bytes = b"x") -> socket.socket:
    """Connect from an address, and send."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.settimeout(5)
    sock.bind((source, 0))
    sock.connect((host, port))
    sock.sendall(data)
    return sock


def is_served(sock: socket.socket, limit: float = 1.0) -> bool | None:
    """Tell whether there is an echo: False when the connection was closed instead, None for neither in time."""
    sock.settimeout(limit)
    try:
        return sock.recv(10) == b"x"
    except ConnectionError:
        return False
    except TimeoutError:
        return None


def test_a_full_service_lets_others_wait(tmp_path: Path, wire: Wire) -> None:
    """At `connections` nobody is turned away: who comes waits, and is served as soon as one leaves."""
    with Daemon(tmp_path, CONFIG, prefix=wire.server.prefix) as daemon, wire.client.inside():
        inside = [speak(CLIENT_4, SERVER_4, 7001) for _ in range(3)]
        assert [is_served(sock) for sock in inside] == [True] * 3
        waiting = [speak(CLIENT_4, SERVER_4, 7001) for _ in range(3)]
        assert [is_served(sock, 0.3) for sock in waiting] == [None] * 3
        before = cpu_seconds(daemon)
        time.sleep(1)
        assert cpu_seconds(daemon) - before < 0.1
        for leaving in inside:
            leaving.close()
        began = time.monotonic()
        assert [is_served(sock) for sock in waiting] == [True] * 3
        assert time.monotonic() - began < 0.5
        # A reset frees the place too.
        late = speak(CLIENT_4, SERVER_4, 7001)
        waiting[0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        waiting[0].close()
        assert is_served(late) is True
        for sock in (*waiting, late):
            sock.close()


def test_a_source_has_its_share(tmp_path: Path, wire: Wire) -> None:
    """At `connections_per_source` a source is turned away and its neighbour is not; an IPv6 /64 is one source."""
    with Daemon(tmp_path, CONFIG, prefix=wire.server.prefix) as daemon, wire.client.inside():
        wire.client.ip("address add fd99::8/64 dev c")
        for source, neighbour, host in (
            ((CLIENT_4, CLIENT_4, CLIENT_4), OTHER_4, SERVER_4),
            ((CLIENT_6, "fd99::8", CLIENT_6), OTHER_6, SERVER_6),
        ):
            socks = [speak(each, host, 7003) for each in (*source, neighbour)]
            assert [is_served(sock) for sock in socks] == [True, True, False, True]
            socks[0].close()
            time.sleep(0.1)
            again = speak(source[0], host, 7003)
            assert is_served(again) is True
            for sock in (*socks, again):
                sock.close()
        daemon.stop()
        assert "share: dropped 2 per-source" in daemon.log


def test_allow_and_deny(tmp_path: Path, wire: Wire) -> None:
    """Who is not allowed does not get a byte, not even the greeting; IPv4 is IPv4 on an IPv6 socket too."""
    with Daemon(tmp_path, CONFIG, prefix=wire.server.prefix) as daemon:
        with wire.client.inside():
            heard = []
            for source, host in ((CLIENT_4, SERVER_4), (OTHER_4, SERVER_4), (CLIENT_6, SERVER_6), (OTHER_6, SERVER_6)):
                with connected_from(source, host, 7005) as sock:
                    heard.append(first(sock))
            assert heard == [b"hi", b"", b"hi", b""]
        with wire.server.inside(), connected_from("fd99::2", SERVER_6, 7005) as sock:
            assert first(sock) == b""
        daemon.stop()
        assert "allowed: dropped 3 denied" in daemon.log


def connected_from(source: str, host: str, port: int) -> socket.socket:
    """Connect from an address."""
    return speak(source, host, port, b"")


def first(sock: socket.socket) -> bytes:
    """Return what comes first, nothing if it is the end."""
    try:
        return sock.recv(10)
    except ConnectionResetError:
        return b""


def overflows() -> int:
    """Return how often a queue of this machine had no room for a connection."""
    names, values = re.findall(
        r"^TcpExt: (.*)$", Path("/proc/self/net/netstat").read_text(encoding="ascii"), re.MULTILINE
    )
    return int(dict(zip(names.split(), values.split(), strict=True))["ListenOverflows"])


BURST = 2_000
LARGE = f"""\
services:
  echo: {{listen: "tcp:0:interface=127.0.0.1", protocol: echo, limits: {{connections_per_source: {BURST}}}}}
"""


@best_of(3)
def test_a_burst_of_connections(tmp_path: Path) -> None:
    """Two thousand connections at once: nobody has to ask twice, which would take a second."""
    with Daemon(tmp_path, LARGE) as daemon:
        before = overflows()
        with Crowd(daemon.at("echo"), BURST) as crowd:
            assert len(crowd.took) == BURST
            print(f"p99 {percentile(crowd.took, 0.99) * 1e3:.0f} ms")
            assert percentile(crowd.took, 0.99) < 1
            assert crowd.echoed(b"burst") == BURST
        assert overflows() == before


@best_of(3)
def test_stock_makes_a_burst_ask_twice(tmp_path: Path) -> None:
    """With the stock server's queue of 50 places some wait a second and more."""
    with stock(tmp_path, host="127.0.0.1") as daemon:
        daemon.send_signal(signal.SIGSTOP)
        crowd = Crowd(daemon.at("echo", "tcp"), 200, limit=0.9)
        daemon.send_signal(signal.SIGCONT)
        with crowd:
            assert len(crowd.took) < 100
        daemon.kill()


def cpu_seconds(daemon: Daemon) -> float:
    """Return the processor time that a daemon has used."""
    words = Path(f"/proc/{daemon.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / 100


@pytest.mark.parametrize("sudden", [False, True], ids=["foreseen", "sudden"])
@best_of(3)
def test_at_the_limit_of_descriptors(tmp_path: Path, sudden: bool) -> None:
    """
    No busy loop, no flood in the log, nobody loses a byte, and who waits is served within a second of a place.

    The limit is there from the start, so that the daemon keeps away from it; or it comes suddenly.
    """
    prefix = [] if sudden else [program("prlimit"), "--nofile=128"]
    with Daemon(tmp_path, LARGE, prefix=prefix) as daemon:
        if sudden:
            descriptors = len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))
            prlimit = [program("prlimit"), f"--pid={daemon.pid}", f"--nofile={descriptors + 30}:{descriptors + 30}"]
            assert echo_time(daemon.at("echo")) < 1
            subprocess.run(prlimit, check=True)
        with Crowd(daemon.at("echo"), 150) as crowd:
            assert len(crowd.took) == 150
            inside = crowd.echoed(b"x", limit=1)
            assert 20 <= inside < 100
            before = cpu_seconds(daemon)
            time.sleep(2)
            assert cpu_seconds(daemon) - before < 0.2
            served, waiting = crowd.socks[:inside], crowd.socks[inside:]
            for sock in served:
                sock.settimeout(5)
                sock.sendall(b"still here")
                assert sock.recv(100) == b"still here"
            for sock in served[:10]:
                sock.close()
            began = time.monotonic()
            assert [is_served(sock, 2) for sock in waiting[:10]] == [True] * 10
            print(f"{inside} served; others after {time.monotonic() - began:.2f} s")
            assert time.monotonic() - began < 1
        wait_until(lambda: echo_time(daemon.at("echo"), 1) < 1, "all is well again", 3)
        daemon.stop()
        assert daemon.log.count("cannot accept") == sudden
        check_log(daemon)


def test_a_reset_storm(tmp_path: Path) -> None:
    """Connections that are reset as soon as they have sent leave nothing behind."""
    with Daemon(tmp_path, LARGE) as daemon:
        assert echo_time(daemon.at("echo")) < 1
        before = len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))
        end = time.monotonic() + 2
        while time.monotonic() < end:
            with connected(daemon.at("echo")) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                sock.send(b"storm")
        assert echo_time(daemon.at("echo")) < 1
        wait_until(lambda: len(list(Path(f"/proc/{daemon.pid}/fd").iterdir())) <= before, "descriptors are back")
        daemon.stop()
        check_log(daemon)
