"""
One message to a service, through its own client and over its real socket: what comes back, and how long it took.

Only addresses at which the service listens are tried, never its `connect`: the console must not be a way to reach
other hosts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from echod.answers.exam import Ending
from echod.client import connect
from echod.commands.targets import fingerprint, quoted
from echod.config import Target
from echod.config.listen import address as read_address
from echod.config.problems import shown
from echod.config.values import text
from echod.connect import TargetError
from echod.failures import TalkError
from echod.framing import FrameError
from echod.udp import DatagramClient

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from echod.config import Listen
    from echod.framing import Framing
    from echod.listener import Client

MOST_ANSWER = 64 * 1024
"""Bytes of an answer that are waited for: some answers have no end."""

IPV6 = 6

QUIET = 0.25
"""Seconds after a piece of a stream's answer without another, after which it is taken to be whole."""


@dataclass(frozen=True)
class Way:
    """How a service is reached at one of its addresses; the certificate is the one it must show, if known."""

    target: Target
    certificate: bytes | None = None


def way(listen: Listen, address: str) -> Way:
    """
    Return how to reach what listens.

    :param address: where, as `echod.running.Running.addresses` has it: `127.0.0.1:7007`, `[::1]:7007` or a path.
    :raises ValueError: it cannot be reached from here; the message is a sentence.
    """
    if listen.path is not None or (listen.kind == "systemd" and listen.words.get("domain") == "UNIX"):
        if not address:
            raise ValueError("it listens on a socket without a name")
        return Way(Target.parse(f"{'unixgram' if listen.datagram else 'unix'}:{quoted(address)}"))
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    ip = read_address(host)
    if ip is None or not port.isdecimal():
        raise ValueError(f"how {shown(listen.kind)} is reached at {shown(address)} is not known")
    if ip.is_unspecified:
        host = "::1" if ip.version == IPV6 else "127.0.0.1"
    if listen.kind == "ssl":
        certificate = _certificate(listen)
        return Way(Target.parse(f"{'tls' if certificate is None else 'ssl'}:{quoted(host)}:{port}"), certificate)
    kind = "udp" if listen.datagram else "tcp"
    return Way(Target.parse(f"{kind}{'6' if ip.version == IPV6 else ''}:{quoted(host)}:{port}"))


def _certificate(listen: Listen) -> bytes | None:
    """Return the fingerprint of the certificate that a server shows; None if its file cannot be read any more."""
    words = listen.words
    # Twisted's own default, see `twisted.internet.endpoints._parseSSL`.
    name = words.get("certKey", words.get("privateKey", "server.pem"))
    try:
        return fingerprint(Path(name))
    except ValueError:
        return None


@dataclass
class Heard:
    """
    What became of a message; times in seconds.

    :ivar ended: why no more was waited for: `message`, `closed`, `quiet`, `full`, `reset` or `timeout`.
    """

    answer: bytes | None = None
    truncated: bool = False
    seconds: float | None = None
    connect_seconds: float | None = None
    ended: str | None = None
    failure: tuple[str, str] | None = None


class _Talk:
    """One message on an open talk, and what is heard within `timeout` seconds."""

    def __init__(self, client: Client, clock: Any, timeout: float) -> None:
        self._client = client
        self._clock = clock
        self._timeout = timeout
        self._pieces: list[bytes] = []
        self._size = 0
        self._heard = Heard()
        self._done: Deferred[Heard] = Deferred()
        self._calls: dict[str, IDelayedCall] = {}

    async def put(self, message: bytes | None) -> Heard:
        """Send the message, if there is one, and wait."""
        self._client.listen(self)
        self._began = self._clock.seconds()
        self._calls["timeout"] = self._clock.callLater(self._timeout, self._over, "timeout")
        try:
            if message is not None:
                self._client.send(message)
            return await self._done
        finally:
            for call in self._calls.values():
                if call.active():
                    call.cancel()

    def received(self, data: bytes) -> None:
        """Take a piece. Called by the client."""
        if self._done.called:
            return
        if self._heard.seconds is None:
            self._heard.seconds = self._clock.seconds() - self._began
        self._heard.truncated = self._size + len(data) > MOST_ANSWER
        self._pieces.append(data[: MOST_ANSWER - self._size])
        self._size += len(self._pieces[-1])
        if self._heard.truncated:
            self._over("full")
        elif self._client.whole:
            self._over("message")
        else:
            quiet = self._calls.get("quiet")
            if quiet is None or not quiet.active():
                self._calls["quiet"] = self._clock.callLater(QUIET, self._over, "quiet")
            else:
                quiet.reset(QUIET)

    def ended(self, ending: Ending) -> None:
        """Hear that the server ended the talk. Called by the client."""
        sentence = {
            Ending.CLEAN: "the connection was closed without an answer",
            Ending.RESET: "the connection was reset",
            Ending.REFUSED: "nothing listens there",
            Ending.GARBLED: "the answer is not of this framing",
        }[ending]
        if ending is not Ending.CLEAN or not self._pieces:
            self._heard.failure = self._heard.failure or (ending.value, sentence)
        self._over("closed" if ending is Ending.CLEAN else "reset" if ending is Ending.RESET else None)

    def _over(self, why: str | None) -> None:
        if self._done.called:
            return
        self._heard.ended = why
        if self._pieces:
            self._heard.answer = b"".join(self._pieces)
        elif why == "timeout":
            self._heard.failure = ("timeout", f"no answer within {self._timeout:g} s")
        self._done.callback(self._heard)


async def attempt(reactor: Any, way: Way, message: bytes | None, framing: Framing | None, timeout: float) -> Heard:
    """
    Send one message to a service, and return what is heard; whatever fails is in that, too.

    :param message: None for nothing, where the service speaks first.
    :param framing: of the service's streams.
    :param timeout: seconds for the connection, and again for the answer.
    """
    began = reactor.seconds()
    try:
        client = await connect(reactor, way.target, framing, timeout, way.certificate)
    except TalkError as failure:
        return Heard(failure=(failure.word, failure.sentence))
    except TargetError as problem:
        return Heard(failure=("unreachable", str(problem)))
    connected = reactor.seconds() - began
    try:
        heard = await _Talk(client, reactor, timeout).put(message)
    except FrameError as fault:
        heard = Heard(failure=("mismatch", f"the message cannot be sent: {fault}"))
    finally:
        client.close()
    if heard.ended == "timeout" and isinstance(client, DatagramClient) and (trouble := client.trouble()):
        heard.failure = ("unreachable", trouble)
    heard.connect_seconds = connected
    return heard


def message_in(value: Any) -> bytes:
    """Return the bytes of a text or of `{"hex": "00 01"}`; `ValueError` has the sentence."""
    return bytes(text(value))


def bytes_as_json(data: bytes) -> dict[str, Any]:
    """Return bytes for a program; `text` is null if they are no UTF-8."""
    try:
        words: str | None = data.decode("utf-8")
    except UnicodeDecodeError:
        words = None
    return {"bytes": len(data), "text": words, "hex": data.hex(" ")}
