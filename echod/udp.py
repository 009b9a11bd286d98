"""
Datagrams: the server and the client of every protocol over UDP and Unix datagram sockets.

One datagram is one message. Twisted has no factories for datagrams, "only a single object, a protocol, for each UDP
socket"; `DatagramClientFactory` has a `buildProtocol` of the same shape as `echod.tcp.StreamClientFactory`, so that
both clients are made in the same way.
"""

from __future__ import annotations

import socket
import sys
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

from echod.addresses import path_of
from echod.answers.answer import Path, Peer
from echod.caller import DatagramClient
from echod.guard.sources import MAPPED, packed
from echod.transport.datagram import gist_of
from echod.witness import DatagramWitness

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IAddress

    from echod.answers.answer import Answer, Conversation, Said
    from echod.guard.datagrams import DatagramGuard
    from echod.sink import Sink
    from echod.tally import Tally

__all__ = ["DatagramClient", "DatagramClientFactory", "DatagramServer", "ReflectingServer", "address_in"]

REMEMBERED = 4_096
"""Peers whose conversations are kept, where an answer depends on what was said before; the oldest is forgotten."""


class DatagramServer(DatagramProtocol):
    """
    The server half of one datagram socket.

    :param answer: what is said.
    :param tally: counts.
    :param longest: the longest message answered, in bytes.
    :param guard: decides which datagrams are answered; None for a Unix socket, whose peers are this host's.
    """

    _log = Logger()

    noisy = False
    transport: Any

    def __init__(self, answer: Answer, tally: Tally, longest: int = 65_536, guard: DatagramGuard | None = None) -> None:
        self._answer = answer
        self._tally = tally
        self._longest = longest
        self._guard = guard
        self._conversations: OrderedDict[Any, Conversation] = OrderedDict()
        self._sink: Sink | None = None
        self._witness: DatagramWitness | None = None

    def startProtocol(self) -> None:
        """Learn the port's own address. Called by Twisted."""
        host = self.transport.getHost()
        self._port = getattr(host, "port", 0)
        self.watch(self._sink)

    def watch(self, sink: Sink | None) -> None:
        """Tell a sink from now on what happens, or nobody any more."""
        self._sink = sink
        self._witness = None
        if sink is not None and self.transport is not None:
            self._witness = DatagramWitness(sink, self.transport)

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Answer one datagram. Called by Twisted."""
        tally = self._tally
        tally.messages_received += 1
        tally.received_bytes += len(datagram)
        reason = self._refusal(datagram, addr)
        if reason:
            self._drop(reason, datagram, addr)
            return
        try:
            said = self._conversation(addr).message(datagram)
        except Exception:  # noqa: BLE001 - an answer of the user's own may raise anything
            tally.failed(self._log, "an answer failed; its datagram is dropped")
            if self._witness is not None:
                self._witness.dropped("error", datagram, addr)
            return
        data = said.data
        if data is not None:
            if len(data) > len(datagram) and self._guard is not None:
                data = self._bounded(said, len(datagram), packed(addr[0]))
                if data is None:
                    self._drop("amplification", datagram, addr)
                    return
            if not self.transport.write(data, addr):
                # The port has counted it.
                if self._witness is not None:
                    self._witness.dropped(self.transport.problem, datagram, addr)
                return
            tally.messages_sent += 1
            tally.sent_bytes += len(data)
        if self._witness is not None:
            self._witness.served(datagram, addr, data)

    def _refusal(self, datagram: bytes, addr: Any) -> str | None:
        """Return why a datagram is not answered, or nothing."""
        if not addr:
            # A Unix datagram socket without a name of its own.
            return "unnamed"
        if len(datagram) > self._longest:
            return "frame"
        if self._guard is None:
            return None
        return self._judge(packed(addr[0]), addr[1], partial(gist_of, datagram), unicast=self.transport.unicast)

    def _drop(self, reason: str, datagram: bytes, addr: Any) -> None:
        """Count a datagram that is not answered."""
        self._tally.dropped[reason] += 1
        if self._witness is not None:
            self._witness.dropped(reason, datagram, addr)

    def _judge(self, address: bytes, port: int, gist: Callable[[], bytes], *, unicast: bool) -> str | None:
        """Ask the guard: the reason to drop a datagram, "" to let it pass, None where its peer always passes."""
        guard = self._guard
        assert guard is not None
        reason = guard.refuse(address, port, unicast=unicast)
        if reason is not None:
            return reason
        if not guard.counts(address):
            return None
        return "loop" if guard.repeats(address, port, gist()) else ""

    def _bounded(self, said: Said, length: int, address: bytes) -> bytes | None:
        """Return an answer that is longer than its request as the peer may have it, if it may have it at all."""
        assert self._guard is not None
        if self._guard.trusts(address):
            return said.data
        if said.may_be_cut and said.data is not None:
            return said.data[:length]
        return None

    def _conversation(self, addr: Any) -> Conversation:
        """Return the peer's conversation; only answers that remember have one for longer than a message."""
        if not self._answer.remembers:
            return self._answer.open(self._peer(addr))
        conversations = self._conversations
        conversation = conversations.get(addr)
        if conversation is None:
            conversation = self._answer.open(self._peer(addr))
            if len(conversations) >= REMEMBERED:
                conversations.popitem(last=False)
            conversations[addr] = conversation
        else:
            conversations.move_to_end(addr)
        return conversation

    def _peer(self, addr: Any) -> Peer:
        if isinstance(addr, tuple):
            return Peer(addr[0], addr[1], self.transport.arrived_at, self._port, Path.DATAGRAM)
        return Peer(path_of(addr), 0, path=Path.DATAGRAM)


class ReflectingServer(DatagramServer):
    """
    The server half of a socket whose datagrams are sent back unseen; the screen of a `ReflectingPort`.

    Also a complete `DatagramServer`, for the port that looks at each of them.
    """

    def watch(self, sink: Sink | None) -> None:
        """Tell a sink from now on what happens, or nobody any more."""
        super().watch(sink)
        if self.transport is not None:
            self.transport.onlooker = self._witness

    def screen(self, name: bytes, gist: Callable[[], bytes], *, unicast: bool) -> str | None:
        """Ask the guard about a datagram by its peer's raw name. Called by the transport."""
        return self._judge(address_in(name), int.from_bytes(name[2:4], "big"), gist, unicast=unicast)

    def reflected(self, received: int, received_bytes: int, sent: int, sent_bytes: int) -> None:
        """Count a batch. Called by the transport."""
        tally = self._tally
        tally.messages_received += received
        tally.received_bytes += received_bytes
        tally.messages_sent += sent
        tally.sent_bytes += sent_bytes

    def dropped(self, reason: str, count: int = 1) -> None:
        """Count what was not sent back. Called by the transport."""
        self._tally.dropped[reason] += count


def address_in(name: bytes) -> bytes:
    """Return the packed address in a raw socket name: sockaddr_in, or sockaddr_in6 (28 bytes)."""
    if int.from_bytes(name[:2], sys.byteorder) == socket.AF_INET:
        return name[4:8]
    address = name[8:24]
    return address[12:] if address.startswith(MAPPED) else address


class DatagramClientFactory:
    """Makes the client half of datagram talks."""

    def buildProtocol(self, addr: IAddress | None) -> DatagramClient:  # noqa: ARG002 - the shape of Twisted's factories
        """Make a socket's protocol."""
        return DatagramClient()
