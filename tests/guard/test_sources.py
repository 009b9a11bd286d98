"""Who a peer is to the limits, and who may."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echod.guard.sources import Permit, is_loopback, packed, source


@given(st.ip_addresses())
def test_every_address_is_packed(address: IPv4Address | IPv6Address) -> None:
    """As the kernel packs it; a mapped one is the IPv4 address that it is, with and without a scope."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    expected = (mapped or address).packed
    assert packed(str(address)) == expected
    if address.version == 6:
        assert packed(f"{address}%eth0") == expected


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_the_ipv4_address(address: IPv4Address) -> None:
    """In each of the ways to write it, so that limits and rules count and find it once."""
    plain = packed(str(address))
    raw = bytes(10) + b"\xff\xff" + address.packed
    for text in (f"::ffff:{address}", socket.inet_ntop(socket.AF_INET6, raw), f"0:0:0:0:0:ffff:{address}"):
        assert packed(text) == plain
    assert source(plain) == plain
    assert Permit([ip_network(f"{address}/32")]).names(packed(f"::ffff:{address}"))


@given(st.ip_addresses(v=6), st.binary(min_size=8, max_size=8), st.binary(min_size=8, max_size=8))
def test_ipv6_counts_by_64_bits(address: IPv6Address, one: bytes, other: bytes) -> None:
    """All addresses of a /64 are one source; those of another are another."""
    network = b"\x20" + address.packed[1:8]
    assert source(network + one) == source(network + other) == network
    neighbour = network[:7] + bytes([network[7] ^ 1])
    assert source(neighbour + one) != source(network + one)


@given(st.text(max_size=60))
def test_no_text_makes_it_fail(text: str) -> None:
    """Whatever a Unix socket is called or a proxy says, it is an address or none."""
    assert len(packed(text)) in (0, 4, 16)


@pytest.mark.parametrize(
    "text", ["", "/run/echo.sock", "1.2.3", "1.2.3.4.5", "256.1.1.1", "::g", "@abstract", "1", "%"]
)
def test_what_is_no_address(text: str) -> None:
    """A Unix socket's peer has none: it is not counted, and always may."""
    assert packed(text) == b""
    assert Permit([ip_network("192.0.2.0/24")]).admits(packed(text))
    assert not Permit([ip_network("0.0.0.0/0")]).names(packed(text))


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("127.0.0.1", True),
        ("127.255.255.254", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("126.255.255.255", False),
        ("128.0.0.1", False),
        ("::2", False),
        ("fe80::1", False),
        ("7f00::1", False),
    ],
)
def test_loopback(text: str, local: bool) -> None:
    """The whole of 127.0.0.0/8, and one IPv6 address."""
    assert is_loopback(packed(text)) is local


@pytest.mark.parametrize(
    ("text", "admitted", "named"),
    [
        ("192.0.2.1", True, True),
        ("::ffff:192.0.2.1", True, True),
        ("192.0.2.66", False, True),
        ("192.0.3.1", False, False),
        ("2001:db8::1", True, True),
        ("2001:db9::1", False, False),
    ],
)
def test_allow_and_deny(text: str, admitted: bool, named: bool) -> None:
    """Who is allowed may, unless denied; both sides of each border."""
    permit = Permit([ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")], [ip_network("192.0.2.64/26")])
    assert permit.admits(packed(text)) is admitted
    assert permit.names(packed(text)) is named
    assert not permit.open


def test_nobody_is_named_where_everyone_may() -> None:
    """An empty `allow` admits everyone and trusts no one; `deny` alone keeps out those whom it names."""
    assert Permit().open
    assert Permit().admits(packed("192.0.2.1"))
    assert not Permit().names(packed("192.0.2.1"))
    denying = Permit(deny=[ip_network("192.0.2.1/32")])
    assert not denying.open
    assert not denying.admits(packed("192.0.2.1"))
    assert denying.admits(packed("192.0.2.2"))
