"""
Which datagrams are answered, and how long an answer may be.

Nobody knows who really sent a datagram. So none is answered that could start a loop between two answering machines
(CVE-1999-0103, CVE-2024-2169) or came by broadcast, no source gets more than its rate, and no answer is longer than
its request unless the peer is trusted: who forges a sender gains nothing by asking us.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from echod.guard.repetition import Repetition
from echod.guard.sources import is_loopback, source

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from echod.guard.buckets import Buckets
    from echod.guard.sources import Permit

LOWEST_PORT = 1024
"""Below it are the ports of services; clients have ephemeral ports (VU#417980 advises to answer only those)."""

NFS_PORT = 2049
"""The one widespread UDP service above 1023, which OpenBSD's inetd refuses too."""


class DatagramGuard:
    """
    The guard of one service's datagrams. Addresses are packed, as `echod.guard.sources.packed` makes them.

    :param own_ports: the ports of all datagram services of this process; a reply to one could come back for ever.
    :param permit: who may use the service; whoever it names in `allow` is trusted.
    :param buckets: how much each source may send; None for no limit, nor any watch for loops. Loopback has neither.
    :param low_ports: whether source ports below 1024 and 2049 are answered.
    :param amplify: whether everyone is trusted with answers longer than requests.
    :param now: gives the time in seconds for the buckets.
    """

    def __init__(
        self,
        own_ports: Container[int],
        permit: Permit,
        buckets: Buckets | None,
        now: Callable[[], float],
        *,
        low_ports: bool = False,
        amplify: bool = False,
    ) -> None:
        self._own_ports = own_ports
        self._permit = permit
        self._open = permit.open
        self.buckets = buckets
        self._now = now
        self._low_ports = low_ports
        self._amplify = amplify
        self._repetition = Repetition()

    def refuse(self, address: bytes, port: int, *, unicast: bool) -> str | None:
        """
        Decide about one datagram: the reason why it is dropped, or None.

        What is dropped for its peer stays so within the same moment: a batch need not ask again.

        :param address: the packed source address.
        :param port: the source port.
        :param unicast: whether it was sent to this host alone.
        """
        if (port < LOWEST_PORT or port == NFS_PORT) and not (self._low_ports and port):
            return "low-port" if port else "port-zero"
        if port in self._own_ports:
            return "own-port"
        if not unicast:
            return "broadcast"
        if not self._open and not self._permit.admits(address):
            return "denied"
        buckets = self.buckets
        if buckets is None or is_loopback(address) or buckets.take(source(address), self._now()):
            return None
        return "rate"

    def repeats(self, address: bytes, port: int, gist: bytes) -> bool:
        """
        Tell whether a datagram of a peer that `counts`, and that passed, goes round in a loop: it is dropped then.

        :param gist: what tells it from others: all of it, or both ends of a long one.
        """
        return self._repetition.ends_row(address, port, gist, self._now())

    def counts(self, address: bytes) -> bool:
        """Tell whether a peer's datagrams are counted, so that `refuse` may change its mind about them."""
        return self.buckets is not None and not is_loopback(address)

    def trusts(self, address: bytes) -> bool:
        """Tell whether a peer may get more than it sent."""
        return self._amplify or is_loopback(address) or self._permit.names(address)
