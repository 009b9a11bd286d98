"""
What the kernel is asked for, per message: system calls by name, as `strace -c -f` counts them, and wake-ups.

Counting makes a server several times slower, so that more waits for it at each look: calls that serve many messages
at once (epoll_wait, recvmmsg) are rarer here than in life. Wake-ups are counted in a run of their own, without strace:
how often the server slept and was woken (voluntary context switches, proc(5)).
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench import peers
from bench.measure import Generator, Load
from bench.report import circumstances, grid, heading
from bench.servers import Server, cores, family, pinned

if TYPE_CHECKING:
    from collections.abc import Iterator

LOADS = ["tcp:64:64:1", "tcp:16:65536:1", "udp:64:64:1"]

RARE = 0.001
"""Calls per message below which a call is left out: those of accepting, of timers, of the end."""


@contextmanager
def traced(server: Server, counts: Path) -> Iterator[None]:
    """Count the system calls of what happens inside, in strace's table."""
    attach = [f"--attach={pid}" for pid in family(server.pid)]
    with pinned(cores()[1]):
        strace = subprocess.Popen(
            ["strace", "-c", "-f", "-q", "-o", counts, *attach], stderr=subprocess.PIPE, text=True
        )
    try:
        wait_for_tracer(server.pid, strace)
        yield
    finally:
        strace.send_signal(signal.SIGINT)
        strace.communicate(timeout=30)


def wait_for_tracer(pid: int, strace: subprocess.Popen[str]) -> None:
    """Wait until a process is traced."""
    deadline = time.monotonic() + 30
    while "TracerPid:\t0\n" in Path(f"/proc/{pid}/status").read_text():
        if strace.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"strace does not attach: {strace.stderr and strace.stderr.read()}")
        time.sleep(0.01)


def wake_ups(server: Server) -> int:
    """Return how often the server's threads slept so far."""
    found = 0
    for pid in family(server.pid):
        for status in Path(f"/proc/{pid}/task").glob("*/status"):
            found += int(re.findall(r"^voluntary_ctxt_switches:\s+(\d+)$", status.read_text(), re.MULTILINE)[0])
    return found


def measure(server: Server, load: Load, seconds: float, work: Path) -> tuple[float, dict[str, float]]:
    """Return wake-ups, and system calls by name, per message."""
    counts = work / "strace"
    with Generator(load, server, work) as generator:
        generator.run(seconds / 5)
        before = wake_ups(server)
        free = generator.run(seconds)
        woken = (wake_ups(server) - before) / free.messages
        with traced(server, counts):
            messages = generator.run(seconds).messages
    calls = {name: count / messages for name, count in table(counts.read_text()).items()}
    return woken, {name: share for name, share in calls.items() if share >= RARE}


def table(text: str) -> dict[str, int]:
    """Read the calls by name from strace's table: share, seconds, µs per call, calls, errors if any, name."""
    rows = [line.split() for line in text.splitlines()]
    return {row[-1]: int(row[3]) for row in rows if len(row) >= 5 and row[3].isdigit() and row[-1] != "total"}


def main() -> None:
    """Count and report."""
    parser = argparse.ArgumentParser("python -m bench.calls", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a turn (%(default)s)")
    parser.add_argument("--load", type=Load.parse, action="append", help=f"default: {' '.join(LOADS)}")
    options = parser.parse_args()
    if shutil.which("strace") is None:
        sys.exit("This needs strace: install it (Debian and Ubuntu: apt install strace).")
    print(heading(circumstances(), 1, options.seconds))
    with tempfile.TemporaryDirectory(prefix="echod-bench-") as temporary, ExitStack() as stack:
        work = Path(temporary)
        peers.prepare(work)
        wanted = [*peers.c_peers(work), peers.echod(work), *peers.other_peers(work)]
        servers = [stack.enter_context(Server(peer, work)) for peer in wanted]
        for load in options.load or map(Load.parse, LOADS):
            lines = []
            for server in servers:
                if load.answered_over in server.protocols:
                    woken, calls = measure(server, load, options.seconds, work)
                    named = ", ".join(f"{name} {count:.3f}" for name, count in sorted(calls.items()))
                    lines.append([server.name, f"{woken:.3f}", f"{sum(calls.values()):.3f}", named])
            print(grid([[f"{load}, per message", "wake-ups", "calls", "of which"], *lines]), flush=True)


if __name__ == "__main__":
    main()
