"""One end of a socket pair in a poller, for the tests of polling."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.main import CONNECTION_DONE

if TYPE_CHECKING:
    from twisted.python.failure import Failure

Pair = Callable[[], tuple[socket.socket, socket.socket]]
"""Makes socket pairs that do not block, and are closed at the end of the test."""


class End(FileDescriptor):
    """One end of a socket pair; `on_read` and `on_write` do what a test wants, `lost` notes how it ended."""

    def __init__(self, reactor: Any, sock: socket.socket) -> None:
        super().__init__(reactor)
        self.sock = sock
        self.connected = True
        self.events: list[str] = []
        self.on_read: Callable[[], object] = lambda: None
        self.on_write: Callable[[], object] = lambda: None

    def fileno(self) -> int:
        """Return the descriptor, or -1."""
        return self.sock.fileno()

    def doRead(self) -> Any:
        """Read everything there is, then do what the test wants."""
        self.events.append("read")
        try:
            data = self.sock.recv(65_536)
        except BlockingIOError:
            self.events[-1] = "spurious"
            return None
        return self.on_read() if data else CONNECTION_DONE

    def doWrite(self) -> Any:
        """Do what the test wants."""
        self.events.append("write")
        return self.on_write()

    def connectionLost(self, reason: Failure) -> None:
        """Note why, and close."""
        super().connectionLost(reason)
        self.events.append(type(reason.value).__name__)
        self.sock.close()
