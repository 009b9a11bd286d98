"""The cookbook: each example is served by the real daemon, and proven by the real client from another process."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.statistical import best_of
from tests.system.daemon import Daemon
from tests.system.programs import script

EXAMPLES = Path(__file__).parents[2] / "config" / "examples"
FILES = sorted(EXAMPLES.glob("*.yaml"))

OWN = {"PYTHONPATH": str(EXAMPLES)}
"""Where the example of an answer in Python finds its module."""

SMTP = """
import smtplib
with smtplib.SMTP("127.0.0.1", 2525, timeout=5) as session:
    mail = "Subject: hi\\r\\n\\r\\nhello\\r\\n.dot"
    print(session.ehlo()[0], session.sendmail("a@example.com", "b@example.com", mail))
    print(session.noop())
print("bye")
"""

NTP_EPOCH = 2_208_988_800


def run_in(network: list[str], *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the daemon's network, and return what it said."""
    return subprocess.run([*network, *command], capture_output=True, text=True, timeout=60, check=False, env=OWN)


def test_the_cookbook_is_whole() -> None:
    """The issue's list of examples is there."""
    names = {path.stem for path in FILES}
    wanted = {"tutorial", "smtp-double", "line-greeting", "length-prefixed", "dns-double", "small-services"}
    assert wanted | {"faults", "own-answer"} <= names


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_example_is_right(path: Path, tmp_path: Path, network: list[str]) -> None:
    """`echod check` takes it, and `echod verify` proves it against the daemon that serves it."""
    checked = run_in(network, script("echod"), "check", str(path))
    assert checked.returncode == 0, checked.stderr
    with Daemon(tmp_path, path.read_text(), prefix=network, environ=OWN):
        verified = run_in(network, script("echod"), "verify", str(path))
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert "right" in verified.stdout.splitlines()[-1]


def test_smtplib_delivers_to_the_double(tmp_path: Path, network: list[str]) -> None:
    """Python's own mail client sends a mail through the SMTP double, and is told nothing unusual."""
    with Daemon(tmp_path, (EXAMPLES / "smtp-double.yaml").read_text(), prefix=network):
        done = run_in(network, sys.executable, "-c", SMTP)
    assert done.stdout.splitlines() == ["250 {}", "(250, b'ok')", "bye"], done.stderr


def test_a_resolver_takes_the_dns_double(tmp_path: Path) -> None:
    """The fixed bytes are a right answer of the domain name system: same question, one address."""
    text = (EXAMPLES / "dns-double.yaml").read_text().replace("udp:5300", "udp:0")
    query = bytes.fromhex("123401000001000000000000") + b"\x07example\x04test\0\0\x01\0\x01"
    with Daemon(tmp_path, text) as daemon, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect(daemon.at("dns-double").name)
        client.send(query)
        reply = client.recv(512)
    identification, flags, questions, answers = struct.unpack_from("!HHHH", reply)
    assert (identification, flags, questions, answers) == (0x1234, 0x8180, 1, 1)
    assert reply[12 : len(query)] == query[12:]
    assert reply[-4:] == socket.inet_aton("192.0.2.1")


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_time_agrees_with_this_clock(kind: str, tmp_path: Path) -> None:
    """As an NTP client would: the four bytes lie between this machine's clock before and after."""
    text = f"services:\n  t: {{listen: '{kind}:0:interface=127.0.0.1', protocol: time}}\n"
    type_ = socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM
    with Daemon(tmp_path, text) as daemon, socket.socket(socket.AF_INET, type_) as client:
        client.settimeout(5)
        client.connect(daemon.at("t").name)
        before = int(time.time())
        if kind == "udp":
            client.send(b"")
        (seconds,) = struct.unpack("!I", client.recv(16))
        assert before <= seconds - NTP_EPOCH <= int(time.time())
        assert kind == "udp" or client.recv(16) == b""


@best_of(3)
def test_an_evil_pattern_delays_nobody(tmp_path: Path) -> None:
    """64 KiB of the classic that makes backtracking engines run for ever: others' echo stays under 100 ms."""
    text = """
services:
  evil:
    listen: tcp:0:interface=127.0.0.1
    protocol: reply
    framing: line
    rules:
      - when: {regex: '^(a+)+$'}
        reply: "all a\\r\\n"
      - when: {regex: '(x+x+)+y'}
        reply: "xy\\r\\n"
      - reply: "neither\\r\\n"
  echo: {listen: 'tcp:0:interface=127.0.0.1', protocol: echo}
"""
    with Daemon(tmp_path, text) as daemon:
        evil = socket.create_connection(daemon.at("evil").name, 10)
        echo = socket.create_connection(daemon.at("echo").name, 10)
        with evil, echo:
            slowest = 0.0
            for _ in range(20):
                evil.sendall(b"a" * 40_000 + b"x" * 25_000 + b"!\r\n")
                began = time.perf_counter()
                echo.sendall(b"hello")
                assert echo.recv(16) == b"hello"
                slowest = max(slowest, time.perf_counter() - began)
                assert evil.recv(64) == b"neither\r\n"
    assert slowest < 0.1


def test_chargen_is_paced_by_its_reader(tmp_path: Path) -> None:
    """A reader that stops costs bounded memory, and finds the pattern unbroken when it goes on."""
    text = "services:\n  c: {listen: 'tcp:0:interface=127.0.0.1', protocol: chargen}\n"
    with Daemon(tmp_path, text) as daemon, socket.create_connection(daemon.at("c").name, 10) as client:
        before = daemon.resident
        time.sleep(1)
        assert daemon.resident - before < 1 << 20
        heard = bytearray()
        while len(heard) < 8 << 20:
            heard += client.recv(1 << 16)
        lines = bytes(heard).split(b"\r\n")[:-1]
    for number, line in enumerate(lines):
        assert line == bytes(0x20 + (number + at) % 95 for at in range(72)), number


def test_discard_says_nothing(tmp_path: Path) -> None:
    """A mebibyte goes in and nothing comes out, over TCP; nor does a datagram."""
    text = "services:\n  d: {listen: ['tcp:0:interface=127.0.0.1', 'udp:0:interface=127.0.0.1'], protocol: discard}\n"
    with Daemon(tmp_path, text) as daemon:
        with socket.create_connection(daemon.at("d", "tcp").name, 10) as stream:
            stream.sendall(bytes(1 << 20))
            stream.shutdown(socket.SHUT_WR)
            assert stream.recv(1) == b""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.connect(daemon.at("d", "udp").name)
            datagrams.settimeout(0.3)
            datagrams.send(b"hello")
            with pytest.raises(TimeoutError):
                datagrams.recv(16)
