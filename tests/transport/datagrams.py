"""A datagram port of ours and its clients, for the tests of datagrams."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from echod.transport.datagram import DatagramPort, prepare
from tests.transport.wires import Host

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST_4 = 65_507
"""65,535 bytes of IPv4 packet, less 20 of its header and 8 of UDP's."""

LARGEST_6 = 65_527
"""65,535 bytes of IPv6 payload, less 8 of UDP's header."""


class Echoing:
    """Sends each datagram back, and notes what it is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[bytes, Any]] = []
        self.hits: list[tuple[str, bool]] = []
        self.sent: list[bool] = []
        self.refused = 0
        self.stopped = 0
        self.after: Callable[[], object] = lambda: None

    def makeConnection(self, transport: DatagramPort) -> None:
        """Keep it."""
        self.transport = transport

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Send it back."""
        self.heard.append((datagram, addr))
        self.hits.append((self.transport.arrived_at, self.transport.unicast))
        self.sent.append(self.transport.write(datagram, addr))
        self.after()

    def connectionRefused(self) -> None:
        """Count."""
        self.refused += 1

    def doStop(self) -> None:
        """Count."""
        self.stopped += 1


class Open:
    """A port of ours bound to a name, and clients of it."""

    def __init__(self, family: int, name: Any) -> None:
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.bind(name)
        self.host = Host()
        self.echoing = Echoing()
        self.closed = 0
        self.port = DatagramPort(sock, self.echoing, self.host, self.note)
        self.port.startListening()
        self.clients: list[socket.socket] = []

    def note(self) -> None:
        """Count."""
        self.closed += 1

    def client(self, name: Any = None) -> socket.socket:
        """Make a client which is connected to the port, at `name` if given."""
        client = socket.socket(self.port.socket.family, socket.SOCK_DGRAM)
        self.clients.append(client)
        prepare(client)
        client.settimeout(1)
        client.connect(self.port.socket.getsockname() if name is None else name)
        return client

    def close(self) -> None:
        """Leave nothing."""
        self.port.stopListening()
        for client in self.clients:
            client.close()
