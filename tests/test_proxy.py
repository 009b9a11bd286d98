"""The PROXY protocol's headers: whole, in pieces, with what follows, and broken in every way."""

from __future__ import annotations

import itertools
import socket
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from echod.proxy import LONGEST_1, LONGEST_2, SIGNATURE_2, Header, HeaderReader, ProxyError

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

Pair = tuple[str, int]

ports = st.integers(0, 65_535)
fours = st.tuples(st.ip_addresses(v=4).map(str), ports)
sixes = st.tuples(st.ip_addresses(v=6).map(lambda each: socket.inet_ntop(socket.AF_INET6, each.packed)), ports)


def line(peer: Pair, local: Pair) -> bytes:
    """Write a header of version 1."""
    family = "TCP6" if ":" in peer[0] else "TCP4"
    return f"PROXY {family} {peer[0]} {local[0]} {peer[1]} {local[1]}\r\n".encode()


def binary(peer: Pair, local: Pair, extra: bytes = b"", command: int = 0x21) -> bytes:
    """Write a header of version 2."""
    family, code = (socket.AF_INET6, 0x21) if ":" in peer[0] else (socket.AF_INET, 0x11)
    ends = b"".join(socket.inet_pton(family, host) for host, _ in (peer, local))
    body = ends + struct.pack("!HH", peer[1], local[1]) + extra
    return SIGNATURE_2 + struct.pack("!BBH", command, code, len(body)) + body


def read(pieces: list[bytes], *, required: bool = True) -> tuple[Header, bytes] | None:
    """Feed pieces until there is a header; what is left of them follows it."""
    reader = HeaderReader(required=required)
    for at, piece in enumerate(pieces):
        found = reader.feed(piece)
        if found is not None:
            return found[0], found[1] + b"".join(pieces[at + 1 :])
    return None


MAPPED = ("::ffff:192.0.2.1", 7)

headers = st.one_of(
    st.tuples(fours, fours).map(lambda ends: (Header(*ends), line(*ends))),
    st.tuples(sixes, sixes).map(lambda ends: (Header(*ends), line(*ends))),
    st.tuples(st.one_of(st.tuples(fours, fours), st.tuples(sixes, sixes)), st.binary(max_size=300)).map(
        lambda case: (Header(*case[0]), binary(*case[0], case[1]))
    ),
    st.sampled_from(
        [b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ffff::1 ::1 65535 1\r\n", b"PROXY UNKNOWN \x1b[31m\r\n"]
    ).map(lambda header: (Header(), header)),
    st.binary(max_size=60).map(
        lambda body: (Header(), SIGNATURE_2 + b"\x20\x00" + struct.pack("!H", len(body)) + body)
    ),
)


@example((Header(MAPPED, MAPPED), line(MAPPED, MAPPED)), b"", [], True)
@example((Header(MAPPED, MAPPED), binary(MAPPED, MAPPED)), b"", [], True)
@given(headers, st.binary(max_size=50), st.lists(st.integers(0, 400), max_size=6), st.booleans())
def test_any_header_in_any_pieces(case: tuple[Header, bytes], rest: bytes, cuts: list[int], required: bool) -> None:
    """What the header says and what follows it are the same however it was split."""
    header, written = case
    data = written + rest
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(bounds)]
    assert read(pieces, required=required) == (header, rest)


@pytest.mark.parametrize(
    "written",
    [
        line(("192.0.2.1", 56_324), ("198.51.100.1", 443)),
        line(("2001:db8::1", 56_324), ("::1", 443)),
        binary(("192.0.2.1", 56_324), ("198.51.100.1", 443)),
        binary(("2001:db8::1", 56_324), ("::1", 443), b"\x04\x00\x01x"),
        SIGNATURE_2 + b"\x20\x00\x00\x00",
        b"PROXY UNKNOWN\r\n",
    ],
)
def test_byte_by_byte(written: bytes) -> None:
    """Not a byte too early and not one too late."""
    reader = HeaderReader(required=True)
    for byte in written[:-1]:
        assert reader.feed(bytes([byte])) is None
    found = reader.feed(written[-1:])
    assert found is not None
    assert found[1] == b""
    assert found == read([written])


@given(
    st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=4), st.sampled_from([b"", b"PROXY ", SIGNATURE_2])
)
@example(b"TCP4 a b c d\r\n", [], b"PROXY ")
@example(b"\r\n", [], b"PROXY ")
def test_garbage_raises_nothing_else(garbage: bytes, cuts: list[int], start: bytes) -> None:
    """A header, nothing yet, or `ProxyError`."""
    data = start + garbage
    bounds = [0, *sorted(cuts), len(data)]
    pieces = [data[begin:end] for begin, end in itertools.pairwise(bounds)]
    said = ""
    try:
        read(pieces)
    except ProxyError as problem:
        said = str(problem)
    assert said.isprintable()


