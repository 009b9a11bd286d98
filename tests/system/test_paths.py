"""Whichever way bytes take, the same is sent: the fast way on two reactors, and the plain one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.system.clients import connected, datagrams, exactly, fill, half_closed, rest
from tests.system.daemon import LIMIT, Daemon, environment, wait_until
from tests.system.programs import script
from tests.system.test_tutorial import TCP_CLIENT, UDP_CLIENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MIB = 1 << 20

CONFIG = """\
services:
  echo:
    listen: ["tcp:0:interface=127.0.0.1", "udp:0", "unix:{folder}/echo.sock", "unixgram:{folder}/echo.dgram"]
    protocol: echo
  hello:
    listen: "udp:0:interface=127.0.0.1"
    protocol: reply
    reply: hi
  lines:
    listen: "tcp:0:interface=127.0.0.1"
    protocol: reply
    framing: line
    greeting: "who?\\r\\n"
    rules:
      - when: {{equals: QUIT}}
        reply: "bye\\r\\n"
        then: close
      - when: {{equals: RESET}}
        reply: "reset\\r\\n"
        then: reset
      - reply: "{{count}} {{message}}\\r\\n"
  few:
    listen: ["tcp:0:interface=127.0.0.1", "udp:0:interface=127.0.0.1"]
    protocol: echo
    deny: [127.0.0.2]
    limits: {{connections_per_source: 2}}
  behind:
    listen: "tcp:0:interface=127.0.0.1"
    protocol: reply
    proxy_protocol: on
    trusted_proxies: [127.0.0.1]
    reply: "{{peer.host}} {{message}}"
  changing:
    listen: "tcp:0:interface=127.0.0.1"
    protocol: {protocol}
"""


class Way(NamedTuple):
    """How a daemon is started for it; its log names the reactor, and each poller of its own is an epoll."""

    options: Sequence[str]
    environ: Mapping[str, str]
    reactor: str
    epolls: int


WAYS = {
    "fast": Way(["--reactor=epoll"], {"ECHOD_PLAIN": ""}, "epollreactor", 2),
    "fast on asyncio": Way(["--reactor=asyncio"], {"ECHOD_PLAIN": ""}, "asyncioreactor", 2),
    "plain": Way(["--reactor=epoll"], {"ECHOD_PLAIN": "1"}, "epollreactor", 1),
}


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    """Give each way in turn."""
    return WAYS[request.param]


@pytest.fixture(scope="module")
def daemon(way: Way, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Serve everything one way."""
    folder = tmp_path_factory.mktemp("way")
    config = CONFIG.format(folder=folder, protocol="echo")
    with Daemon(folder, config, options=way.options, environ=way.environ) as serving:
        yield serving


def test_this_way_is_taken(daemon: Daemon, way: Way) -> None:
    """The reactor is the one asked for, and has our poller in it unless the way is plain."""
    assert f"twisted.internet.{way.reactor}." in daemon.log
    with connected(daemon.at("echo", "tcp")) as sock:
        sock.sendall(b"x")
        assert sock.recv(9) == b"x"
        links = [str(each.readlink()) for each in Path(f"/proc/{daemon.pid}/fd").iterdir()]
        assert links.count("anon_inode:[eventpoll]") == way.epolls


def test_streams(daemon: Daemon) -> None:
    """Megabytes come back, and the end after a half-close; so do many small messages at once."""
    large = os.urandom(4 * MIB)
    for where in (daemon.at("echo", "tcp"), f"{daemon.file.parent}/echo.sock"):
        assert (half_closed(where, large) == large) is True
        with ExitStack() as stack:
            socks = [stack.enter_context(connected(where)) for _ in range(30)]
            for number in range(5):
                for which, sock in enumerate(socks):
                    sock.sendall(b"%d of %d" % (number, which))
                assert [sock.recv(99) for sock in socks] == [b"%d of %d" % (number, which) for which in range(30)]


def test_a_peer_that_reads_later(daemon: Daemon) -> None:
    """It is not read from without end meanwhile, and then gets every byte."""
    with connected(daemon.at("echo", "tcp")) as sock:
        sent = fill(sock, 64 * MIB, 0.3)
        assert sent < 64 * MIB
        assert (exactly(sock, sent) == b"x" * sent) is True
        sock.sendall(b"after")
        assert exactly(sock, 5) == b"after"


