"""Everybody's clients get everything back: nc, socat, ncat, openssl, and plain sockets."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.system.clients import Sending, connected, datagrams, exactly, fill, rest
from tests.system.daemon import LIMIT, Daemon
from tests.system.programs import program

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.system.daemon import Address

MIB = 1 << 20

STREAMS = """\
services:
  tcp: {listen: "tcp:0:interface=127.0.0.1", protocol: echo}
  unix: {listen: "unix:${FOLDER}/echo.sock", protocol: echo}
"""

TCP_COMMANDS = {
    "nc": ["nc", "-N", "{host}", "{port}"],
    "socat": ["socat", "-t20", "-", "TCP:{host}:{port}"],
    "ncat": ["ncat", "{host}", "{port}"],
}
UNIX_COMMANDS = {
    "nc": ["nc", "-N", "-U", "{path}"],
    "socat": ["socat", "-t20", "-", "UNIX-CONNECT:{path}"],
    "ncat": ["ncat", "-U", "{path}"],
}


def piped(command: Sequence[str], address: Address, data: bytes) -> bytes:
    """Give a program its input, as `printf x |` does, and return its output; it must end well by itself."""
    host, _, port = address.text.rpartition(":")
    words = [word.format(host=host, port=port, path=address.text) for word in command]
    made = subprocess.run([program(words[0]), *words[1:]], input=data, timeout=LIMIT, check=False, capture_output=True)
    assert made.returncode == 0, f"{words} ended with status {made.returncode}: {made.stderr!r}"
    return made.stdout


@pytest.mark.parametrize("client", TCP_COMMANDS)
def test_everything_comes_back_then_the_end(tmp_path: Path, client: str) -> None:
    """
    A client that ends its direction after its last byte gets all of it back, and then the end of the stream.

    With Twisted's usual `Echo` most of these rounds lose bytes: end and bytes arrive in the same turn.
    """
    large = os.urandom(8 * MIB)
    with Daemon(tmp_path, STREAMS, environ={"FOLDER": str(tmp_path)}) as daemon:
        for service, commands in (("tcp", TCP_COMMANDS), ("unix", UNIX_COMMANDS)):
            command, address = commands[client], daemon.at(service)
            assert [piped(command, address, b"x") for _ in range(10)] == [b"x"] * 10
            for _ in range(2):
                # Compared to a truth value: the difference of two such values is too long to read.
                assert (piped(command, address, large) == large) is True
            assert piped(command, address, b"") == b""


def test_nc_over_udp(tmp_path: Path) -> None:
    """`nc -u` gets its line back."""
    config = "services: {echo: {listen: 'udp:0:interface=127.0.0.1', protocol: echo}}"
    with Daemon(tmp_path, config) as daemon:
        command = ["nc", "-u", "-W", "1", "{host}", "{port}"]
        assert [piped(command, daemon.at("echo"), b"hello\n") for _ in range(5)] == [b"hello\n"] * 5


@pytest.mark.parametrize("listen", ["udp:0:interface=127.0.0.1", r"udp6:0:interface=\:\:1"], ids=["ipv4", "ipv6"])
def test_datagrams_of_every_size(tmp_path: Path, listen: str) -> None:
    """Datagrams come back whole, from the empty one to the longest; Twisted alone cuts them at 8,192 bytes."""
    messages = [os.urandom(size) for size in (0, 1, 8_192, 8_193, 65_507)]
    with Daemon(tmp_path, f"services: {{echo: {{listen: '{listen}', protocol: echo}}}}") as daemon:
        answers = datagrams(daemon.at("echo"), messages * 3)
    assert [len(answer) for answer in answers] == [len(message) for message in messages] * 3
    assert (answers == messages * 3) is True


def test_who_does_not_read_is_held_back(tmp_path: Path) -> None:
    """
    A client that sends and never reads costs no memory, and keeps nobody else waiting.

    When it reads after all, everything that it could send is there.
    """
    with Daemon(tmp_path, STREAMS, environ={"FOLDER": str(tmp_path)}) as daemon:
        for service in ("tcp", "unix"):
            where = daemon.at(service) if service == "tcp" else daemon.at(service).text
            with connected(where) as other, connected(where) as greedy:
                other.sendall(b"before")
                assert exactly(other, 6) == b"before"
                before = daemon.resident
                sent = fill(greedy, 256 * MIB)
                assert sent < 256 * MIB, "all of it was taken: nothing holds the client back"
                assert daemon.resident - before < 8 * MIB
                other.sendall(b"after")
                assert exactly(other, 5) == b"after"
                greedy.shutdown(socket.SHUT_WR)
                assert (rest(greedy) == b"x" * sent) is True


@pytest.mark.parametrize("service", ["unix", "tcp"])
def test_the_end_of_a_client_that_reads_later(tmp_path: Path, service: str) -> None:
    """
    Bytes that wait in the daemon when the client's end arrives are not lost.

    How many the kernel takes before some have to wait depends on the machine, so many sizes are tried.
    """
    step, most = (16 << 10, 640 << 10) if service == "unix" else (96 << 10, 8 * MIB)
    with Daemon(tmp_path, STREAMS, environ={"FOLDER": str(tmp_path)}) as daemon:
        where = daemon.at(service) if service == "tcp" else daemon.at(service).text
        for size in range(step, most, step):
            with connected(where) as sock, Sending(sock, b"x" * size):
                time.sleep(0.02)
                assert len(rest(sock)) == size


def test_openssl_s_client(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    """What is typed into `openssl s_client` comes back, and the certificate can be checked."""
    key, cert = certificate
    listen = f"ssl:0:privateKey={key}:certKey={cert}:interface=127.0.0.1"
    with Daemon(tmp_path, f"services: {{tls: {{listen: '{listen}', protocol: echo}}}}") as daemon:
        checks = ["-CAfile", str(cert), "-verify_return_error", "-verify_hostname", "localhost"]
        command = [program("openssl"), "s_client", "-quiet", "-connect", daemon.at("tls").text, *checks]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as client:
            try:
                assert client.stdin is not None
                assert client.stdout is not None
                for text in (b"hello\n", b"x" * 100_000 + b"\n", b"bye\n"):
                    client.stdin.write(text)
                    client.stdin.flush()
                    assert (client.stdout.read(len(text)) == text) is True
            finally:
                client.kill()


def test_many_small_messages_in_turn(tmp_path: Path) -> None:
    """A thousand questions, each after the answer to the last, take no artificial delay (Nagle, delayed ACK)."""
    with Daemon(tmp_path, STREAMS, environ={"FOLDER": str(tmp_path)}) as daemon, connected(daemon.at("tcp")) as sock:
        began = time.monotonic()
        for number in range(1_000):
            message = b"%d" % number
            sock.sendall(message)
            assert exactly(sock, len(message)) == message
        # One delayed ACK takes 40 ms: a thousand of them 40 s.
        assert time.monotonic() - began < 10
