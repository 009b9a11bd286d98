"""
The clients, from Python: for any Twisted program.

The factories are for `endpoint.connect(factory)`; the coroutines connect, talk and close by themselves. All of them
raise `TalkError`, whose `word` says what failed.

    from echod.client import ask
    answer = await ask(reactor, "udp:127.0.0.1:55555", b"hello")
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from echod.answers.answer import Path
from echod.answers.choose import framing_for
from echod.answers.exam import Ending, Verdict
from echod.config import Target
from echod.connect import connect_datagram, connect_stream
from echod.examine import Examination
from echod.failures import TalkError
from echod.tcp import StreamClient, StreamClientFactory
from echod.udp import DatagramClient, DatagramClientFactory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twisted.internet.interfaces import IDelayedCall

    from echod.answers.answer import Answer
    from echod.config import Service
    from echod.framing import Framing

__all__ = [
    "DatagramClient",
    "DatagramClientFactory",
    "Proof",
    "StreamClient",
    "StreamClientFactory",
    "TalkError",
    "ask",
    "connect",
    "factory_for",
    "prove",
]

TIMEOUT = 5.0
"""Seconds that a server has to be reached, and for each answer."""

_QUIET = 0.25
"""Seconds after a piece of a stream's answer without another, after which it is taken to be whole."""


def factory_for(service: Service, *, datagram: bool) -> StreamClientFactory | DatagramClientFactory:
    """Make the client factory of a service, from the settings that its server has."""
    return DatagramClientFactory() if datagram else StreamClientFactory(framing_for(service))


async def connect(
    reactor: Any,
    target: str | Target,
    framing: Framing | None = None,
    timeout: float = TIMEOUT,
    certificate: bytes | None = None,
) -> StreamClient | DatagramClient:
    """
    Connect to a service.

    :param target: a client endpoint description, such as `tcp:127.0.0.1:7007` or `udp:127.0.0.1:7007`.
    :param framing: how its messages are told apart in a stream; None for not at all.
    :param timeout: seconds.
    :param certificate: see `echod.connect.connect_stream`.
    :raises TalkError: it cannot be reached.
    :raises ValueError: the description cannot be read.
    """
    if isinstance(target, str):
        target = Target.parse(target)
    if target.datagram:
        return await connect_datagram(reactor, target, DatagramClientFactory(), timeout)
    return await connect_stream(reactor, target, StreamClientFactory(framing), timeout, certificate)


async def ask(
    reactor: Any,
    target: str | Target,
    message: bytes,
    framing: Framing | None = None,
    timeout: float = TIMEOUT,
) -> bytes:
    """
    Send one message and return the answer.

    The answer is one datagram, one frame where replies are framed, and otherwise what comes until the server closes or
    pauses for a quarter of a second.

    :raises TalkError: it cannot be reached, or does not answer within `timeout` seconds.
    """
    client = await connect(reactor, target, framing, timeout)
    question = _Question(client, reactor, timeout)
    try:
        return await question.put(message)
    finally:
        client.close()


async def question(
    client: StreamClient | DatagramClient,
    clock: Any,
    timeout: float,
    message: bytes,
) -> bytes:
    """
    Send one message on an open talk, and return the answer, as `ask` does.

    :raises TalkError: there is none.
    """
    return await _Question(client, clock, timeout).put(message)


class _Question:
    """One message, and the answer that is being collected."""

    def __init__(self, client: StreamClient | DatagramClient, clock: Any, timeout: float) -> None:
        self._client = client
        self._clock = clock
        self._timeout = timeout
        self._heard: list[bytes] = []
        self._answer: Deferred[bytes] = Deferred()
        self._call: IDelayedCall | None = None

    async def put(self, message: bytes) -> bytes:
        """Send the message and wait."""
        self._wait(self._timeout)
        self._client.listen(self)
        self._client.send(message)
        try:
            return await self._answer
        finally:
            if self._call is not None and self._call.active():
                self._call.cancel()

    def received(self, data: bytes) -> None:
        """Collect a piece."""
        if self._answer.called:
            return
        self._heard.append(data)
        if self._client.whole:
            self._answer.callback(data)
        else:
            self._wait(_QUIET)

    def ended(self, ending: Ending) -> None:
        """Take what was said as the answer."""
        if self._answer.called:
            return
        if self._heard and not self._client.whole:
            self._answer.callback(b"".join(self._heard))
            return
        sentence = {
            Ending.CLEAN: "the connection was closed without an answer",
            Ending.RESET: "the connection was reset before an answer",
            Ending.REFUSED: "nothing listens there",
            Ending.GARBLED: "the answer is not of this framing",
        }[ending]
        self._answer.errback(TalkError(ending.value, sentence, reached=ending is not Ending.REFUSED))

    def _wait(self, seconds: float) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = self._clock.callLater(seconds, self._over)

    def _over(self) -> None:
        if self._heard:
            self._answer.callback(b"".join(self._heard))
        elif trouble := _trouble(self._client):
            self._answer.errback(TalkError("unreachable", trouble, reached=False))
        else:
            sentence = f"no answer within {self._timeout:g} s"
            self._answer.errback(TalkError("timeout", sentence, reached=isinstance(self._client, StreamClient)))


def _trouble(client: StreamClient | DatagramClient) -> str | None:
    """Return what the network said to a datagram, where a stream would have ended."""
    return client.trouble() if isinstance(client, DatagramClient) else None


@dataclass(frozen=True, slots=True)
class Proof:
    """What one exam showed about one service; `reached` is False when not even a connection could be made."""

    exam: str
    verdict: Verdict
    reached: bool = True


async def prove(
    reactor: Any,
    service: Service,
    answer: Answer,
    target: Target,
    timeout: float = TIMEOUT,
    certificate: bytes | None = None,
) -> Sequence[Proof]:
    """
    Check that a service answers as its settings say, by each of the answer's exams on a connection of its own.

    After an exam that could not reach the service, the others are not tried.
    """
    secure = certificate is not None or target.kind in ("ssl", "tls")
    path = Path.DATAGRAM if target.datagram else Path.TLS if secure else Path.STREAM
    proofs: list[Proof] = []
    exams = deque(answer.exams(path))
    while exams:
        exam = exams.popleft()
        try:
            client = await connect(reactor, target, framing_for(service), timeout, certificate)
            verdict = await Examination(client, exam, reactor, timeout).start()
        except TalkError as failure:
            verdict = Verdict(right=False, word=failure.word, why=failure.sentence)
            proofs.append(Proof(exam.name, verdict, reached=failure.reached))
            if not failure.reached:
                break
            continue
        if verdict.word == "timeout" and (trouble := _trouble(client)):
            verdict = Verdict(right=False, word="unreachable", why=trouble)
        reached = not target.datagram or verdict.word not in ("refused", "timeout", "unreachable")
        proofs.append(Proof(exam.name, verdict, reached=reached))
        if not reached:
            break
    return proofs
