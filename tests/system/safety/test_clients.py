"""Our clients against servers that are away, come back, or are none."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_twisted
from twisted.application.internet import ClientService
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.endpoints import TCP4ServerEndpoint, clientFromString
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater

from echod.client import StreamClientFactory
from echod.persistent import PersistentClient
from tests.system.daemon import Daemon, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from twisted.application.service import Service
    from twisted.python.failure import Failure

in_reactor: Callable[[Callable[..., Coroutine[Any, Any, None]]], Callable[..., Any]] = pytest_twisted.ensureDeferred


def hears_more(output: Path, line: str, times: int) -> None:
    """Wait until a client has written a line some more times."""
    before = output.read_text().count(line)
    wait_until(lambda: output.read_text().count(line) >= before + times, f"{times} more times: {line}", 10)


@pytest.mark.parametrize("name", ["epoll", "asyncio"])
def test_a_datagram_client_lives_through_refusals(tmp_path: Path, name: str) -> None:
    """While nothing listens it hears so each time; as soon as something does, it has its answers again."""
    with socket.socket(type=socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    output = tmp_path / "output"
    command = [sys.executable, "-m", "tests.system.safety.udp_client", name, str(port)]
    with output.open("wb") as written:
        root = Path(__file__).parents[3]
        client = subprocess.Popen(command, cwd=root, stdout=written, stderr=written, stdin=subprocess.DEVNULL)
    config = f"services: {{echo: {{listen: 'udp:{port}:interface=127.0.0.1', protocol: echo}}}}"
    try:
        for _ in range(2):
            hears_more(output, "ended refused", 5)
            with Daemon(tmp_path, config):
                began = time.monotonic()
                hears_more(output, "received 5", 1)
                assert time.monotonic() - began < 2
        text = output.read_text()
        assert text.lower().startswith(name)
        assert "Traceback" not in text
        assert "Unhandled" not in text
    finally:
        client.kill()
        client.wait()


class Closes(Protocol):
    """Ends each connection as soon as it is there."""

    def connectionMade(self) -> None:
        """Count it, and close. Called by Twisted."""
        owner: Any = self.factory
        owner.accepted += 1
        assert self.transport is not None
        self.transport.loseConnection()


async def attempts(seconds: float, make: Callable[[str], Service]) -> int:
    """Return how often a client connects to a server that accepts and closes."""
    factory: Any = Factory.forProtocol(Closes)
    factory.accepted = 0
    port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(factory)
    service = make(f"tcp:127.0.0.1:{port.getHost().port}")
    service.startService()
    await deferLater(reactor, seconds, lambda: None)
    await maybeDeferred(service.stopService)
    await port.stopListening()
    count: int = factory.accepted
    return count


@in_reactor
async def test_a_server_that_accepts_and_closes() -> None:
    """
    The delays grow as if it had not accepted: in the 20 s that this test takes there are fewer than 8 attempts.

    The delays of Twisted's default make less than 15 of a minute then.
    """
    ours, stock = 0, 0

    async def both() -> None:
        nonlocal ours, stock
        waiting = Deferred.fromCoroutine(attempts(20, lambda where: PersistentClient(reactor, where)))
        stock = await attempts(20, lambda where: ClientService(clientFromString(reactor, where), StreamClientFactory()))
        ours = await waiting

    await both()
    print(f"{ours} attempts in 20 s, Twisted's own {stock}")
    assert 3 <= ours <= 7
    assert stock > 8


class Echoes(Protocol):
    """Echoes, and says when a connection was lost."""

    def dataReceived(self, data: bytes) -> None:
        """Send it back. Called by Twisted."""
        assert self.transport is not None
        self.transport.write(data)


class Parrots(Echoes):
    """Answers something else."""

    def dataReceived(self, data: bytes) -> None:
        """Say no. Called by Twisted."""
        super().dataReceived(b"no" + data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002 - whatever it was
        """Count it. Called by Twisted."""
        owner: Any = self.factory
        owner.lost += 1


@in_reactor
async def test_a_proven_connection_is_kept() -> None:
    """A server that answers right is talked to; one that does not is left, and tried again later."""
    factory: Any = Factory.forProtocol(Parrots)
    factory.lost = 0
    port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(factory)
    service = PersistentClient(reactor, f"tcp:127.0.0.1:{port.getHost().port}", retry=lambda _: 0.1)
    service.startService()
    connected = service.when_connected()
    await deferLater(reactor, 1.2, lambda: None)
    assert factory.lost >= 2
    assert not connected.called
    factory.protocol = Echoes
    client: Any = await connected
    heard: Deferred[bytes] = Deferred()

    class Hears:
        def received(self, data: bytes) -> None:
            heard.callback(data)

        def ended(self, ending: object) -> None:
            """Do nothing: the test ends it."""

    client.listen(Hears())
    client.send(b"hello")
    assert await heard == b"hello"
    assert await service.when_connected() is client
    # One that is lost is replaced.
    client.close()
    await deferLater(reactor, 0.05, lambda: None)
    again: Any = await service.when_connected()
    assert again is not client
    again.close()
    await deferLater(reactor, 0.01, lambda: None)
    waiting = service.when_connected()
    await maybeDeferred(service.stopService)
    with pytest.raises(CancelledError):
        await waiting
    await port.stopListening()


def test_a_connection_with_itself_is_refused(tmp_path: Path) -> None:
    """A dead port of the ephemeral range can be connected with itself, and would echo: that is said to be refused."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = f"tcp:127.0.0.1:{port}:bindAddress=127.0.0.1"
    program = (
        "import sys\n"
        "from twisted.internet import reactor, endpoints\n"
        "from twisted.internet.defer import Deferred\n"
        "from echod import connect\n"
        "from echod.client import TalkError, ask\n"
        "made = lambda *_, **__: endpoints.TCP4ClientEndpoint("
        f"reactor, '127.0.0.1', {port}, bindAddress=('127.0.0.1', {port}))\n"
        "connect._endpoint = made\n"
        "async def main():\n"
        "    try:\n"
        f"        print(await ask(reactor, {where!r}, b'x'))\n"
        "    except TalkError as error:\n"
        "        print(error.word, error)\n"
        "    reactor.stop()\n"
        "reactor.callWhenRunning(lambda: Deferred.fromCoroutine(main()))\n"
        "reactor.run()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.startswith("refused"), done
    assert "itself" in done.stdout
