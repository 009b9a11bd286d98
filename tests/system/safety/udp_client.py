"""
A program: `udp_client.py REACTOR PORT` asks a datagram service five times a second, and writes what it hears.

On the reactor that it names, as any Twisted program would use `echod.client`.
"""

from __future__ import annotations

import sys
from typing import Any


def main(name: str, port: str) -> None:
    """Ask for ever."""
    if name == "asyncio":
        from twisted.internet import asyncioreactor

        asyncioreactor.install()
    else:
        from twisted.internet import epollreactor

        epollreactor.install()
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred
    from twisted.internet.task import LoopingCall

    from echod.client import connect

    class Tells:
        def received(self, data: bytes) -> None:
            print(f"received {len(data)}", flush=True)

        def ended(self, ending: Any) -> None:
            print(f"ended {ending.value}", flush=True)

    async def run() -> None:
        client = await connect(reactor, f"udp:127.0.0.1:{port}")
        client.listen(Tells())
        await LoopingCall(client.send, b"hello").start(0.2)

    some: Any = reactor
    print(type(some).__name__, flush=True)
    some.callWhenRunning(lambda: Deferred.fromCoroutine(run()))
    some.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
