"""How a reply ends the connection: `then: close`, `reset`, `half-close` and `keep`, as a client sees it."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.system.clients import connected, exactly, rest
from tests.system.daemon import Daemon

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20

SHORT = """\
services:
  hello:
    listen: ["tcp:0:interface=127.0.0.1", "unix:{folder}/hello.sock"]
    protocol: reply
    reply: hi
    then: {then}
"""

LONG = """\
services:
  long:
    listen: "tcp:0:interface=127.0.0.1"
    protocol: reply
    framing: {{fixed: 65536}}
    reply: "{reply}"
    then: {then}
"""

FRAME = bytes(range(256)) * 256
ANSWER = FRAME * 16


def long(then: str) -> str:
    """Return a file whose service answers 64 KiB with 1 MiB, more than the kernel takes at once."""
    return LONG.format(reply="{message}" * 16, then=then)


def refused_after(sock: socket.socket) -> float:
    """Return after how many seconds of sending the other side refuses, at most 10."""
    began = time.monotonic()
    with suppress(ConnectionError):
        while time.monotonic() - began < 10:
            sock.sendall(b"x")
            time.sleep(0.1)
    return time.monotonic() - began


def test_close_with_unread_input(tmp_path: Path) -> None:
    """
    The answer and a clean end are read after a megabyte was sent, most of which nobody wanted.

    Closing a socket with unread input makes the kernel send a reset, which overtakes the answer.
    """
    with Daemon(tmp_path, SHORT.format(folder=tmp_path, then="close")) as daemon:
        for where in (daemon.at("hello", "tcp"), f"{tmp_path}/hello.sock"):
            for _ in range(5):
                with connected(where) as sock:
                    sock.sendall(b"x" * MIB)
                    # A reset would have the time to arrive.
                    time.sleep(0.05)
                    assert rest(sock) == b"hi"


def test_close_does_not_wait_for_ever(tmp_path: Path) -> None:
    """A client that never closes is let go of a moment later: its next bytes are refused."""
    config = SHORT.format(folder=tmp_path, then="close")
    with Daemon(tmp_path, config) as daemon, connected(daemon.at("hello", "tcp")) as sock:
        sock.sendall(b"x")
        assert rest(sock) == b"hi"
        assert 1 < refused_after(sock) < 5


@pytest.mark.parametrize("pause", [0, 0.5])
def test_a_long_answer_then_close(tmp_path: Path, pause: float) -> None:
    """A megabyte is read whole before the end, also by a client that takes its time."""
    with Daemon(tmp_path, long("close")) as daemon, connected(daemon.at("long")) as sock:
        sock.sendall(FRAME)
        time.sleep(pause)
        assert (rest(sock) == ANSWER) is True


@pytest.mark.parametrize("pause", [0, 0.5])
def test_a_long_answer_then_reset(tmp_path: Path, pause: float) -> None:
    """All of a megabyte arrives, and then a real reset, not an end of the stream."""
    with Daemon(tmp_path, long("reset")) as daemon, connected(daemon.at("long")) as sock:
        sock.sendall(FRAME)
        time.sleep(pause)
        assert (exactly(sock, len(ANSWER)) == ANSWER) is True
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_a_short_answer_then_reset(tmp_path: Path) -> None:
    """The same for two bytes, every time."""
    with Daemon(tmp_path, SHORT.format(folder=tmp_path, then="reset")) as daemon:
        for _ in range(20):
            with connected(daemon.at("hello", "tcp")) as sock:
                sock.sendall(b"x")
                assert exactly(sock, 2) == b"hi"
                with pytest.raises(ConnectionResetError):
                    sock.recv(1)


def test_half_close(tmp_path: Path) -> None:
    """The end of the stream comes, and the client may go on sending for as long as it likes."""
    with Daemon(tmp_path, SHORT.format(folder=tmp_path, then="half-close")) as daemon:
        for where in (daemon.at("hello", "tcp"), f"{tmp_path}/hello.sock"):
            with connected(where) as sock:
                sock.sendall(b"x")
                assert rest(sock) == b"hi"
                # Longer than a connection that is closed lingers, and more than all buffers take.
                for _ in range(12):
                    sock.sendall(b"x" * MIB)
                    time.sleep(0.2)
                sock.shutdown(socket.SHUT_WR)
                assert sock.recv(1) == b""
        # Whoever ended its direction too is let go of: nothing is left to drain.
        assert daemon.stop() < 1.5


def test_keep(tmp_path: Path) -> None:
    """Question after question is answered on one connection, until the client ends it."""
    with Daemon(tmp_path, SHORT.format(folder=tmp_path, then="keep")) as daemon:
        for where in (daemon.at("hello", "tcp"), f"{tmp_path}/hello.sock"):
            with connected(where) as sock:
                for _ in range(5):
                    sock.sendall(b"x")
                    assert exactly(sock, 2) == b"hi"
                sock.shutdown(socket.SHUT_WR)
                assert rest(sock) == b""
