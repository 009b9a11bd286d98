"""Datagram ports: every size whole, a turn that ends, and replies from the address that was hit."""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from echod.transport.datagram import BUDGET
from echod.transport.packet_info import hit_address, is_unicast, turned_back
from tests.transport.datagrams import LARGEST_4, LARGEST_6, Open

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(name="opened", params=[socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def open_port(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Open a loopback port of each family."""
    opened = Open(request.param, ("127.0.0.1" if request.param == socket.AF_INET else "::1", 0))
    yield opened
    opened.close()


def test_every_size_is_whole(opened: Open) -> None:
    """From nothing to the most that UDP can carry, none is cut, split or dropped."""
    largest = LARGEST_4 if opened.port.socket.family == socket.AF_INET else LARGEST_6
    client = opened.client()
    around = [1, 2, 63, 64, 511, 512, 513, 1472, 1473, 8191, 8192, 8193, 9000, 16_384, 65_000]
    for size in [0, *around, largest - 1, largest]:
        sent = os.urandom(size)
        assert client.send(sent) == size
        assert opened.port.read(9) == 1
        assert client.recv(99_999) == sent
    assert not opened.port.errors
    with pytest.raises(OSError, match="too long"):
        client.send(bytes(largest + 1))


def test_one_turn_is_counted_in_datagrams(opened: Open) -> None:
    """Empty datagrams count too: counted in bytes, they would keep Twisted's port busy for ever."""
    client = opened.client()
    for _ in range(BUDGET + 3):
        client.send(b"")
    opened.port.doRead()
    assert len(opened.echoing.heard) == BUDGET
    opened.port.doRead()
    assert len(opened.echoing.heard) == BUDGET + 3
    assert [client.recv(9) for _ in range(BUDGET + 3)] == [b""] * (BUDGET + 3)


def test_datagrams_to_itself_do_not_keep_a_turn(opened: Open) -> None:
    """An echo that is its own peer refills its socket while it is served: the turn ends all the same."""
    opened.port.write(b"", opened.port.socket.getsockname())
    opened.port.doRead()
    assert len(opened.echoing.heard) == BUDGET


def test_addresses(opened: Open) -> None:
    """The port's own, the peer's, and the one that was hit."""
    client = opened.client()
    client.send(b"x")
    opened.port.doRead()
    host, port = opened.port.socket.getsockname()[:2]
    kind = IPv4Address if opened.port.socket.family == socket.AF_INET else IPv6Address
    assert opened.port.getHost() == kind("UDP", host, port)
    assert opened.echoing.heard == [(b"x", client.getsockname())]
    assert opened.echoing.hits == [(host, True)]


@pytest.mark.parametrize(
    ("family", "bound", "hit", "seen"),
    [
        (socket.AF_INET, "0.0.0.0", "127.0.0.2", "127.0.0.2"),
        (socket.AF_INET, "0.0.0.0", "127.255.3.4", "127.255.3.4"),
        (socket.AF_INET6, "::", "::1", "::1"),
        (socket.AF_INET6, "::", "::ffff:127.0.0.2", "::ffff:127.0.0.2"),
    ],
)
def test_replies_leave_from_the_address_that_was_hit(family: int, bound: str, hit: str, seen: str) -> None:
    """A connected client takes a reply only from the address to which it sent."""
    opened = Open(family, (bound, 0))
    client = opened.client((hit, opened.port.socket.getsockname()[1]))
    client.send(b"hello")
    opened.port.doRead()
    assert client.recv(9) == b"hello"
    assert opened.echoing.hits == [(seen, True)]
    opened.close()


def test_broadcast_is_no_unicast() -> None:
    """A datagram to a broadcast or multicast address is known by the address that was hit."""
    group = "239.255.70.7"
    opened = Open(socket.AF_INET, ("0.0.0.0", 0))
    member = struct.pack("4s4s", socket.inet_aton(group), socket.inet_aton("127.0.0.1"))
    opened.port.socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        client.bind(("127.0.0.1", 0))
        client.sendto(b"x", (group, opened.port.socket.getsockname()[1]))
        opened.port.doRead()
    assert [unicast for _, unicast in opened.echoing.hits] == [False]
    opened.close()


def test_packet_information() -> None:
    """Each family's form; nothing where the kernel gave none; a reply keeps the interface of link-local peers only."""
    here, index = socket.inet_aton("192.0.2.1"), struct.pack("I", 3)
    four = [(socket.SOL_SOCKET, 1, b""), (socket.IPPROTO_IP, 8, index + here + here)]
    wide = [(socket.IPPROTO_IP, 8, index + here + socket.inet_aton("192.0.2.255"))]
    assert (hit_address(four), is_unicast(four)) == ("192.0.2.1", True)
    assert (hit_address(wide), is_unicast(wide)) == ("192.0.2.1", False)
    assert turned_back(four) == [(socket.IPPROTO_IP, 8, bytes(4) + here + here)]
    for text, unicast, kept in (
        ("2001:db8::1", True, bytes(4)),
        ("fe80::1", True, index),
        ("ff02::1", False, bytes(4)),
    ):
        address = socket.inet_pton(socket.AF_INET6, text)
        six = [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, address + index)]
        assert (hit_address(six), is_unicast(six)) == (text, unicast)
        assert turned_back(six) == [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, address + kept)]
    assert (hit_address([]), is_unicast([]), turned_back([])) == ("", True, [])


def test_stop_listening_closes_once(opened: Open) -> None:
    """Also in the middle of a batch, of which the rest is left unread."""
    client = opened.client()
    for _ in range(3):
        client.send(b"x")
    opened.echoing.after = opened.port.stopListening
    assert opened.port.read(99) == 1
    opened.port.stopListening()
    assert len(opened.echoing.heard) == 1
    assert (opened.closed, opened.echoing.stopped, opened.port.fileno()) == (1, 1, -1)
    assert not opened.host.readers


def test_unix_sockets(tmp_path: Path) -> None:
    """Named peers are answered at their path, peers without a name can be told by their empty one."""
    opened = Open(socket.AF_UNIX, str(tmp_path / "s"))
    assert opened.port.getHost() == UNIXAddress(str(tmp_path / "s"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.bind(str(tmp_path / "c"))
        client.sendto(b"x" * 65_507, str(tmp_path / "s"))
        opened.port.doRead()
        assert client.recv(99_999) == b"x" * 65_507
    opened.client().send(b"who?")
    opened.port.doRead()
    assert [name for _, name in opened.echoing.heard] == [str(tmp_path / "c"), None]
    opened.close()


def test_what_the_kernel_dropped_can_be_asked_for(opened: Open) -> None:
    """A full receive buffer loses datagrams before we see them: their number is known, and grows."""
    client = opened.client()
    assert opened.port.kernel_drops() == 0
    opened.port.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    assert opened.port.receive_buffer() < 16_384
    for _ in range(200):
        client.send(bytes(1000))
    taken = opened.port.read(999)
    assert opened.port.kernel_drops() == 200 - taken > 0
