"""
What is told of a connection, and of datagrams, while their service is watched.

A witness asks first whether there is room for what it would tell, since a flood is told in samples only. A message and
its answer are told together or not at all where they belong together.
"""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Any

from echod.addresses import path_of, printable, written_address, written_pair

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from echod.sink import Kind, Names, Sink
    from echod.transport.mmsg import Batch

UNREACHABLE = frozenset({errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})
"""Errors by which the kernel says that a peer's host, or the way to it, is gone."""


class Witness:
    """
    Tells of one connection.

    :param sink: is told.
    :param transport: the connection's.
    :param number: the connection's own.
    :param secure: whether it is TLS.
    """

    __slots__ = ("_names", "_number", "_secure", "_transport", "sink")

    def __init__(self, sink: Sink, transport: Any, number: int, *, secure: bool) -> None:
        self.sink = sink
        self._transport = transport
        self._number = number
        self._secure = secure
        self._names: Names | None = None

    def opened(self) -> None:
        """Tell that it was opened."""
        if self.sink.room(notable=True):
            self.sink.tell("opened", self._named())

    def received(self, data: bytes) -> None:
        """Tell of what one read brought."""
        if self.sink.room():
            self.sink.tell("received", self._named(), data)

    def sent(self, data: bytes) -> None:
        """Tell of what was sent."""
        if self.sink.room():
            self.sink.tell("sent", self._named(), data)

    def echoed(self, data: bytes) -> None:
        """Tell of what came and was sent back."""
        if self.sink.room(each=2):
            names = self._named()
            self.sink.tell("received", names, data)
            self.sink.tell("sent", names, data)

    def half_closed(self, reason: str) -> None:
        """Tell that one direction ended, and who ended it."""
        if self.sink.room(notable=True):
            self.sink.tell("half-closed", self._named(), reason=reason)

    def over(self, kind: Kind, reason: str) -> None:
        """Tell how the connection, which is lost now, ended."""
        if self.sink.room(notable=True):
            self.sink.tell(kind, self._named(lost=True), reason=reason)

    def _named(self, *, lost: bool = False) -> Names:
        """Return whom this is about; a connection that is lost has no local address any more."""
        if self._names is None:
            peer = self._transport.getPeer()
            local = "" if lost else written_address(self._transport.getHost())
            kind = "tls" if self._secure else stream_kind(peer)
            self._names = (kind, self._number, written_address(peer), local)
        return self._names


def turned_away(sink: Sink, peer: Any, reason: str) -> None:
    """Tell of a connection that was not let in."""
    if sink.room(notable=True):
        sink.tell("dropped", (stream_kind(peer), sink.number(), written_address(peer), ""), reason=reason)


def stream_kind(peer: Any) -> str:
    """Return how a peer's address is reached."""
    return "tcp" if hasattr(peer, "host") else "unix"


class DatagramWitness:
    """
    Tells of the datagrams of one port.

    :param sink: is told.
    :param port: the `echod.transport.datagram.DatagramPort`.
    """

    def __init__(self, sink: Sink, port: Any) -> None:
        self._sink = sink
        self._port = port
        self._host = port.getHost()
        self._turn = 0

    def served(self, datagram: bytes, addr: Any, reply: bytes | None) -> None:
        """Tell of a datagram that came, and of its answer if there was one."""
        if self._sink.messages and self._sink.room(each=1 if reply is None else 2):
            names = self._named(addr)
            self._sink.tell("received", names, datagram)
            if reply is not None:
                self._sink.tell("sent", names, reply)

    def dropped(self, reason: str, datagram: bytes, addr: Any) -> None:
        """Tell of a datagram that was not answered, and why."""
        if self._sink.room(notable=True):
            self._sink.tell("dropped", self._named(addr), datagram, reason=reason)

    def reflected(self, batch: Batch, sent: Sequence[tuple[int, int]], dropped: Mapping[str, Sequence[int]]) -> None:
        """
        Tell of datagrams that are still in their batch.

        :param sent: runs of those that were sent back, each from the first up to the one behind the last.
        :param dropped: those that were not, by reason.
        """
        if not dropped and not self._sink.messages:
            return
        told: dict[int, str] = {}
        for reason, places in dropped.items():
            for place in places[: self._sink.room(len(places), notable=True)]:
                told[place] = reason
        if self._sink.messages:
            count = sum([end - start for start, end in sent])
            room = self._sink.room(count, 2) if count else 0
            if room:
                told.update(dict.fromkeys(self._some(sent, count, room), ""))
        lengths = batch.lengths() if told else []
        for place in sorted(told):
            # Of a long one, a gist has the ends, of which the first is longer than what is shown.
            self._tell(batch, place, lengths[place], told[place])

    def _some(self, runs: Sequence[tuple[int, int]], count: int, wanted: int) -> list[int]:
        """Return so many places of the runs, beginning elsewhere each time: no place in a batch is preferred."""
        places = [place for start, end in runs for place in range(start, end)]
        self._turn += wanted
        first = self._turn % count
        return (places[first:] + places[:first])[:wanted]

    def _tell(self, batch: Batch, place: int, size: int, reason: str) -> None:
        """Tell of one datagram; its peer has a raw name: a sockaddr_in or sockaddr_in6."""
        name, data = batch.name(place), batch.gist(place)
        internet_6 = self._port.socket.family == socket.AF_INET6
        family, raw = (socket.AF_INET6, name[8:24]) if internet_6 else (socket.AF_INET, name[4:8])
        peer = written_pair(socket.inet_ntop(family, raw), int.from_bytes(name[2:4], "big"))
        local = self._port.arrived_at or batch.arrived_at(place, family)
        names = ("udp", peer, peer, written_pair(local, self._host.port))
        if reason:
            self._sink.tell("dropped", names, data, size, reason=reason)
            return
        self._sink.tell("received", names, data, size)
        self._sink.tell("sent", names, data, size)

    def _named(self, addr: Any) -> Names:
        if isinstance(addr, tuple):
            peer = written_pair(*addr[:2])
            return "udp", peer, peer, written_pair(self._port.arrived_at or self._host.host, self._host.port)
        peer = printable(path_of(addr))
        return "unixgram", peer, peer, written_address(self._host)
