"""
No datagram starts a loop, and no answer goes where one could start (CVE-1999-0103, CVE-2024-2169).

The kernel's own counts say what was answered: nobody's goodwill is needed to see it.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from echod.guard.repetition import ROW
from tests.statistical import best_of
from tests.system.clients import datagrams
from tests.system.daemon import Address, Daemon
from tests.system.safety.packets import frame, on_the_wire, send_here
from tests.system.safety.probe import check_log, echo_time, echo_times
from tests.system.safety.stock import stock
from tests.system.safety.wire import (
    BROADCAST_4,
    CLIENT_4,
    CLIENT_6,
    OTHER_4,
    SECOND_4,
    SECOND_6,
    SERVER_4,
    SERVER_6,
    Wire,
)

if TYPE_CHECKING:
    from pathlib import Path

BATCHED_4, BATCHED_6, PLAIN_4, PLAIN_6, LOW = 7001, 7003, 7005, 7007, 7009

CONFIG = rf"""
services:
  tcp: {{listen: "tcp:7000", protocol: echo}}
  batched: {{listen: ["udp:{BATCHED_4}", "udp6:{BATCHED_6}"], protocol: echo}}
  plain: {{listen: ["udp:{PLAIN_4}", "udp6:{PLAIN_6}"], protocol: reply, reply: "{{message}}"}}
  low: {{listen: ["udp:{LOW}"], protocol: echo, low_ports: true}}
