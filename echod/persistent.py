"""
A client that stays connected.

Twisted's `ClientService` counts a connection as a success as soon as it is there, so that against a server that accepts
and closes it goes on for ever at its shortest delay; and a connection lost while its `prepareConnection` asks for
more than that makes it raise `NoTransition`. This one asks for an echo first, and only a right one lets the delays
begin anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.application.internet import backoffPolicy
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import connectionDone
from twisted.internet.task import deferLater
from twisted.logger import Logger

from echod.client import TIMEOUT, question
from echod.config import Target
from echod.connect import connect_stream
from echod.failures import TalkError
from echod.tcp import StreamClient, StreamClientFactory

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IAddress
    from twisted.python.failure import Failure

    from echod.framing import Framing

PROBE = b"are you there?"


class PersistentClient(Service):
    """
    Keeps a stream connection while it runs.

    :param target: a client endpoint description, such as `tcp:127.0.0.1:7007`.
    :param message: what is asked on each connection before it counts as one.
    :param answer: the right answer to it; the same by default, as an echo gives it.
    :param timeout: seconds that connecting may take, and the answer.
    :param retry: how long to wait before the n-th attempt in a row, in seconds; by default from one or two seconds to a
        minute, less than 15 attempts in the first minute.
    :raises ValueError: the description cannot be read, or is one for datagrams, which know no connection.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        target: str | Target,
        message: bytes = PROBE,
        answer: bytes | None = None,
        framing: Framing | None = None,
        timeout: float = TIMEOUT,
        retry: Callable[[int], float] | None = None,
    ) -> None:
        self._reactor = reactor
        self._target = Target.parse(target) if isinstance(target, str) else target
        if self._target.datagram:
            raise ValueError(f"{self._target.text} is for datagrams: use echod.client.connect")
        self._message = message
        self._right = message if answer is None else answer
        self._factory = _Factory(framing)
        self._timeout = timeout
        self._retry = backoffPolicy() if retry is None else retry
        self._client: StreamClient | None = None
        self._waiting: list[Deferred[StreamClient]] = []
        self._work: Deferred[None] | None = None

    def startService(self) -> None:
        """Begin to connect. Called by Twisted."""
        super().startService()
        self._work = Deferred.fromCoroutine(self._run())
        self._work.addErrback(lambda failure: failure.trap(CancelledError) and None)

    def stopService(self) -> None:
        """End the connection, and try no more. Called by Twisted."""
        super().stopService()
        work, self._work = self._work, None
        if work is not None:
            work.cancel()
        for waiting in self._waiting:
            waiting.cancel()

    def when_connected(self) -> Deferred[StreamClient]:
        """Return the client of a connection that was proved; cancelled when the service stops before there is one."""
        waiting: Deferred[StreamClient] = Deferred(self._waiting.remove)
        if self._client is not None:
            waiting.callback(self._client)
        else:
            self._waiting.append(waiting)
        return waiting

    async def _run(self) -> None:
        attempt = 0
        while True:
            try:
                client = await self._connected()
            except TalkError as failure:
                attempt += 1
                self._log.info("attempt {attempt}: {why}", attempt=attempt, why=str(failure))
            else:
                attempt = 1
                await self._talk(client)
            await deferLater(self._reactor, self._retry(attempt), lambda: None)

    async def _connected(self) -> StreamClient:
        """Connect, and ask for a right answer."""
        client = await connect_stream(self._reactor, self._target, self._factory, self._timeout)
        try:
            heard = await question(client, self._reactor, self._timeout, self._message)
            if heard != self._right:
                sentence = f"{self._target.text}: answered {heard[:50]!r} to {self._message[:50]!r}"
                raise TalkError("mismatch", sentence, reached=True)  # noqa: TRY301 - whatever it was, the client is closed
        except BaseException:
            client.close()
            raise
        return client

    async def _talk(self, client: StreamClient) -> None:
        """Give the client to who waits for it, and wait for its end."""
        assert isinstance(client, _Client)
        self._client = client
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(client)
        try:
            await client.lost
        finally:
            self._client = None
            client.close()


class _Client(StreamClient):
    """Also tells its end to who keeps it."""

    def __init__(self, framing: Framing, limit: int) -> None:
        super().__init__(framing, limit)
        self.lost: Deferred[None] = Deferred()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell it. Called by Twisted."""
        super().connectionLost(reason)
        if not self.lost.called:
            self.lost.callback(None)


class _Factory(StreamClientFactory):
    def buildProtocol(self, addr: IAddress | None) -> _Client:  # noqa: ARG002 - the same for every address
        """Make a connection's protocol. Called by Twisted."""
        return _Client(self.framing, self.limit)
