"""A real HAProxy before the daemon."""

from __future__ import annotations

import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.system.daemon import wait_until
from tests.system.programs import program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAD = """\
global
  stats socket {folder}/stats.sock level admin
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
"""

PAIR = """\
listen {name}
  bind {bind}
  server one {server} check inter 200ms rise 2 fall 2 {words}
"""


class Balancer:
    """A running HAProxy, which knows by health checks whether its servers are up."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "stats.sock"

    def states(self) -> dict[str, str]:
        """Return the state of each server by the name of its listener, with why: `UP`, `DOWN`, `L4OK`..."""
        if not self._socket.exists():
            return {}
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(self._socket))
            sock.sendall(b"show stat\n")
            text = b"".join(iter(lambda: sock.recv(65_536), b"")).decode()
        head, *rows = [line.split(",") for line in text.removeprefix("# ").splitlines() if line]
        name, kind, status = head.index("pxname"), head.index("svname"), head.index("status")
        return {row[name]: row[status] for row in rows if row[kind] == "one"}


@contextmanager
def balancer(folder: Path, listeners: dict[str, tuple[str, str, str]], *, up: bool = True) -> Iterator[Balancer]:
    """
    Run HAProxy, and wait until its health checks say that all servers are up.

    :param listeners: for each, where it listens, its server's address, and more words for the server.
    """
    file = folder / "haproxy.cfg"
    pairs = [
        PAIR.format(name=name, bind=bind, server=server, words=words)
        for name, (bind, server, words) in listeners.items()
    ]
    file.write_text(HEAD.format(folder=folder) + "".join(pairs), encoding="ascii")
    with (folder / "haproxy.log").open("wb") as log:
        process = subprocess.Popen([program("haproxy"), "-db", "-f", str(file)], stdout=log, stderr=log)
    try:
        made = Balancer(folder)
        if up:
            # `UP 1/3` is on its way down.
            wait_until(lambda: set(made.states().values()) == {"UP"}, f"all servers are up: {made.states}")
        yield made
    finally:
        process.kill()
        process.wait()
