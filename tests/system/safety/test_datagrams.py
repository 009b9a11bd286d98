"""Every datagram comes back whole, from the address that it was sent to, or is counted."""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.system.clients import datagrams
from tests.system.daemon import Address, Daemon
from tests.system.programs import program
from tests.system.safety.packets import frame, on_the_wire
from tests.system.safety.probe import check_log
from tests.system.safety.stock import stock
from tests.system.safety.wire import (
    BROADCAST_4,
    CLIENT_4,
    SECOND_4,
    SECOND_6,
    SERVER_4,
    SERVER_6,
    SERVER_LINK,
    Wire,
)

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 65_507

CONFIG = r"""
services:
  batched: {listen: ["udp:7001", "udp6:7003"], protocol: echo}
  plain: {listen: ["udp:7005", "udp6:7007"], protocol: reply, reply: "{message}"}
"""
IPV4, IPV6 = (7001, 7003, 7005, 7007), (7003, 7007)


def large_client(where: Address) -> socket.socket:
    """Return a connected socket with room for all answers."""
    sock = socket.socket(socket.AF_INET6 if ":" in where.host else socket.AF_INET, socket.SOCK_DGRAM)
    # SO_RCVBUFFORCE of <asm-generic/socket.h>: beyond what others may have.
    sock.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)
    sock.connect(where.name)
    sock.settimeout(1)
    return sock


def received(sock: socket.socket, count: int) -> int:
    """Return how many datagrams came, up to a count."""
    for number in range(count):
        try:
            sock.recv(1 << 16)
        except TimeoutError:  # noqa: PERF203 - that is how the end is told
            return number
    return count


SIZES = (0, 1, 511, 512, 513, 1023, 1024, 1025, 1472, 1473, 8191, 8192, 8193, 32_768, 65_506, LARGEST)


def check_sizes(*where: Address) -> None:
    """Fail unless datagrams of all sizes come back as they were."""
    data = os.urandom(LARGEST)
    for each in where:
        answers = datagrams(each, [data[:size] for size in SIZES])
        assert [len(answer) for answer in answers] == list(SIZES)
        assert all(answer == data[: len(answer)] for answer in answers)


def check_bursts(where: Address) -> None:
    """Fail unless every datagram of a burst comes back, and of the largest ones, a thousand of them in a second."""
    with large_client(where) as sock:
        for number in range(4000):
            sock.send(b"%064d" % number)
        assert received(sock, 4000) == 4000
    data = os.urandom(LARGEST)
    with large_client(where) as sock:
        began, heard = time.perf_counter(), 0
        for number in range(1000):
            sock.send(data)
            # Received in between: the client is not what is tested here.
            if number % 50 == 49:
                heard += received(sock, 45)
            time.sleep(max(0.0, began + number / 1000 - time.perf_counter()))
        assert heard + received(sock, 1000 - heard) == 1000


@pytest.mark.parametrize("plain", [False, True], ids=["batched", "plain"])
def test_sizes_and_bursts(tmp_path: Path, plain: bool) -> None:
    """Whatever a datagram can hold comes back, and no burst that the kernel holds is lost."""
    answer = 'protocol: reply, reply: "{message}"' if plain else "protocol: echo"
    config = f"services: {{echo: {{listen: ['udp:0', 'udp6:0'], {answer}}}}}"
    with Daemon(tmp_path, config) as daemon:
        four, six = (daemon.at("echo", kind).port for kind in ("udp", "udp6"))
        check_sizes(*(Address("udp", text) for text in (f"127.0.0.1:{four}", f"127.0.0.1:{six}", f"[::1]:{six}")))
        check_bursts(Address("udp", f"127.0.0.1:{four}"))
        check_bursts(Address("udp", f"[::1]:{six}"))


def test_stock_cuts_and_loses(tmp_path: Path) -> None:
    """The stock server cuts at 8,192 bytes, and loses most of a burst."""
    with stock(tmp_path, host="127.0.0.1") as daemon:
        with pytest.raises(AssertionError):
            check_sizes(daemon.at("echo", "udp"))
        with pytest.raises(AssertionError):
            check_bursts(daemon.at("echo", "udp"))
        daemon.kill()


