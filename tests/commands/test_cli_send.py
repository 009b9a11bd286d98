"""`echod send` as a user starts it, with every failure that loopback can show."""

from __future__ import annotations

import os
import pty
import signal
import socket
import struct
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.commands.programs import BIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.commands.programs import Echod, Served

SERVICES = """
services:
  echo: {listen: ["tcp:0:interface=127.0.0.1", "udp:0:interface=127.0.0.1"], protocol: echo}
  hello: {listen: ["tcp:0:interface=127.0.0.1"], protocol: reply, reply: hi}
  strings: {listen: "tcp:0:interface=127.0.0.1", protocol: reply, framing: netstring, reply: "<{message}>"}
"""


@pytest.fixture(scope="module")
def served(serve: Callable[[str], Served]) -> Served:
    """Start the daemon that these tests talk to."""
    return serve(SERVICES)


@pytest.mark.parametrize(
    ("service", "kind", "words", "data", "answer"),
    [
        ("echo", "tcp", ["hé"], b"", "hé".encode()),
        ("echo", "udp", ["x"], b"", b"x"),
        ("hello", "tcp", ["hello"], b"", b"hi"),
        ("echo", "tcp", [], b"\0\xff\n", b"\0\xff\n"),
        ("echo", "udp", ["-"], b"", b""),
        ("echo", "udp", ["--hex", "00 ff"], b"", b"00 ff\n"),
        ("echo", "udp", ["--hex", "-"], b"00\nff", b"00 ff\n"),
        ("strings", "tcp", ["--framing", "netstring", "a,b"], b"", b"<a,b>"),
        ("echo", "tcp", ["--framing", r"delimiter:\r\n", "--hex", "41"], b"", b"41 0d 0a\n"),
        ("echo", "tcp", ["--", "-x"], b"", b"-x"),
    ],
)
def test_send(
    echod: Echod, served: Served, service: str, kind: str, words: list[str], data: bytes, answer: bytes
) -> None:
    """The answer's bytes are on standard output exactly."""
    result = echod("send", served.endpoint(service, kind), *words, data=data)

    assert (result.returncode, result.stdout, result.stderr) == (0, answer, b"")


def test_send_on_a_terminal(served: Served) -> None:
    """A terminal gets the newline that the answer lacks, and must be told the message."""
    command = [str(BIN / "echod"), "send", served.endpoint("hello")]
    ours, theirs = pty.openpty()
    with subprocess.Popen([*command, "hello"], stdout=theirs) as process:
        assert process.wait(30) == 0
    refused = subprocess.run(command, stdin=theirs, capture_output=True, check=False, timeout=30)
    os.close(theirs)
    with os.fdopen(ours, "rb") as terminal:
        assert terminal.read1() == b"hi\r\n"
    assert refused.returncode == 2
    assert b"there is no MESSAGE: write one" in refused.stderr


def _read_once(connection: socket.socket) -> None:
    connection.recv(100)


def _read_on(connection: socket.socket) -> None:
    while connection.recv(100):
        pass


def test_send_reset(echod: Echod, tcp_peer: Callable[[Callable[[socket.socket], None]], str]) -> None:
    """A reset before an answer is status 1, as the service was reached."""

    def reset(connection: socket.socket) -> None:
        connection.recv(100)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    endpoint = tcp_peer(reset)
    result = echod("send", endpoint, "x")

    assert (result.returncode, result.stdout) == (1, b"")
    assert result.stderr.decode() == f"reset: {endpoint}: the connection was reset before an answer\n"


def test_send_closed(echod: Echod, tcp_peer: Callable[[Callable[[socket.socket], None]], str]) -> None:
    """A close without an answer, likewise."""
    endpoint = tcp_peer(_read_once)
    result = echod("send", endpoint, "x")

    assert result.returncode == 1
    assert result.stderr.decode() == f"closed: {endpoint}: the connection was closed without an answer\n"


def test_send_silence(
    echod: Echod,
    tcp_peer: Callable[[Callable[[socket.socket], None]], str],
    udp_peer: Callable[[Callable[[bytes], list[bytes]]], str],
) -> None:
    """Silence is a timeout; a connection was reached by then, datagrams reached nobody that we know of."""
    stream = echod("send", tcp_peer(_read_on), "x", "--timeout", "200ms")
    datagram = echod("send", udp_peer(lambda _: []), "x", "--timeout", ".2")

    assert (stream.returncode, stream.stderr.split(b":")[0]) == (1, b"timeout")
    assert (datagram.returncode, datagram.stderr.split(b":")[0]) == (69, b"timeout")
    assert b"no answer within 0.2 s" in stream.stderr


def test_send_backlog(echod: Echod) -> None:
    """A server whose queue is full does not answer the attempt to connect: that is a timeout too."""
    with socket.socket() as listener, socket.socket() as first:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        first.connect(listener.getsockname())
        result = echod("send", "tcp:{}:{}".format(*listener.getsockname()), "x", "--timeout", "300ms")

    assert result.returncode == 69
    assert result.stderr.split(b":")[0] == b"timeout"


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_send_refused(echod: Echod, free_port: int, kind: str) -> None:
    """Where nothing listens, the status is 69."""
    result = echod("send", f"{kind}:127.0.0.1:{free_port}", "x")

    assert result.returncode == 69
    assert result.stderr.decode() == f"refused: {kind}:127.0.0.1:{free_port}: nothing listens there\n"


@pytest.mark.parametrize("kind", ["tcp", "udp", "tls", "udp6", "tcp6"])
def test_send_dns(echod: Echod, kind: str) -> None:
    """A name that does not exist (RFC 6761) is `dns`."""
    result = echod("send", f"{kind}:nonexistent.invalid:7007", "x")

    assert (result.returncode, result.stderr.split(b":")[0]) == (69, b"dns")


def test_send_tls(echod: Echod, served: Served) -> None:
    """A server that talks no TLS fails the handshake."""
    result = echod("send", served.endpoint("echo").replace("tcp:", "tls:"), "x")

    assert (result.returncode, result.stderr.split(b":")[0]) == (69, b"tls")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted(
    tcp_peer: Callable[[Callable[[socket.socket], None]], str], number: signal.Signals, status: int
) -> None:
    """Ctrl-C ends at once, without a word."""
    asked: list[bytes] = []

    def listen(connection: socket.socket) -> None:
        asked.append(connection.recv(100))
        connection.recv(1)

    command = [str(BIN / "echod"), "send", tcp_peer(listen), "x", "--timeout", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while not asked:
            time.sleep(0.01)
        process.send_signal(number)
        out, err = process.communicate(timeout=10)

    assert (process.returncode, out, err) == (status, b"", b"")
