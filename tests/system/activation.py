"""
Runs a command with sockets passed to it as systemd passes them (sd_listen_fds(3)).

`python activation.py NAME=DESCRIPTOR... -- COMMAND...`: the descriptors become 3, 4, ... in this order. They are passed
as they are; systemd's are blocking.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

FIRST = 3
_HIGH = 1_000


def activated(sockets: list[tuple[str, socket.socket]]) -> list[str]:
    """Return the command which passes named sockets to the command that is put behind it."""
    named = [f"{name}={sock.fileno()}" for name, sock in sockets]
    return [sys.executable, str(Path(__file__)), *named, "--"]


def main(arguments: list[str]) -> None:
    """Put the descriptors where they belong, and become the command."""
    end = arguments.index("--")
    named, command = arguments[:end], arguments[end + 1 :]
    names = [each.rpartition("=")[0] for each in named]
    # Out of the way first: one of them may have the number that another is to get.
    high = [os.dup2(int(each.rpartition("=")[2]), _HIGH + index) for index, each in enumerate(named)]
    for index, descriptor in enumerate(high):
        os.dup2(descriptor, FIRST + index)
    os.closerange(FIRST + len(high), _HIGH + len(high))
    passed = {
        "LISTEN_PID": str(os.getpid()),
        "LISTEN_FDS": str(len(high)),
        "LISTEN_FDNAMES": ":".join(names),
    }
    os.execvpe(command[0], command, os.environ | passed)


if __name__ == "__main__":
    main(sys.argv[1:])