def test_kernel_drops_are_counted(tmp_path: Path) -> None:
    """What the kernel could not hold while the daemon did not run is summed up in the log."""
    with Daemon(tmp_path, "services: {echo: {listen: 'udp:0:interface=127.0.0.1', protocol: echo}}") as daemon:
        where = daemon.at("echo")
        with large_client(where) as sock:
            daemon.send_signal(signal.SIGSTOP)
            for _ in range(40_000):
                sock.send(b"x")
            daemon.send_signal(signal.SIGCONT)
            heard = received(sock, 40_000)
        assert 4000 <= heard < 40_000
        daemon.stop()
        assert f"dropped {40_000 - heard} kernel" in daemon.log


def answers_from(host: str, *ports: int) -> None:
    """Fail unless connected sockets, which hear nobody else, hear an answer from each port."""
    for port in ports:
        assert datagrams(Address("udp", f"{host}:{port}"), [b"", b"x"]) == [b"", b"x"], (host, port)


def test_the_answer_leaves_from_the_address_that_was_hit(tmp_path: Path, wire: Wire) -> None:
    """Every address of the host, over the wire and over loopback, IPv4 on an IPv6 socket too."""
    with Daemon(tmp_path, CONFIG, prefix=wire.server.prefix):
        with wire.client.inside():
            for host in (SERVER_4, SECOND_4):
                answers_from(host, *IPV4)
            for host in (SERVER_6, SECOND_6):
                answers_from(f"[{host}]", *IPV6)
        with wire.server.inside():
            for host in ("127.0.0.1", "127.0.0.2", SERVER_4, SECOND_4):
                answers_from(host, *IPV4)
            for host in ("::1", SERVER_6, SECOND_6):
                answers_from(f"[{host}]", *IPV6)


def test_stock_answers_from_another_address(tmp_path: Path, wire: Wire) -> None:
    """The stock server answers a client of the second address from the first."""
    with stock(tmp_path, 7003, prefix=wire.server.prefix) as daemon, wire.client.inside():
        answers_from(SERVER_4, 7003)
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.5)
            sock.connect((SECOND_4, 7003))
            sock.send(b"x")
            with pytest.raises(TimeoutError):
                sock.recv(10)
        daemon.kill()


def test_the_answer_may_leave_by_another_way(tmp_path: Path, wire: Wire) -> None:
    """A reply goes where the routes say, although its request came in by another interface."""
    wire.lay_second()
    # Linux would answer for any of its addresses on any interface, and the wrong way would do.
    wire.client.configure(ipv4__conf__c2__arp_ignore=1, ipv4__conf__c2__arp_announce=2)
    # What is sent to the first wire's address by way of the second comes in there, and has to go out on the first.
    wire.client.ip(f"route add {SECOND_4}/32 via 10.98.0.1 src {CLIENT_4}")
    with Daemon(tmp_path, CONFIG, prefix=wire.server.prefix), wire.client.inside():
        answers_from(SECOND_4, *IPV4)


