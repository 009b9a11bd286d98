"""It serves the same on other reactors of Twisted, and under `twist`. `test_paths` has epoll and asyncio."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.system.clients import connected, datagrams, half_closed, rest
from tests.system.daemon import Daemon
from tests.system.programs import script

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """\
services:
  echo: {listen: ["tcp:0:interface=127.0.0.1", "udp:0:interface=127.0.0.1"], protocol: echo}
  hello: {listen: "tcp:0:interface=127.0.0.1", protocol: reply, reply: hi, then: close}
"""


def check(daemon: Daemon) -> None:
    """Fail unless a daemon with `CONFIG` serves."""
    large = os.urandom(1 << 20)
    assert (half_closed(daemon.at("echo", "tcp"), large) == large) is True
    assert [half_closed(daemon.at("echo", "tcp"), b"x") for _ in range(20)] == [b"x"] * 20
    messages = [b"", b"x", large[:65_507]]
    assert (datagrams(daemon.at("echo", "udp"), messages) == messages) is True
    with connected(daemon.at("hello")) as sock:
        sock.sendall(b"hello")
        assert rest(sock) == b"hi"


@pytest.mark.parametrize("reactor", ["poll", "select"])
def test_every_reactor(tmp_path: Path, reactor: str) -> None:
    """Streams with half-close, datagrams and endings work on every reactor, which is really the one asked for."""
    with Daemon(tmp_path, CONFIG, options=[f"--reactor={reactor}"]) as daemon:
        assert f"twisted.internet.{reactor}reactor." in daemon.log
        check(daemon)


def test_twist(tmp_path: Path) -> None:
    """`twist`, Twisted's runner for containers, serves too, and its end is as good."""
    command = [script("twist"), "--log-format=text", "echod"]
    with Daemon(tmp_path, CONFIG, command=command) as daemon:
        check(daemon)
