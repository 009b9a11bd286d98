"""
The echo servers of Twisted's own documentation, unguarded: a test that passes here shows nothing.

They raise what a datagram that begins with `raise` says, to show what becomes of exceptions.

A program: `stock.py HOST PORT...` serves TCP and UDP on each port, and says so in the words that `Daemon` waits for.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tests.system.daemon import Daemon

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def stock(folder: Path, *ports: int, prefix: Sequence[str] = (), host: str = "::") -> Daemon:
    """Make a stock server, for a `with` statement. Kill it inside: it need not end well."""
    command = [sys.executable, "-m", __name__, host, *map(str, ports)]
    root = __file__.removesuffix(f"/{__name__.replace('.', '/')}.py")
    return Daemon(
        folder,
        None,
        listeners=2 * max(1, len(ports)),
        command=command,
        prefix=prefix,
        environ={"PYTHONPATH": root, "PYTHONUNBUFFERED": "1"},
    )


def main(host: str, *ports: str) -> None:
    """Serve for ever."""
    from twisted.internet import reactor
    from twisted.internet.protocol import DatagramProtocol, Factory, Protocol
    from twisted.python import log

    class Echo(Protocol):
        def dataReceived(self, data: bytes) -> None:
            transport: Any = self.transport
            transport.write(data)

    class EchoUDP(DatagramProtocol):
        def datagramReceived(self, datagram: bytes, addr: Any) -> None:
            if datagram.startswith(b"raise"):
                raise ValueError(datagram.decode())
            transport: Any = self.transport
            transport.write(datagram, addr)

    log.startLogging(sys.stdout)
    some: Any = reactor
    for port in ports or ("0",):
        tcp = some.listenTCP(int(port), Factory.forProtocol(Echo), interface=host)
        udp = some.listenUDP(int(port), EchoUDP(), interface=host)
        for kind, listening in (("tcp", tcp), ("udp", udp)):
            where = listening.getHost()
            name = f"[{where.host}]" if ":" in where.host else where.host
            print(f"[stock] echo (echo) listens on {kind} {name}:{where.port}")
    some.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