BAD_LINES = [
    b"PROXY \r\n",
    b"PROXY TCP4\r\n",
    b"PROXY TCP5 192.0.2.1 198.51.100.1 1 2\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1  1 2\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 99999 2\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 65536 2\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 -1 2\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 01 2\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 a b\r\n",
    "PROXY TCP4 192.0.2.1 198.51.100.1 1 ²\r\n".encode("latin-1"),
    b"PROXY TCP4 1.2.3.4\x1b[31m 198.51.100.1 1 2\r\n",
    b"PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n",
    b"PROXY TCP4 2001:db8::1 198.51.100.1 1 2\r\n",
    b"PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n",
    b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
    b"PROXY TCP6 ::1%\x1b[31m ::1 1 2\r\n",
    b"PROXY TCP4 192.0.2.\xb2 198.51.100.1 1 2\r\n",
    b"proxy TCP4 192.0.2.1 198.51.100.1 1 2\r\n",
    b"GET / HTTP/1.0\r\n",
    b"\x00",
]


@pytest.mark.parametrize("text", BAD_LINES)
def test_broken_lines(text: bytes) -> None:
    """Each is refused, with a reason that shows nothing raw."""
    with pytest.raises(ProxyError) as caught:
        read([text])
    assert str(caught.value).isprintable()


def test_the_longest_line() -> None:
    """Version 1 has 107 bytes at most: one more is refused, and so is a line that does not end, as soon as is known."""
    start = b"PROXY UNKNOWN "
    assert read([start + b"x" * (LONGEST_1 - 2 - len(start)) + b"\r\n"]) == (Header(), b"")
    with pytest.raises(ProxyError):
        read([start + b"x" * (LONGEST_1 - 1 - len(start)) + b"\r\n"])
    endless = start + b"x" * (LONGEST_1 - len(start))
    assert read([endless[:-1]]) is None
    with pytest.raises(ProxyError):
        read([endless])
    longest = ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65_535)
    assert read([line(longest, longest)]) == (Header(longest, longest), b"")


def test_the_longest_binary_header() -> None:
    """A longer one than is read is refused by its length, before it comes."""
    ends = (("192.0.2.1", 1), ("192.0.2.2", 2))
    most = LONGEST_2 - 16 - 12
    assert read([binary(*ends, bytes(most))]) == (Header(*ends), b"")
    with pytest.raises(ProxyError):
        read([binary(*ends, bytes(most + 1))[:16]])
    with pytest.raises(ProxyError):
        read([SIGNATURE_2 + b"\x21\x11\xff\xff"])


@pytest.mark.parametrize("command", [0x00, 0x10, 0x11, 0x22, 0x2F, 0x31, 0xFF])
def test_unknown_commands(command: int) -> None:
    """Another version or command is refused."""
    with pytest.raises(ProxyError):
        read([binary(("192.0.2.1", 1), ("192.0.2.2", 2), command=command)])


@pytest.mark.parametrize(("family", "length"), [(0x11, 11), (0x11, 0), (0x21, 35), (0x21, 12)])
def test_addresses_that_are_too_short(family: int, length: int) -> None:
    """A length that cannot hold the addresses is refused."""
    with pytest.raises(ProxyError):
        read([SIGNATURE_2 + struct.pack("!BBH", 0x21, family, length) + bytes(length)])


@pytest.mark.parametrize("family", [0x00, 0x31, 0x32])
def test_clients_without_an_address(family: int) -> None:
    """A Unix socket's client, whatever bytes its path has, is the balancer to us."""
    body = b"\xff\x1b\x00" * 72
    assert read([SIGNATURE_2 + struct.pack("!BBH", 0x21, family, len(body)) + body + b"x"]) == (Header(), b"x")


@given(st.binary(max_size=40))
def test_without_a_header(data: bytes) -> None:
    """Where none is required, what does not begin like one is the client's own, at once or when the wait is over."""
    reader = HeaderReader(required=False)
    if b"PROXY ".startswith(data[:6]) or data.startswith(b"PROXY ") or SIGNATURE_2.startswith(data[:12]):
        data = b"P" if data else data
    found = reader.feed(data)
    assert (found or reader.without()) == (Header(), data)
    with pytest.raises(ProxyError):
        HeaderReader(required=True).without()


@given(st.ip_addresses(), ports)
def test_what_is_read_is_an_address(address: IPv4Address | IPv6Address, port: int) -> None:
    """Whatever is read is the address that was written, in either version."""
    pair = (str(address), port)
    for written in (line(pair, pair), binary(pair, pair)):
        found = read([written])
        assert found is not None
        assert found[0].peer is not None
        assert (type(address)(found[0].peer[0]), found[0].peer[1]) == (address, port)
