"""A port of ours and everything around it, for the tests of accepting."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from twisted.internet.protocol import Factory, Protocol

from echod.transport.accept import StreamPort
from tests.transport.wires import Host

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IAddress


class Maker(Factory):
    """Makes protocols and keeps them; or does what `instead` says."""

    noisy = False

    def __init__(self) -> None:
        self.made: list[Protocol] = []
        self.peers: list[IAddress] = []
        self.started = 0
        self.instead: Callable[[], Protocol | None] | None = None

    def startFactory(self) -> None:
        """Note it."""
        self.started += 1

    def stopFactory(self) -> None:
        """Note it."""
        self.started -= 1

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """Make one."""
        assert addr is not None
        self.peers.append(addr)
        if self.instead is not None:
            return self.instead()
        self.made.append(Protocol())
        return self.made[-1]


class Listening:
    """A port of ours, and everything around it."""

    def __init__(self, listener: socket.socket) -> None:
        self.host = Host()
        self.maker = Maker()
        self.closed = 0
        self.port = StreamPort(listener, self.maker, self.host, self.host, self.note)
        self.clients: list[socket.socket] = []
        self.port.startListening()

    def note(self) -> None:
        """Count closings."""
        self.closed += 1

    def connect(self, count: int = 1) -> None:
        """Let clients connect; the kernel takes them without us."""
        for _ in range(count):
            client = socket.socket(self.port.socket.family)
            client.settimeout(1)
            self.clients.append(client)
            client.connect(self.port.socket.getsockname())

    def close(self) -> None:
        """Leave nothing."""
        self.port.stopListening()
        for client in self.clients:
            client.close()
        for protocol in self.maker.made:
            if protocol.transport is not None:
                protocol.transport.abortConnection()  # type: ignore[attr-defined]
        self.host.advance(0)
