"""Packets made by hand, with sources that are not ours: what a forger sends."""

from __future__ import annotations

import socket
import struct

from tests.system.safety.wire import CLIENT_MAC, SERVER_MAC

_ETHERTYPE = {4: 0x0800, 6: 0x86DD}
_UDP = socket.IPPROTO_UDP


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(source: tuple[str, int], destination: tuple[str, int], data: bytes) -> bytes:
    """Return an IP packet with a UDP datagram."""
    version = 6 if ":" in source[0] else 4
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    ends = b"".join(socket.inet_pton(family, host) for host, _ in (source, destination))
    length = 8 + len(data)
    udp = struct.pack("!HHHH", source[1], destination[1], length, 0)
    pseudo = ends + (struct.pack("!II", length, _UDP) if version == 6 else struct.pack("!HH", _UDP, length))
    udp = udp[:6] + struct.pack("!H", checksum(pseudo + udp + data) or 0xFFFF) + data
    if version == 6:
        return struct.pack("!IHBB", 6 << 28, length, _UDP, 64) + ends + udp
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 1, 0, 64, _UDP, 0) + ends
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + udp


def frame(source: tuple[str, int], destination: tuple[str, int], data: bytes, to: str = SERVER_MAC) -> bytes:
    """Return an Ethernet frame from the client's end of the wire."""
    made = packet(source, destination, data)
    addresses = bytes.fromhex(to.replace(":", "")) + bytes.fromhex(CLIENT_MAC.replace(":", ""))
    return addresses + struct.pack("!H", _ETHERTYPE[made[0] >> 4]) + made


def on_the_wire(interface: str = "c") -> socket.socket:
    """Open a socket which sends frames (packet(7)); call it inside the place."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((interface, 0))
    return sock


def send_here(source: tuple[str, int], destination: tuple[str, int], data: bytes) -> None:
    """Send from this very host, over its loopback: with a header of our own making (raw(7), ipv6(7))."""
    made = packet(source, destination, data)
    family = socket.AF_INET6 if made[0] >> 4 == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        sock.sendto(made, (destination[0], 0))
