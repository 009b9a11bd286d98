"""
Who a peer is to the limits: an IPv4 address, or an IPv6 network of 64 bits.

A single IPv6 host can use any address of its /64 (RFC 7934), so counting addresses would count nothing. An IPv4
address that arrives on an IPv6 socket (`::ffff:192.0.2.1`, RFC 4291) is that IPv4 address.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Network, IPv6Network

MAPPED = bytes(10) + b"\xff\xff"
"""The first 12 bytes of an IPv4 address as IPv6 has it."""

_LOOPBACK_6 = bytes(15) + b"\x01"
_PREFIX = 8


def packed(host: str) -> bytes:
    """Return an address literal as 4 or 16 bytes; a scope (`%eth0`) is left out. Empty for what is no address."""
    try:
        if ":" not in host:
            return socket.inet_aton(host) if host.count(".") == 3 else b""
        raw = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    except OSError:
        return b""
    return raw[12:] if raw.startswith(MAPPED) else raw


def source(address: bytes) -> bytes:
    """Return what the limits count of a packed address: all of an IPv4 one, the first 64 bits of an IPv6 one."""
    return address if len(address) == 4 else address[:_PREFIX]


def is_loopback(address: bytes) -> bool:
    """Tell whether a packed address is this host's own loopback, 127.0.0.0/8 or ::1."""
    return address[:1] == b"\x7f" if len(address) == 4 else address == _LOOPBACK_6


class Permit:
    """
    `allow` and `deny` of a service.

    :param allow: who may use it; empty for everyone.
    :param deny: who may not, even if allowed.
    """

    def __init__(
        self, allow: Iterable[IPv4Network | IPv6Network] = (), deny: Iterable[IPv4Network | IPv6Network] = ()
    ) -> None:
        self._allow = tuple(allow)
        self._deny = tuple(deny)

    @property
    def open(self) -> bool:
        """Whether everyone may, so that nobody need be looked up."""
        return not self._allow and not self._deny

    def names(self, address: bytes) -> bool:
        """Tell whether `allow` names an address, not merely leaves it out."""
        return _within(address, self._allow)

    def admits(self, address: bytes) -> bool:
        """Tell whether an address may use the service. What has no address, a Unix socket's peer, always may."""
        if not address:
            return True
        if self._allow and not _within(address, self._allow):
            return False
        return not _within(address, self._deny)


def _within(address: bytes, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    if not networks or not address:
        return False
    parsed: IPv4Address | IPv6Address = ip_address(address)
    return any(parsed in network for network in networks)
