"""
The echo of Twisted's documentation: peer_twisted.py PORT, on 127.0.0.1, over TCP and UDP.

Two settings are not the documentation's: without them the load could not be answered at all (the backlog of 50) or
would be cut (datagrams over 8 KiB).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast

from twisted.internet import protocol

if TYPE_CHECKING:
    from twisted.internet.interfaces import ITransport


class Stream(protocol.Protocol):
    """What comes goes back."""

    def dataReceived(self, data: bytes) -> None:
        """Send it back."""
        cast("ITransport", self.transport).write(data)


class Datagrams(protocol.DatagramProtocol):
    """What comes goes back to where it came from."""

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Send it back."""
        assert self.transport is not None
        self.transport.write(datagram, addr)


def serve(reactor: Any, port: int) -> None:
    """Serve for ever."""
    factory = protocol.Factory.forProtocol(Stream)
    reactor.listenTCP(port, factory, interface="127.0.0.1", backlog=1024)
    reactor.listenUDP(port, Datagrams(), interface="127.0.0.1", maxPacketSize=65536)
    reactor.run()


if __name__ == "__main__":
    from twisted.internet import reactor

    serve(reactor, int(sys.argv[1]))
