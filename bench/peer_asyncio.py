"""
An echo on asyncio's protocols: peer_asyncio.py asyncio|uvloop PORT [CERTIFICATE KEY], on 127.0.0.1.

Over TCP and UDP; with a certificate, over TLS.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from importlib import import_module
from typing import cast


class Stream(asyncio.Protocol):
    """What comes goes back."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Send it back."""
        self.transport.write(data)


class Datagrams(asyncio.DatagramProtocol):
    """What comes goes back to where it came from."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Send it back."""
        self.transport.sendto(data, addr)


async def serve(port: int, certificate: list[str]) -> None:
    """Serve for ever."""
    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certificate)
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(Datagrams, ("127.0.0.1", port))
    server = await loop.create_server(Stream, "127.0.0.1", port, backlog=1024, ssl=context)
    await server.serve_forever()


if __name__ == "__main__":
    which, where, *certificate_and_key = sys.argv[1:]
    run = import_module(which).run  # uvloop's is asyncio's, with its own loop
    run(serve(int(where), certificate_and_key))
