"""The `echod` command as a user starts it: usage, check, schema and send."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import struct
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from echod import __version__
from echod.config import json_schema
from tests.commands.programs import BIN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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


def test_version(echod: Echod) -> None:
    """The version is printed without loading Twisted, so that it is fast."""
    result = echod("--version")
    look = "import sys, echod.cli; print(any(name.startswith(('twisted', 'pydantic', 'rich')) for name in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)

    assert (result.returncode, result.stdout) == (0, f"echod {__version__}\n".encode())
    assert loaded.stdout == "False\n"


def test_help(echod: Echod) -> None:
    """Help names every command and fits on a screen."""
    result = echod("--help")

    assert result.returncode == 0
    assert all(word in result.stdout for word in (b"check", b"verify", b"send", b"ping", b"schema", b"examples:"))
    assert max(map(len, result.stdout.splitlines())) < 120
    assert b"--framing" in echod("send", "--help").stdout


def test_installed() -> None:
    """The script that installing echod makes is this command."""
    result = subprocess.run([BIN / "echod", "--version"], capture_output=True, check=True)

    assert result.stdout == f"echod {__version__}\n".encode()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "required: COMMAND"),
        (["send"], "required: ENDPOINT"),
        (["send", "tcp:127.0.0.1", "x"], "tcp needs a host and a port: write for example tcp:localhost:7007"),
        (["send", "tcp:127.0.0.1:7007", "x", "--timeout", "0"], "'0' is no time"),
        (["send", "tcp:127.0.0.1:7007", "x", "--framing", "nope"], "'nope' is no framing"),
        (["send", "tcp:127.0.0.1:7007", "x", "--framing", "fixed:2"], "the message has 1 bytes; every message has 2"),
        (["send", "udp:127.0.0.1:7007", "x", "--framing", "line"], "a datagram is a message: leave out --framing"),
        (["send", "tcp:127.0.0.1:7007", "zz", "--hex"], "'zz' is not hexadecimal"),
        (["send", "tcp:127.0.0.1:7007", ""], "the message is empty"),
        (["send", "nosuch:1", "x"], "no endpoint plugin for 'nosuch' is installed here"),
        (["ping", "tcp:127.0.0.1:7007", "-s", "0"], "over a stream a message needs at least 1 byte"),
        (["ping", "udp:127.0.0.1:7007", "-s", "65508"], "a datagram holds at most 65,507"),
        (["ping", "udp:127.0.0.1:7007", "-c", "0"], "'0' is not a whole number from 1"),
        (["ping", "udp:127.0.0.1:7007", "-i", "x"], "'x' is no time"),
        (["ping", "nosuch:1", "-c", "1"], "no endpoint plugin for 'nosuch' is installed here"),
        (["verify", "--service", "ech-tcp"], 'there is no service "ech-tcp" in (embedded default): did you mean'),
        (["verify", "--host", "a b"], 'the host "a b" is neither a name nor an IP address'),
    ],
)
def test_usage(echod: Echod, words: list[str], sentence: str) -> None:
    """Wrong usage is status 2 and a sentence, with nothing on standard output."""
    result = echod(*words)

    assert (result.returncode, result.stdout) == (2, b"")
    assert sentence in result.stderr.decode()


def test_check(echod: Echod, tmp_path: Path) -> None:
    """A right file: what would listen where, notes, and 0; standard input is a file too."""
    file = tmp_path / "a.yaml"
    file.write_text(SERVICES)
    result = echod("check", str(file))
    lines = result.stdout.decode().splitlines()

    assert (result.returncode, result.stderr) == (0, b"")
    assert [line.split()[:4] for line in lines[:2]] == [
        ["echo", "echo", "tcp", "127.0.0.1:0"],
        ["echo", "echo", "udp", "127.0.0.1:0"],
    ]
    assert lines[4].startswith("note: services.echo.listen: tcp:0:interface=127.0.0.1 leaves the port to the kernel")
    assert lines[-1] == f"{file} is right: 3 services on 4 addresses"
    assert echod("check", "-", data=SERVICES.encode()).stdout.decode().splitlines()[:-1] == lines[:-1]
    assert echod("check").stdout.decode().endswith("(embedded default) is right: 4 services on 4 addresses\n")


def test_check_wrong(echod: Echod, tmp_path: Path) -> None:
    """Every problem is one line on standard error, and the status is 78."""
    file = tmp_path / "a.yaml"
    file.write_text("services:\n  a: {listen: 7, protocol: echo}\n  b: {listen: 'tcp:8', protocol: ecko}\n")
    result = echod("check", str(file))
    lines = result.stderr.decode().splitlines()

    assert (result.returncode, result.stdout) == (78, b"")
    assert [line.split(": ")[:2] for line in lines] == [
        [f"{file}:2:15", "services.a.listen"],
        [f"{file}:3:34", "services.b.protocol"],
    ]
    assert echod("verify", str(tmp_path / "none.yaml")).returncode == 78


def test_check_include(echod: Echod) -> None:
    """Standard input is in no directory, so patterns in it would silently name nothing."""
    result = echod("check", "-", data=b"include: [conf.d/*.yaml]\nservices:\n  a: {listen: 'tcp:7', protocol: echo}\n")

    assert result.returncode == 78
    assert b"include[0]: standard input is in no directory" in result.stderr


def test_check_on_a_terminal() -> None:
    """On a terminal the addresses are a table."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([BIN / "echod", "check"], stdout=theirs, env={**os.environ, "TERM": "dumb"}) as process:
        assert process.wait(30) == 0
    os.close(theirs)
    with os.fdopen(ours, "rb") as terminal:
        text = terminal.read1().decode()

    assert "listens on" in text
    assert "echo-udp" in text


def test_schema(echod: Echod) -> None:
    """The schema is the one of the models, and JSON."""
    assert json.loads(echod("schema").stdout) == json_schema()


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


@pytest.mark.parametrize(
    ("redirection", "status", "says"),
    [(">/dev/full", 74, "echod: cannot write to standard output: No space left on device\n"), (">&-", 0, "")],
)
def test_output(redirection: str, status: int, says: str) -> None:
    """Output that cannot be written is an error; output that is not wanted is none."""
    result = subprocess.run(
        f"{BIN}/echod schema {redirection}", shell=True, capture_output=True, text=True, check=False, timeout=30
    )

    assert (result.returncode, result.stderr) == (status, says)


def test_closed_pipe() -> None:
    """When nobody reads on, as after `| head -1`, the end is quiet."""
    with subprocess.Popen([BIN / "echod", "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()

    assert (process.returncode, said) == (141, b"")