"""
PORTS = (BATCHED_4, BATCHED_6, PLAIN_4, PLAIN_6)
TCP = Address("tcp", f"{SERVER_4}:7000")
DATA = (b"", b"x", b"y" * 1400)


def quiet(wire: Wire, before: int) -> int:
    """Wait until whatever was sent must have been answered, and return how much was."""
    time.sleep(0.3)
    return wire.server.sent() - before


def forge_own_addresses(wire: Wire, *ports: int) -> None:
    """Send to each port from itself, and from an own port beside it, over the wire and over loopback."""
    with wire.client.inside():
        raw = on_the_wire()
    with raw:
        for source, host in ((SERVER_6, SERVER_6), (SECOND_6, SERVER_6), (SERVER_4, SERVER_4), (SECOND_4, SERVER_4)):
            for port in ports:
                for data in DATA:
                    raw.send(frame((source, port), (host, port), data))
                    raw.send(frame((source, ports[0]), (host, port), data))
    with wire.server.inside():
        for source, host in (("127.0.0.1", "127.0.0.1"), ("::1", "::1"), (SECOND_4, SERVER_4), (SECOND_6, SERVER_6)):
            for port in ports:
                for data in DATA:
                    send_here((source, port), (host, port), data)


def test_no_loop_with_itself(tmp_path: Path, wire: Wire) -> None:
    """A datagram that seems to come from an own port is dropped, empty or not, wherever it comes from."""
    with Daemon(tmp_path, CONFIG, prefix=wire.server.prefix) as daemon:
        sent, received = wire.server.sent(), wire.server.received()
        forge_own_addresses(wire, *PORTS, LOW)
        assert quiet(wire, sent) == 0
        # Over IPv6 the kernel believed all of them: it has no martian addresses of its own.
        assert wire.server.received() - received > 2 * len(PORTS) * len(DATA)
        with wire.client.inside():
            assert echo_time(TCP) < 0.1
            assert datagrams(Address("udp", f"{SERVER_4}:{BATCHED_4}"), [b"", b"x"]) == [b"", b"x"]
        assert daemon.stop() < 1
        check_log(daemon)


@pytest.mark.parametrize("data", [b"", b"x"])
def test_stock_loops_with_itself(tmp_path: Path, wire: Wire, data: bytes) -> None:
    """One datagram, from the wire, keeps the stock server for ever; an empty one keeps it from all else."""
    with stock(tmp_path, BATCHED_6, prefix=wire.server.prefix) as daemon:
        with wire.client.inside(), on_the_wire() as raw:
            raw.send(frame((SERVER_6, BATCHED_6), (SERVER_6, BATCHED_6), data))
        time.sleep(0.3)
        before = wire.server.sent()
        assert quiet(wire, before) > 100
        if not data:
            with wire.client.inside():
                assert echo_time(Address("tcp", f"{SERVER_4}:{BATCHED_6}"), limit=2) == 2
        daemon.kill()


def from_ports(wire: Wire, to: int, ports: tuple[int, ...]) -> int:
    """Send from each of these ports of the client, over IPv4 and IPv6, and return how many were answered."""
    before = wire.server.sent()
    with wire.client.inside(), on_the_wire() as raw:
        for port in ports:
            raw.send(frame((CLIENT_4, port), (SERVER_4, to), b"from"))
            if to not in (BATCHED_4, PLAIN_4, LOW):
                raw.send(frame((CLIENT_6, port), (SERVER_6, to), b"from"))
    return quiet(wire, before)


@pytest.mark.parametrize("port", PORTS)
def test_ports_of_services_are_not_answered(tmp_path: Path, wire: Wire, port: int) -> None:
    """Source port 0, those below 1024, 2049 and all own ones get no answer; their neighbours do."""
    each = 2 if port in (BATCHED_6, PLAIN_6) else 1
    with Daemon(tmp_path, CONFIG, prefix=wire.server.prefix) as daemon:
        assert from_ports(wire, port, (0, 7, 19, 53, 1023, 2049, *PORTS, LOW)) == 0
        assert from_ports(wire, port, (1024, 2048, 2050, 65535)) == 4 * each
        # The switch is for low ports alone.
        assert from_ports(wire, LOW, (0, *PORTS, LOW)) == 0
        assert from_ports(wire, LOW, (7, 19, 53, 1023, 2049, 50_000)) == 6
        daemon.stop()
        for count, reason in ((1, "port-zero"), (5, "low-port"), (5, "own-port")):
            assert f"{each * count} {reason}" in daemon.log


def test_stock_answers_the_ports_of_services(tmp_path: Path, wire: Wire) -> None:
    """The stock server answers all of them but port 0, for which it writes a traceback each time."""
    with stock(tmp_path, BATCHED_6, prefix=wire.server.prefix) as daemon:
        assert from_ports(wire, BATCHED_6, (0, 7, 19, 53, 1023, 2049)) == 10
        assert "Traceback" in daemon.log
        daemon.kill()


def to_everyone(wire: Wire, *ports: int) -> int:
    """Send to broadcast and multicast addresses, from the wire, and return how many were answered."""
    before = wire.server.sent()
    with wire.client.inside(), on_the_wire() as raw:
        for port in ports:
            for data in DATA:
                for host in (BROADCAST_4, "255.255.255.255"):
                    raw.send(frame((CLIENT_4, 50_000), (host, port), data, to="ff:ff:ff:ff:ff:ff"))
                raw.send(frame((CLIENT_6, 50_000), ("ff02::1", port), data, to="33:33:00:00:00:01"))
    return quiet(wire, before)


def test_broadcast_and_multicast_are_not_answered(tmp_path: Path, wire: Wire) -> None:
    """What was sent to many hosts is not answered by each of them; what was sent to this one is."""
    with Daemon(tmp_path, CONFIG, prefix=wire.server.prefix) as daemon:
        received = wire.server.received()
        assert to_everyone(wire, *PORTS) == 0
        # Each port of IPv4 has two kinds of it; those of IPv6 all three.
        assert wire.server.received() - received == (2 + 3 + 2 + 3) * len(DATA)
        with wire.client.inside():
            for host in (SERVER_4, f"[{SERVER_6}]"):
                for port in (BATCHED_6, PLAIN_6):
                    assert datagrams(Address("udp", f"{host}:{port}"), [b"x"]) == [b"x"]
        daemon.stop()
        check_log(daemon)


def test_stock_answers_broadcast_and_multicast(tmp_path: Path, wire: Wire) -> None:
    """The stock server does not ask."""
    with stock(tmp_path, BATCHED_6, prefix=wire.server.prefix) as daemon:
        assert to_everyone(wire, BATCHED_6) > len(DATA)
        daemon.kill()


PAIRS = ((7101, BATCHED_4), (7107, BATCHED_6), (7103, PLAIN_6))


@pytest.mark.parametrize(("packets", "pairs"), [(1, PAIRS), (50, PAIRS[1:2])], ids=["one packet", "fifty packets"])
@best_of(3)
def test_two_daemons_end_their_loop(
    tmp_path: Path, wire: Wire, packets: int, pairs: tuple[tuple[int, int], ...]
) -> None:
    """
    Two daemons that answer each other, as a forger made them, fall silent within two seconds, within the rate.

    Also when so many packets go round that some would survive in a bucket that gives out each token at once.
    """
    for name in ("here", "there"):
        (tmp_path / name).mkdir(exist_ok=True)
    there = CONFIG.replace("7001", "7101").replace("7003", "7103").replace("7005", "7105").replace("7007", "7107")
    with (
        Daemon(tmp_path / "here", CONFIG, prefix=wire.server.prefix) as daemon,
        Daemon(tmp_path / "there", there, prefix=wire.client.prefix) as other,
    ):
        before = wire.server.sent()
        with wire.client.inside(), on_the_wire() as raw:
            for _ in range(packets):
                for theirs, ours in pairs:
                    raw.send(frame((CLIENT_4, theirs), (SERVER_4, ours), b"z" * 1400))
                    raw.send(frame((CLIENT_6, theirs), (SERVER_6, ours), b"z" * 1400))
            times = echo_times(TCP)
        after = wire.server.sent()
        assert quiet(wire, after) == 0, "the loop goes on"
        print(f"{packets} packets made {after - before} answers, TCP {max(times) * 1e3:.1f} ms")
        assert max(times) < 0.1
        # IPv4 to a port of IPv4 alone, and to the others both.
        loops = 2 * len(pairs) - (PAIRS[0] in pairs)
        assert 20 * loops < after - before <= loops * (ROW if packets == 1 else 4000 + 2 * 1000)
        for each in (daemon, other):
            assert each.stop() < 1
            check_log(each)


@best_of(3)
def test_stock_servers_loop_for_ever(tmp_path: Path, wire: Wire) -> None:
    """Two stock servers go on."""
    for name in ("here", "there"):
        (tmp_path / name).mkdir(exist_ok=True)
    with (
        stock(tmp_path / "here", BATCHED_4, prefix=wire.server.prefix) as daemon,
        stock(tmp_path / "there", PLAIN_4, prefix=wire.client.prefix) as other,
    ):
        with wire.client.inside(), on_the_wire() as raw:
            raw.send(frame((CLIENT_4, PLAIN_4), (SERVER_4, BATCHED_4), b"z" * 1400))
        time.sleep(2)
        before = wire.server.sent()
        assert quiet(wire, before) > 100
        daemon.kill()
        other.kill()


GENEROUS = """\
services:
  quotes: {listen: "udp:7001", protocol: qotd, quotes: ["a quote that is longer than most requests are"]%(more)s}
  lines: {listen: "udp:7003", protocol: chargen%(more)s}
  long: {listen: "udp:7005", protocol: reply, reply: "{message}{message}"%(more)s}
  clock: {listen: "udp:7007", protocol: daytime%(more)s}
  seconds: {listen: "udp:7009", protocol: time%(more)s}
  echo: {listen: "udp:7011", protocol: echo%(more)s}
