"""
What the kernel tells of a datagram besides its sender, and is told of its reply: the address of ours that was hit.

Packet information: IP_PKTINFO of ip(7), and IPV6_PKTINFO of RFC 3542 section 6.1.
"""

from __future__ import annotations

import socket

IP_PKTINFO = getattr(socket, "IP_PKTINFO", 8)
"""From <linux/in.h>; Python's socket module does not have it in every version."""

Ancillary = list[tuple[int, int, bytes]]
"""Control messages: level, kind and contents of each."""

_PACKET_INFORMATION = {(socket.IPPROTO_IP, IP_PKTINFO), (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO)}


def hit_address(ancillary: Ancillary) -> str:
    """Return the local address that was hit, or "" when the kernel told none."""
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == IP_PKTINFO:
            return socket.inet_ntop(socket.AF_INET, data[4:8])
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            return socket.inet_ntop(socket.AF_INET6, data[:16])
    return ""


def is_unicast(ancillary: Ancillary) -> bool:
    """Tell whether a datagram was sent to this host alone, not to a broadcast or multicast address."""
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == IP_PKTINFO:
            # An in_pktinfo: the interface, the local address, the destination in the packet's header.
            return data[4:8] == data[8:12]
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            return data[0] != 0xFF
    return True


def turned_back(ancillary: Ancillary) -> Ancillary:
    """
    Make the packet information of a datagram into that of its reply: from the address that was hit.

    The interface is left to the routing table, since replies may well take another way than requests; only an address
    that is valid on one link alone, a link-local one, needs it.
    """
    return [
        (level, kind, b"\0\0\0\0" + data[4:12] if level == socket.IPPROTO_IP else _without_interface(data))
        for level, kind, data in ancillary
        if (level, kind) in _PACKET_INFORMATION
    ]


def _without_interface(information: bytes) -> bytes:
    """Return an in6_pktinfo for any interface, or as it is for a link-local address (fe80::/10)."""
    link_local = information[0] == 0xFE and information[1] & 0xC0 == 0x80
    return information if link_local else information[:16] + b"\0\0\0\0"
