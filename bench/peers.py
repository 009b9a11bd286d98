"""The servers that are compared, and how they are built and started."""

from __future__ import annotations

import importlib.util
import os
import resource
import shlex
import shutil
import subprocess
import sys
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING

from bench.servers import LOCALHOST, Peer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HERE = Path(__file__).parent

ECHO = """\
services:
  echo:
    listen: [tcp:{port}:interface={host}, udp:{port}:interface={host}]
    protocol: echo
"""
"""What echod serves under measurement: one service with all its guards as they are by default."""


def prepare(work: Path) -> None:
    """Build the load generator and the C peer, and allow as many open sockets as the system does."""
    if shutil.which("gcc") is None:
        sys.exit(
            "The load generator and the C peer need gcc: install it (Debian and Ubuntu: apt install gcc libc6-dev)."
        )
    for name in ("loadgen", "peer_c"):
        subprocess.run(["gcc", "-O2", "-Wall", "-o", work / name, HERE / f"{name}.c"], check=True)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def c_peers(work: Path) -> list[Peer]:
    """Return the base of all ratios: a program for each protocol."""

    def command(protocol: str) -> Callable[[int], Sequence[str | Path]]:
        return lambda port: [work / "peer_c", protocol, str(port)]

    return [Peer("C", command(protocol), frozenset({protocol})) for protocol in ("tcp", "udp")]


def other_peers(work: Path) -> list[Peer]:
    """Return what people would write instead, as far as it can be had here: Go and uvloop are not everywhere."""
    peers = [stock_twisted(), asyncio_peer()]
    if importlib.util.find_spec("uvloop"):
        peers.append(asyncio_peer("uvloop"))
    if shutil.which("go"):
        environment = {**os.environ, "GO111MODULE": "off"}
        subprocess.run(["go", "build", "-o", work / "peer_go", HERE / "peer_go.go"], check=True, env=environment)
        peers.append(Peer("Go", lambda port: [work / "peer_go", str(port)]))
    return peers


def asyncio_peer(loop: str = "asyncio") -> Peer:
    """Return the echo of a Python programmer, on one of two loops."""
    return Peer(loop, lambda port: [sys.executable, HERE / "peer_asyncio.py", loop, str(port)])


def stock_twisted() -> Peer:
    """Return the echo of Twisted's documentation."""
    return Peer("Twisted's own", lambda port: [sys.executable, HERE / "peer_twisted.py", str(port)])


def echod(work: Path, name: str = "echod", text: str = ECHO, protocols: tuple[str, ...] = ("tcp", "udp")) -> Peer:
    """
    Return the daemon itself, started as users start it.

    :param text: its configuration, with `{host}` and `{port}` for the address.
    """
    twistd = Path(sys.executable).with_name("twistd")
    if not twistd.exists():
        sys.exit(f"{sys.executable} has no twistd beside it: run this with the Python that echod is installed for.")

    def command(port: int) -> Sequence[str | Path]:
        file = work / f"{name}.yaml"
        file.write_text(text.replace("{host}", LOCALHOST).replace("{port}", str(port)))
        return [twistd, "-n", "--pidfile=", "echod", "--config", file]

    return Peer(name, command, frozenset(protocols))


def named(text: str) -> Peer:
    """Read NAME=COMMAND, where PORT stands for the port; `ArgumentTypeError` has the sentence."""
    name, given, command = text.partition("=")
    if not (name and given and "PORT" in command):
        raise ArgumentTypeError(f"{text!r} is no server: write NAME='COMMAND WITH PORT'")
    return Peer(name, lambda port: shlex.split(command.replace("PORT", str(port))), None)
