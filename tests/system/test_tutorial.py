"""The socket tutorial works against echod as it is printed, and echod's clients work against its servers."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.system.daemon import LIMIT, Daemon, environment, wait_until

if TYPE_CHECKING:
    from pathlib import Path

TCP_CLIENT = """\
import socket

client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client.connect(("127.0.0.1", 55555))
client.send(b"hello")
print(client.recv(1024))
print(client.recv(1024))
client.close()
"""

TCP_SERVER = """\
import socket

server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", 55555))
server.listen(1)
print("ready", flush=True)
client, address = server.accept()
print(client.recv(1024))
client.send(b"hi")
client.close()
server.close()
"""

UDP_CLIENT = """\
import socket

client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.sendto(b"hello", ("127.0.0.1", 55555))
print(client.recvfrom(1024))
client.close()
"""

UDP_SERVER = """\
import socket

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 55555))
print("ready", flush=True)
data, address = server.recvfrom(1024)
print(data)
server.sendto(b"hi", address)
server.close()
"""

ASK = """\
import sys
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import react
from echod.client import ask

async def main(reactor):
    print(await ask(reactor, sys.argv[1], b"hello"))

react(lambda reactor: ensureDeferred(main(reactor)))
"""

LISTENER = """\
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import react

class Listener:
    def __init__(self, done_when):
        self.told, self.done_when, self.done = [], done_when, Deferred()

    def received(self, data):
        self.tell(data)

    def ended(self, ending):
        self.tell(ending.value)

    def tell(self, what):
        self.told.append(what)
        if len(self.told) == self.done_when:
            self.done.callback(self.told)
"""

TCP_FACTORY = f"""{LISTENER}
from twisted.internet.endpoints import TCP4ClientEndpoint
from echod.client import StreamClientFactory

async def main(reactor):
    client = await TCP4ClientEndpoint(reactor, "127.0.0.1", 55555).connect(StreamClientFactory())
    listener = Listener(2)
    client.listen(listener)
    client.send(b"hello")
    print(*await listener.done)

react(lambda reactor: ensureDeferred(main(reactor)))
"""

UDP_FACTORY = f"""{LISTENER}
from echod.client import DatagramClientFactory

async def main(reactor):
    client = DatagramClientFactory().buildProtocol(None)
    port = reactor.listenUDP(0, client, interface="127.0.0.1")
    client.transport.connect("127.0.0.1", 55555)
    listener = Listener(1)
    client.listen(listener)
    client.send(b"hello")
    print(*await listener.done)
    await port.stopListening()

react(lambda reactor: ensureDeferred(main(reactor)))
"""


def run(network: list[str], code: str, *arguments: str) -> str:
    """Run a Python program in a network, and return what it prints; it must end well, and without a warning."""
    command = [*network, sys.executable, "-W", "error::ResourceWarning", "-c", code, *arguments]
    made = subprocess.run(command, timeout=LIMIT, check=False, capture_output=True, text=True, env=environment({}))
    assert (made.returncode, made.stderr) == (0, ""), f"{made.stderr}\n{made.stdout}"
    return made.stdout


def against(network: list[str], server: str, client: str, *arguments: str) -> tuple[str, str]:
    """Run a client against a server that serves one and ends; return what each prints."""
    command = [*network, sys.executable, "-c", server]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment({})) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            printed = run(network, client, *arguments)
            heard, _ = process.communicate(timeout=LIMIT)
            assert process.returncode == 0
        finally:
            process.kill()
    return heard.strip(), printed.strip()


def test_the_tutorials_clients_against_the_embedded_default(tmp_path: Path, network: list[str]) -> None:
    """Whoever types the tutorial's clients gets `hi`, then the end of the stream; as often as they like."""
    with Daemon(tmp_path, None, prefix=network):
        for _ in range(3):
            assert run(network, TCP_CLIENT) == "b'hi'\nb''\n"
            assert run(network, UDP_CLIENT) == "(b'hi', ('127.0.0.1', 55555))\n"


def test_the_line_that_the_daemon_says_to_try(tmp_path: Path, network: list[str]) -> None:
    """The first thing a newcomer is told to type names an address that is really served."""
    with Daemon(tmp_path, None, prefix=network) as daemon:
        wait_until(lambda: daemon.log.rpartition(" try: ")[2].endswith("\n"), "it says what to try")
        tried = daemon.log.rpartition(" try: ")[2].split()
        assert tried[-3:] == ["send", "tcp:127.0.0.1:55555", "hello"]
        assert run(network, ASK, tried[-2]) == "b'hi'\n"


@pytest.mark.parametrize(
    ("server", "target"),
    [(TCP_SERVER, "tcp:127.0.0.1:55555"), (UDP_SERVER, "udp:127.0.0.1:55555")],
    ids=["tcp", "udp"],
)
def test_ask_against_the_tutorials_servers(network: list[str], server: str, target: str) -> None:
    """`echod.client.ask` talks to the tutorial's one-shot servers."""
    assert against(network, server, ASK, target) == ("b'hello'", "b'hi'")


def test_the_stream_factory_against_the_tutorials_server(network: list[str]) -> None:
    """`endpoint.connect(StreamClientFactory())` gives a client that hears the answer, and the server's close."""
    heard, printed = against(network, TCP_SERVER, TCP_FACTORY)
    assert heard == "b'hello'"
    # The end may be told twice; the program stops at the first.
    assert printed == "b'hi' closed"


def test_the_datagram_factory_against_the_tutorials_server(network: list[str]) -> None:
    """What `DatagramClientFactory` builds works on Twisted's own UDP port too."""
    assert against(network, UDP_SERVER, UDP_FACTORY) == ("b'hello'", "b'hi'")
