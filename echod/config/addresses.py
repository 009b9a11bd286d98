"""Two services on one address: what the kernel would refuse, or worse, share."""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import TYPE_CHECKING, TypeAlias

from echod.config.listen import address

if TYPE_CHECKING:
    from collections.abc import Iterable

    from echod.config.listen import Listen

_IPV4, _IPV6 = 4, 6

# Where a listening address was seen: whose it is, by a name of the caller's, and its index.
Seen: TypeAlias = "tuple[tuple[str, str], int]"


class Addresses:
    """
    The listening addresses so far.

    Two of them collide with the same transport (streams or datagrams), port and IP address, where the wildcard of
    IPv4 is equal to all its addresses, and that of IPv6 to all of both; with the same path of a UNIX socket; and with
    the same socket of systemd. Port 0 never collides.
    """

    def __init__(self) -> None:
        self._exact: dict[tuple[object, ...], Seen] = {}
        self._wild: dict[tuple[object, ...], Seen] = {}
        self._any: dict[tuple[object, ...], Seen] = {}

    def add(self, listen: Listen, seen: Seen) -> Seen | None:
        """Take `listen`, and return where one that collides with it was seen first, or `None`."""
        if listen.path is not None:
            return self._take(("path", listen.path), seen)
        if listen.kind == "systemd":
            words = listen.words
            return self._take(("systemd", listen.datagram, words.get("name"), words.get("index")), seen)
        port = listen.port
        return self._internet(listen, port, seen) if port else None

    def _take(self, key: tuple[object, ...], seen: Seen) -> Seen | None:
        """Return the first one with this very address."""
        first = self._exact.setdefault(key, seen)
        return None if first is seen else first

    def _internet(self, listen: Listen, port: int, seen: Seen) -> Seen | None:
        """Return the first one that takes the same packets."""
        ip = address(listen.host or ("::" if listen.kind.endswith("6") else "0.0.0.0"))  # noqa: S104 - compared only
        assert ip is not None, "the description was checked when it was read"
        scope = ip.scope_id if isinstance(ip, IPv6Address) else None
        family = (listen.datagram, port, ip.version)
        wild = ip.is_unspecified
        clash = self._wild.get(family) or (self._any.get(family) if wild else None)
        clash = clash or self._exact.get((*family, ip.packed, scope))
        self._exact.setdefault((*family, ip.packed, scope), seen)
        self._any.setdefault(family, seen)
        if wild:
            self._wild.setdefault(family, seen)
        if wild and ip.version == _IPV6:
            # Linux gives such a socket IPv4 too unless told otherwise (ipv6(7), IPV6_V6ONLY); Twisted leaves it so.
            both = (listen.datagram, port, _IPV4)
            clash = clash or self._any.get(both)
            self._any.setdefault(both, seen)
            self._wild.setdefault(both, seen)
        return clash


def collisions(services: Iterable[tuple[tuple[str, str], tuple[Listen, ...]]]) -> list[tuple[Seen, Seen]]:
    """Pairs of (later, earlier) listening addresses that collide, each as whose it is and its index."""
    addresses = Addresses()
    found: list[tuple[Seen, Seen]] = []
    for name, listens in services:
        for index, listen in enumerate(listens):
            seen = (name, index)
            first = addresses.add(listen, seen)
            if first is not None:
                found.append((seen, first))
    return found