def test_replies(daemon: Daemon) -> None:
    """Greeting, framing, rules and endings, whatever way the requests are cut."""
    with connected(daemon.at("lines")) as sock:
        assert exactly(sock, 6) == b"who?\r\n"
        for piece in (b"on", b"e\r", b"\ntwo\r\nthr", b"ee\r\nQUIT\r\nfour\r\n"):
            sock.sendall(piece)
        assert rest(sock) == b"1 one\r\n2 two\r\n3 three\r\nbye\r\n"
    with connected(daemon.at("lines")) as sock:
        sock.sendall(b"RESET\r\n")
        assert exactly(sock, 13) == b"who?\r\nreset\r\n"
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_datagrams(daemon: Daemon) -> None:
    """Every size comes back, from the address that was hit: a connected socket takes no other's answer."""
    messages = [os.urandom(size) for size in (0, 1, 1_400, 8_192, 9_000, 65_507)]
    wild = daemon.at("echo", "udp")
    for host in ("127.0.0.1", "127.0.0.3"):
        assert (datagrams(wild._replace(text=f"{host}:{wild.port}"), messages) == messages) is True
    assert (datagrams(f"{daemon.file.parent}/echo.dgram", messages) == messages) is True
    assert datagrams(daemon.at("hello"), [b"hello", b"hi"]) == [b"hi", b"hi"]


def test_guards(daemon: Daemon) -> None:
    """Who is denied gets nothing, and one source no more connections than it may have."""
    where = daemon.at("few", "tcp")
    with socket.socket() as denied:
        denied.settimeout(LIMIT)
        denied.bind(("127.0.0.2", 0))
        denied.connect(where.name)
        assert denied.recv(9) == b""
    with (
        socket.socket(type=socket.SOCK_DGRAM) as denied,
        connected(daemon.at("few", "udp"), socket.SOCK_DGRAM) as other,
    ):
        denied.bind(("127.0.0.2", 0))
        denied.sendto(b"denied", daemon.at("few", "udp").name)
        # The answer to what came after it proves that it was seen.
        other.send(b"allowed")
        assert other.recv(99) == b"allowed"
        denied.setblocking(False)
        with pytest.raises(BlockingIOError):
            denied.recv(99)
    with ExitStack() as stack:
        socks = [stack.enter_context(connected(where)) for _ in range(3)]
        for sock in socks[:2]:
            sock.sendall(b"x")
            assert sock.recv(9) == b"x"
        assert socks[2].recv(9) == b""


def test_behind_a_balancer(daemon: Daemon) -> None:
    """The header of the PROXY protocol names the client, also when it comes byte by byte."""
    with connected(daemon.at("behind")) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n":
            sock.sendall(bytes([byte]))
        sock.sendall(b"hello")
        assert exactly(sock, 15) == b"192.0.2.7 hello"


def test_a_reload(daemon: Daemon) -> None:
    """Who is connected to a service that changes goes on as before, and the next one gets the new answers."""
    with connected(daemon.at("changing")) as before:
        before.sendall(b"x")
        assert before.recv(9) == b"x"
        daemon.file.write_text(CONFIG.format(folder=daemon.file.parent, protocol="daytime"), encoding="utf-8")
        daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: "reloaded: 5 kept, 1 changed, 0 added, 0 removed" in daemon.log, "it has reloaded")
        before.sendall(b"y")
        assert before.recv(9) == b"y"
        with connected(daemon.at("changing")) as after:
            assert rest(after).endswith(b"\r\n")


def test_a_stop(tmp_path: Path, way: Way) -> None:
    """What the kernel holds when the daemon is told to stop is answered, over streams and datagrams."""
    config = CONFIG.format(folder=tmp_path, protocol="echo")
    with Daemon(tmp_path, config, options=way.options, environ=way.environ) as stopping, ExitStack() as stack:
        asking = stack.enter_context(connected(stopping.at("lines")))
        assert exactly(asking, 6) == b"who?\r\n"
        stopping.send_signal(signal.SIGSTOP)
        clients = [stack.enter_context(connected(stopping.at("echo", "tcp"))) for _ in range(50)]
        for number, client in enumerate(clients):
            client.sendall(b"%d " % number * 10_000)
        asking.sendall(b"".join(b"%d\r\n" % number for number in range(1_000)))
        peer = stack.enter_context(connected(stopping.at("hello"), socket.SOCK_DGRAM))
        for _ in range(100):
            peer.send(b"hello")
        stopping.send_signal(signal.SIGTERM)
        stopping.send_signal(signal.SIGCONT)
        for number, client in enumerate(clients):
            assert (rest(client) == b"%d " % number * 10_000) is True
        assert rest(asking) == b"".join(b"%d %d\r\n" % (number + 1, number) for number in range(1_000))
        assert [peer.recv(99) for _ in range(100)] == [b"hi"] * 100
        stack.close()
        stopping.ended()


def test_the_tutorial(tmp_path: Path, way: Way, network: list[str]) -> None:
    """Its clients get their `hi`, and `echod verify` finds everything right."""

    def run(*command: str) -> str:
        done = subprocess.run(
            [*network, *command], env=environment({}), check=False, capture_output=True, text=True, timeout=LIMIT
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    with Daemon(tmp_path, None, options=way.options, environ=way.environ, prefix=network):
        assert run(sys.executable, "-c", TCP_CLIENT) == "b'hi'\nb''\n"
        assert run(sys.executable, "-c", UDP_CLIENT) == "(b'hi', ('127.0.0.1', 55555))\n"
        assert "are right" in run(script("echod"), "verify")
