"""
Echo load over TLS: python -m bench.tls_load PORT CONNECTIONS BYTES DEPTH IDLE; loadgen.c says what it reads and writes.

DEPTH can only be 1 and IDLE only 0 here. It costs more than the server, so it shows the server's CPU time per
message, but not how many messages a second the server could answer.
"""

from __future__ import annotations

import json
import selectors
import socket
import statistics
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.servers import LOCALHOST, trusting

if TYPE_CHECKING:
    import ssl


@dataclass
class Connection:
    """One connection, and when its message left."""

    socket: ssl.SSLSocket
    sent_at: float = 0.0

    def send(self, message: bytes) -> None:
        """Send a message."""
        self.sent_at = time.monotonic()
        self.socket.sendall(message)

    def receive(self, message: bytes) -> float:
        """Take the whole echo, compare it, and return how long it took."""
        come = b""
        while len(come) < len(message):
            more = self.socket.recv(len(message) - len(come))
            if not more:
                sys.exit("the server closed a connection")
            come += more
        if come != message:
            sys.exit("an echo has other bytes than were sent")
        return time.monotonic() - self.sent_at


def connect(port: int) -> Connection:
    """Open a connection and prove it; that also takes the session tickets, which come before the first echo."""
    plain = socket.create_connection((LOCALHOST, port), 20)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    opened = Connection(trusting().wrap_socket(plain))
    opened.send(b"x")
    opened.receive(b"x")
    return opened


def run(poller: selectors.BaseSelector, connections: list[Connection], message: bytes, seconds: float) -> str:
    """Keep one message under way on each connection for so long; return what came of it."""
    took: list[float] = []
    began = time.monotonic()
    for each in connections:
        each.send(message)
    while (now := time.monotonic()) < began + seconds:
        for key, _ in poller.select(1):
            took.append(key.data.receive(message))
            key.data.send(message)
    rate = len(took) / (now - began)
    took += [each.receive(message) for each in connections]
    shares = statistics.quantiles(took, n=100)
    figures = {"messages": len(took), "rate": rate, "p50_us": shares[49] * 1e6, "p99_us": shares[98] * 1e6, "lost": 0}
    return json.dumps(figures)


def main() -> None:
    """Connect, and then run as often as standard input says."""
    port, count, size, depth, idle = map(int, sys.argv[1:])
    if (depth, idle) != (1, 0):
        sys.exit("over TLS there is only depth 1, and no idle connection")
    poller = selectors.DefaultSelector()
    connections = [connect(port) for _ in range(count)]
    for each in connections:
        poller.register(each.socket, selectors.EVENT_READ, each)
    print("ready", flush=True)
    for line in sys.stdin:
        print(run(poller, connections, b"x" * size, float(line)), flush=True)


if __name__ == "__main__":
    main()
