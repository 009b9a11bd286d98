"""The `echod` command as a user starts it: usage, check and schema."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from echod import __version__
from echod.config import json_schema
from tests.commands.programs import BIN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.commands.programs import Echod

SERVICES = """
services:
  echo: {listen: ["tcp:0:interface=127.0.0.1", "udp:0:interface=127.0.0.1"], protocol: echo}
  hello: {listen: ["tcp:0:interface=127.0.0.1"], protocol: reply, reply: hi}
  strings: {listen: "tcp:0:interface=127.0.0.1", protocol: reply, framing: netstring, reply: "<{message}>"}
"""


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
    ("redirection", "status", "says"),
    [(">/dev/full", 74, "echod: input or output failed: No space left on device\n"), (">&-", 0, "")],
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