"""


def longest_answers(host: str, source: str, wait: float = 0.2) -> dict[int, list[tuple[int, int]]]:
    """Ask each service with some sizes from an address, and return the sizes of requests and answers by port."""
    found: dict[int, list[tuple[int, int]]] = {}
    for port in range(7001, 7013, 2):
        for size in (0, 3, 20, 100, 1000):
            with socket.socket(type=socket.SOCK_DGRAM) as sock:
                sock.bind((source, 0))
                sock.settimeout(wait)
                sock.sendto(b"q" * size, (host, port))
                try:
                    found.setdefault(port, []).append((size, len(sock.recv(65_536))))
                except TimeoutError:
                    found.setdefault(port, []).append((size, 0))
    return found


def test_no_answer_is_longer_than_its_request(tmp_path: Path, wire: Wire) -> None:
    """Not to a peer that may be anyone. One that `allow` names gets all, and so does everyone with `amplify: true`."""
    with Daemon(tmp_path, GENEROUS % {"more": ""}, prefix=wire.server.prefix) as daemon:
        with wire.client.inside():
            sizes = longest_answers(SERVER_4, CLIENT_4, wait=0.1)
        assert all(answer <= request for each in sizes.values() for request, answer in each), sizes
        # They do answer, as far as they may.
        assert all(any(answer for _, answer in each) for port, each in sizes.items() if port != 7005), sizes
        daemon.stop()
        assert "amplification" in daemon.log
    allow = f", allow: [{OTHER_4}, {CLIENT_4}/32]"
    for more in (allow, ", amplify: true"):
        with Daemon(tmp_path, GENEROUS % {"more": more}, prefix=wire.server.prefix), wire.client.inside():
            sizes = longest_answers(SERVER_4, CLIENT_4)
            assert all(any(answer > request for request, answer in sizes[port]) for port in range(7001, 7011, 2))


def test_a_peer_that_is_not_allowed_gets_nothing(tmp_path: Path, wire: Wire) -> None:
    """`allow` lets in whom it names, and `deny` keeps out of those whom it names, on both ways of answering."""
    config = f"""\
services:
  batched: {{listen: "udp:7001", protocol: echo, allow: [10.99.0.0/24], deny: [{OTHER_4}]}}
  plain: {{listen: "udp:7003", protocol: reply, reply: "{{message}}", allow: [10.99.0.0/24], deny: [{OTHER_4}]}}
  mapped: {{listen: "udp6:7005", protocol: echo, allow: [10.99.0.0/24], deny: [{OTHER_4}]}}
"""
    with Daemon(tmp_path, config, prefix=wire.server.prefix), wire.client.inside():
        for port in (7001, 7003, 7005):
            for source, heard in ((CLIENT_4, True), (OTHER_4, False)):
                with socket.socket(type=socket.SOCK_DGRAM) as sock:
                    sock.bind((source, 0))
                    sock.settimeout(0.3 if not heard else 5)
                    sock.sendto(b"x", (SERVER_4, port))
                    if heard:
                        assert sock.recv(10) == b"x"
                    else:
                        with pytest.raises(TimeoutError):
                            sock.recv(10)
