"""A private network, in which the fixed ports of the embedded default are free even beside a running echod."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.system.daemon import wait_until
from tests.system.programs import program

if TYPE_CHECKING:
    from collections.abc import Iterator


def private_network() -> Iterator[list[str]]:
    """
    Give the command which runs another one in a network namespace of its own (ip-netns(8)).

    Only root may make one; for others it is no command, and the ports of this machine are used.
    """
    if os.geteuid() != 0:
        yield []
        return
    # It lives as long as a process in it; this one waits for the end of its input.
    keeper = [program("unshare"), "--net", "cat"]
    with subprocess.Popen(keeper, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        try:
            own = Path(f"/proc/{process.pid}/ns/net")
            ours = Path("/proc/self/ns/net").readlink()
            wait_until(lambda: own.readlink() != ours, "the process has a network of its own")
            prefix = [program("nsenter"), f"--net={own}"]
            subprocess.run([*prefix, program("ip"), "link", "set", "lo", "up"], check=True)
            yield prefix
        finally:
            process.kill()