def from_link(interface: str, port: int) -> None:
    """Fail unless a link-local peer on an interface gets its answers."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.settimeout(2)
        sock.connect((SERVER_LINK, port, 0, socket.if_nametoindex(interface)))
        for data in (b"", b"link"):
            sock.send(data)
            assert sock.recv(10) == data


def test_link_local_peers_on_two_interfaces(tmp_path: Path, wire: Wire) -> None:
    """The same address behind each of two interfaces is a peer of its own."""
    wire.lay_second()
    with Daemon(tmp_path, CONFIG, prefix=wire.server.prefix), wire.client.inside():
        for port in IPV6:
            for interface in ("c", "c2"):
                from_link(interface, port)
            # A global address that asks a link-local one.
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
                sock.settimeout(2)
                sock.bind(("fd99::9", 0))
                sock.connect((SERVER_LINK, port, 0, socket.if_nametoindex("c")))
                sock.send(b"x")
                assert sock.recv(10) == b"x"


def test_stock_forgets_the_interface(tmp_path: Path, wire: Wire) -> None:
    """The stock server answers only where its routes happen to lead."""
    wire.lay_second()
    with stock(tmp_path, 7003, prefix=wire.server.prefix) as daemon, wire.client.inside():
        heard = []
        for interface in ("c", "c2"):
            with suppress(TimeoutError):
                from_link(interface, 7003)
                heard.append(interface)
        assert len(heard) < 2
        daemon.kill()


def provoke(wire: Wire, ports: tuple[int, ...], times: int) -> dict[str, int]:
    """Make answers fail in every way that can be had from outside, and return how often each."""
    with wire.client.inside(), on_the_wire() as raw:
        for port in ports:
            for _ in range(times):
                # No route back; a broadcast address as the source, to which no answer may be sent.
                raw.send(frame(("198.51.100.1", 50_000), (SERVER_4, port), b"unreachable"))
                raw.send(frame((BROADCAST_4, 50_000), (SERVER_4, port), b"broadcast"))
                # What the filter refuses; and what is longer than the path back takes.
                raw.send(frame((CLIENT_4, 50_001), (SERVER_4, port), b"filtered"))
    return {"ENETUNREACH": times, "EACCES": times, "EPERM": times}


FILTER = """\
table inet refuse {
  chain output { type filter hook output priority 0; policy accept;
    udp dport 50001 drop
  }
}
"""


def test_errors_of_sending_are_counted(tmp_path: Path, wire: Wire) -> None:
    """None of them is a traceback, and the next datagram is answered: on both ways of answering, IPv4 on IPv6 too."""
    wire.server.ip("route delete default")
    rules = tmp_path / "rules"
    rules.write_text(FILTER, encoding="ascii")
    wire.server.run(program("nft"), "-f", str(rules))
    config = """\
services:
  batched: {listen: "udp:7001", protocol: echo}
  mapped: {listen: "udp6:7003", protocol: echo}
  plain: {listen: ["udp:7005"], protocol: reply, reply: "{message}"}
  plain-mapped: {listen: ["udp6:7007"], protocol: reply, reply: "{message}"}
"""
    with Daemon(tmp_path, config, prefix=wire.server.prefix) as daemon:
        counts = provoke(wire, IPV4, 50)
        with wire.client.inside():
            answers_from(SERVER_4, *IPV4)
        daemon.stop()
        for service in ("batched", "mapped", "plain", "plain-mapped"):
            (line,) = (line for line in daemon.log.splitlines() if f"] {service}: dropped" in line)
            for name, count in counts.items():
                assert f"{count} {name}" in line, line
        check_log(daemon)


def test_too_long_for_the_way_back(tmp_path: Path, wire: Wire) -> None:
    """A full send buffer loses what does not fit, counted, and nothing else."""
    wire.server.run(
        program("tc"), *["qdisc", "add", "dev", "s", "root", "tbf", "rate", "2mbit", "burst", "16k", "limit", "64m"]
    )
    config = 'services: {batched: {listen: "udp:7001", protocol: echo}, plain: {listen: "udp:7005", protocol: reply,'
    config += ' reply: "{message}"}}'
    with Daemon(tmp_path, config, prefix=wire.server.prefix) as daemon, wire.client.inside():
        for port in (7001, 7005):
            with socket.socket(type=socket.SOCK_DGRAM) as sock:
                sock.connect((SERVER_4, port))
                for number in range(3000):
                    sock.send(b"%04d" % number + b"x" * 1300)
        time.sleep(0.5)
        wire.server.run(program("tc"), *["qdisc", "delete", "dev", "s", "root"])
        answers_from(SERVER_4, 7001, 7005)
        daemon.stop()
        for service in ("batched", "plain"):
            assert f"] {service}: dropped" in daemon.log
        assert daemon.log.count(" EAGAIN") == 2
        check_log(daemon)


def test_stock_writes_a_traceback_for_each(tmp_path: Path, wire: Wire) -> None:
    """The stock server fills its log."""
    wire.server.ip("route delete default")
    with stock(tmp_path, 7001, 7003, 7005, 7007, prefix=wire.server.prefix) as daemon:
        provoke(wire, (7001,), 10)
        time.sleep(0.5)
        assert daemon.log.count("Traceback") >= 20
        daemon.kill()
