r"""
The PROXY protocol, versions 1 and 2: what a load balancer says of its client before the client's own bytes.

Specification: https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt. No I/O: a `HeaderReader` is fed what
arrived, in any pieces, and returns the `Header` and what follows it.

Version 1 is one line, `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n`, or `PROXY UNKNOWN\r\n`. Version 2 is a
signature of 12 bytes, version and command, family, a length, addresses, and further fields, which are skipped.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address

SIGNATURE_1 = b"PROXY "
SIGNATURE_2 = b"\r\n\r\n\x00\r\nQUIT\n"

LONGEST_1 = 107
"""Bytes of the longest line that version 1 allows, its CRLF included."""

LONGEST_2 = 4_096
"""Bytes of the longest header of version 2 that is read; the format would allow 65,551."""

_FIXED_2 = 16
_LOCAL, _PROXY = 0x20, 0x21
_LENGTHS = {0x1: 12, 0x2: 36}


class ProxyError(ValueError):
    """The bytes are no header, or a broken one; the message says how."""


@dataclass(frozen=True, slots=True)
class Header:
    """
    What the balancer says.

    Addresses are (host, port) pairs; both None where it speaks for itself, as in its health checks, or of a client
    without an IP address: then the connection's own addresses count.

    :ivar peer: the client.
    :ivar local: the address that the client connected to.
    """

    peer: tuple[str, int] | None = None
    local: tuple[str, int] | None = None


class HeaderReader:
    """
    Reads one header.

    :param required: whether a connection without a header is an error; otherwise it is one that speaks for itself.
    """

    def __init__(self, *, required: bool) -> None:
        self._required = required
        self._kept = b""

    def feed(self, data: bytes) -> tuple[Header, bytes] | None:
        """
        Take what arrived. Returns the header and the bytes behind it, or None while it is not whole.

        :raises ProxyError: there will be no header.
        """
        kept = self._kept = self._kept + data
        if kept.startswith(SIGNATURE_1):
            return self._line()
        if kept.startswith(SIGNATURE_2):
            return self._binary()
        if SIGNATURE_1.startswith(kept) or SIGNATURE_2.startswith(kept):
            return None
        if self._required:
            raise ProxyError("the connection does not begin with a PROXY header")
        return Header(), kept

    def without(self) -> tuple[Header, bytes]:
        """
        Give up waiting: return what came as the client's own bytes.

        :raises ProxyError: a header is required.
        """
        if self._required:
            raise ProxyError("no PROXY header came in time")
        return Header(), self._kept

    def _line(self) -> tuple[Header, bytes] | None:
        """Read version 1."""
        kept = self._kept
        end = kept.find(b"\r\n", 0, LONGEST_1)
        if end < 0:
            if len(kept) >= LONGEST_1:
                raise ProxyError(f"the line has no end within {LONGEST_1} bytes")
            return None
        rest = kept[end + 2 :]
        words = kept[:end].split(b" ")
        if words[1] == b"UNKNOWN":
            return Header(), rest
        if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6"):
            raise ProxyError("the line is not `PROXY TCP4|TCP6 CLIENT SERVER PORT PORT`")
        family = IPv4Address if words[1] == b"TCP4" else IPv6Address
        peer, local = (_host(family, word) for word in words[2:4])
        peer_port, local_port = (_port(word) for word in words[4:6])
        return Header((peer, peer_port), (local, local_port)), rest

    def _binary(self) -> tuple[Header, bytes] | None:
        """Read version 2."""
        kept = self._kept
        if len(kept) < _FIXED_2:
            return None
        command, family, length = struct.unpack_from("!BBH", kept, len(SIGNATURE_2))
        end = _FIXED_2 + length
        if command not in (_LOCAL, _PROXY):
            raise ProxyError(f"version and command {command:#04x} are not known")
        if end > LONGEST_2:
            raise ProxyError(f"the header of {end} bytes is longer than {LONGEST_2}")
        if len(kept) < end:
            return None
        rest = kept[end:]
        kind = family >> 4
        if command == _LOCAL or kind not in _LENGTHS:
            return Header(), rest
        if length < _LENGTHS[kind]:
            raise ProxyError(f"{length} bytes are too short for the addresses of family {family:#04x}")
        size = 4 if kind == 1 else 16
        inet = socket.AF_INET if kind == 1 else socket.AF_INET6
        peer, local = (socket.inet_ntop(inet, kept[at : at + size]) for at in (_FIXED_2, _FIXED_2 + size))
        ports = struct.unpack_from("!HH", kept, _FIXED_2 + 2 * size)
        return Header((peer, ports[0]), (local, ports[1])), rest


def _host(family: type[IPv4Address | IPv6Address], word: bytes) -> str:
    try:
        if b"%" in word:
            # Python would take any text for the name of an interface; the specification knows none.
            raise AddressValueError(word)  # noqa: TRY301 - reported below
        # Written as the kernel writes it: versions of Python differ about IPv4 addresses within IPv6.
        inet = socket.AF_INET if family is IPv4Address else socket.AF_INET6
        return socket.inet_ntop(inet, family(word.decode("ascii")).packed)
    except (AddressValueError, UnicodeDecodeError) as problem:
        raise ProxyError(f"{word[:50]!r} is no address of its family") from problem


def _port(word: bytes) -> int:
    if not word.isdigit() or len(word) > 5 or (word[:1] == b"0" and word != b"0") or int(word) > 65_535:
        raise ProxyError(f"{word[:10]!r} is no port")
    return int(word)
