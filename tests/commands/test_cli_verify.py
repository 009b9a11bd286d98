"""`echod verify` as a user starts it: against echod, against others, and against nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.commands.programs import make_certificate

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from tests.commands.programs import Echod

    Tcp = Callable[[Callable[[socket.socket], None]], str]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the name of a file to write."""
    return tmp_path / "echod.yaml"


def test_right(
    echod: Echod, serve: Callable[[str], object], file: Path, free_port: int, certificate: Path, tmp_path: Path
) -> None:
    """Every sort of address, all right; then the same over TLS from a machine that does not have the file."""
    port, secure = free_port, free_port + 1
    file.write_text(f"""
services:
  echo: {{listen: ["tcp:{port}", "udp:{port}", "unix:{tmp_path}/a", "unixgram:{tmp_path}/b"], protocol: echo}}
  secret: {{listen: "ssl:{secure}:privateKey={certificate}:interface=127.0.0.1", protocol: echo}}
  line:
    listen: "tcp:{port + 2}:interface=127.0.0.1"
    protocol: reply
    framing: line
    rules: [{{when: {{equals: a}}, reply: b}}, {{reply: c, then: close}}]
""")
    serve(file.read_text())
    result = echod("verify", str(file))

    assert result.stderr == b""
    assert result.stdout.decode().splitlines() == [
        f"{service:6}  {address:{len(f'unixgram {tmp_path}/b')}}  {right}"
        for service, address, right in [
            ("echo", f"tcp 127.0.0.1:{port}", "right (1 of 1)"),
            ("echo", f"udp 127.0.0.1:{port}", "right (3 of 3)"),
            ("echo", f"unix {tmp_path}/a", "right (1 of 1)"),
            ("echo", f"unixgram {tmp_path}/b", "right (3 of 3)"),
            ("secret", f"ssl 127.0.0.1:{secure}", "right (1 of 1)"),
            ("line", f"tcp 127.0.0.1:{port + 2}", "right (2 of 2)"),
        ]
    ] + ["3 services are right"]
    assert result.returncode == 0

    file.write_text(file.read_text().replace(str(certificate), "none.pem"))
    distrusted = echod("verify", str(file), "--service", "secret")

    assert distrusted.returncode == 69
    assert b"  tls: the handshake failed (certificate verify failed) (exam: " in distrusted.stdout

    other = make_certificate(tmp_path / "other.pem")
    file.write_text(file.read_text().replace("none.pem", str(other)))
    replaced = echod("verify", str(file), "--service", "secret", "--service", "line")

    assert replaced.returncode == 1
    assert b"  tls: shows another certificate than the file names (exam: " in replaced.stdout
    assert replaced.stdout.endswith(b"1 of 2 services is wrong\n")


def test_wrong_server(echod: Echod, tcp_peer: Tcp, file: Path) -> None:
    """Something that is not what the file says: each exam names its word, its sentence and itself."""

    def shout(connection: socket.socket) -> None:
        connection.sendall(connection.recv(100).upper())
        connection.recv(100)

    endpoint = tcp_peer(shout)
    file.write_text(f"""
services:
  good: {{listen: "tcp:0", connect: "{endpoint}", protocol: reply, reply: HELLO}}
  bad: {{listen: "tcp:0", connect: "{endpoint}", protocol: reply, rules: [{{when: {{equals: a}}, reply: b}}]}}
""")
    result = echod("verify", str(file))
    address = endpoint.replace(":", " ", 1)

    assert result.returncode == 1
    assert result.stdout.decode() == (
        f"good  {address}  right (1 of 1)\n"
        f"bad   {address}  mismatch: said 'A'; 'b' was expected (exam: equals b'a')\n"
        "1 of 2 services is wrong\n"
    )


@pytest.mark.parametrize(
    ("end", "word"),
    [("closed", "closed"), ("silent", "timeout")],
)
def test_failures(echod: Echod, tcp_peer: Tcp, file: Path, end: str, word: str) -> None:
    """A server that was reached, but did not answer, is wrong and not unreached."""

    def talk(connection: socket.socket) -> None:
        connection.recv(100)
        if end == "silent":
            connection.recv(100)

    file.write_text(f'services: {{a: {{listen: "tcp:0", connect: "{tcp_peer(talk)}", protocol: reply, reply: x}}}}')
    result = echod("verify", str(file), "--timeout", "300ms")

    assert result.returncode == 1
    assert f"  {word}: " in result.stdout.decode()


def test_unreached(echod: Echod, file: Path, free_port: int) -> None:
    """Nothing listens at all: 69; the host can be another one."""
    file.write_text(f'services: {{a: {{listen: ["tcp:{free_port}", "udp:{free_port}"], protocol: echo}}}}')
    here, there = echod("verify", str(file)), echod("verify", str(file), "--host", "nonexistent.invalid")

    assert here.returncode == there.returncode == 69
    assert here.stdout.count(b"  refused: nothing listens there (exam: ") == 2
    assert here.stdout.endswith(b"none of 1 service could be reached\n")
    assert there.stdout.count(b"  dns: the name is not known (exam: ") == 2


def test_not_verified(echod: Echod, file: Path, serve: Callable[[str], object], free_port: int) -> None:
    """What cannot be verified is not right, unless it was not asked for."""
    file.write_text(f"""
services:
  good: {{listen: "tcp:{free_port}:interface=127.0.0.1", protocol: echo}}
  free: {{listen: "tcp:0:interface=127.0.0.1", protocol: echo}}
  fixed:
    listen: "tcp:{free_port + 1}:interface=127.0.0.1"
    protocol: reply
    framing: {{fixed: 16}}
    rules: [{{reply: x, example: short}}]
""")
    serve(file.read_text())
    result = echod("verify", str(file))
    text = result.stdout.decode()

    assert result.returncode == 1
    assert "not verified: the kernel chose its port when the daemon started: give the service connect" in text
    assert "  mismatch: the request cannot be sent: the message has 5 bytes; every message has 16" in text
    assert text.endswith("\n1 of 3 services is wrong, 1 was not verified\n")
    assert echod("verify", str(file), "--service", "good").returncode == 0


def test_json(echod: Echod, file: Path, free_port: int) -> None:
    """One document, and the same status."""
    file.write_text(f'services: {{a: {{listen: ["udp:{free_port}"], protocol: echo}}}}')
    result = echod("verify", str(file), "--json")
    made = json.loads(result.stdout)

    assert (result.returncode, made["right"], made["file"]) == (69, False, str(file))
    assert made["services"][0]["addresses"][0]["exams"] == [
        {"exam": "5 bytes", "right": False, "word": "refused", "why": "nothing listens there", "reached": False}
    ]
