"""
What it brings that two echods share a port (`reuse_port: true`), on as few as two cores.

First, whether the kernel gives each its half: as many connections, and as many peers over UDP, as are asked for are
answered by one or the other. Then what a message costs: one echod alone, and two that share, each time on one core with
the load on the other. Two on two cores can do so much more than one as the busier of the two has less to do for each
message of the whole; that is the figure, which takes no load generator's time for a server's.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import peers
from bench.measure import Generator, Load
from bench.report import circumstances, grid, heading
from bench.servers import LOCALHOST, Server, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

LOADS = ["tcp:512:64:1", "udp:512:64:1"]

SHARED = f"{peers.ECHO}    reuse_port: true\n"

NAMED = """\
services:
  name:
    listen: [tcp:{port}:interface={host}, udp:{port}:interface={host}]
    reuse_port: true
    protocol: reply
    rules:
      - when: {equals: "who?"}
        reply: "NAME"
      - reply: "{message}"
"""
"""A service that says which of the two it is, when it is asked; else it echoes, as whoever starts it expects."""


@dataclass
class Both:
    """Two servers that share a port, as one target of a load."""

    servers: tuple[Server, Server]
    name: str = "two echods"

    @property
    def port(self) -> int:
        """The port that they share."""
        return self.servers[0].port

    def shares(self) -> tuple[float, float]:
        """Return the CPU time of each so far, in seconds."""
        first, second = self.servers
        return first.cpu_seconds(), second.cpu_seconds()

    def cpu_seconds(self) -> float:
        """Return the CPU time of both so far."""
        return sum(self.shares())

    def log_end(self) -> str:
        """Return the end of what both wrote."""
        return "\n".join(server.log_end() for server in self.servers)


def holders(port: int) -> dict[str, int]:
    """Return how many sockets listen on a port, by protocol (proc(5), /proc/net/tcp)."""
    local = f"{int.from_bytes(socket.inet_aton(LOCALHOST), 'little'):08X}:{port:04X}"
    found = {}
    for protocol, state in (("tcp", "0A"), ("udp", "07")):
        rows = [line.split() for line in Path(f"/proc/net/{protocol}").read_text().splitlines()[1:]]
        found[protocol] = sum(row[1] == local and row[3] == state for row in rows)
    return found


@contextmanager
def sharing(work: Path, texts: tuple[str, str]) -> Iterator[Both]:
    """Start two echods on one port, and wait until both hold it."""
    with ExitStack() as stack:
        port = free_port()
        first, second = (peers.echod(work, f"echod {number}", text) for number, text in enumerate(texts, 1))
        both = Both((stack.enter_context(Server(first, work, port)), stack.enter_context(Server(second, work, port))))
        deadline = time.monotonic() + 30
        while holders(port) != {"tcp": 2, "udp": 2}:
            if time.monotonic() > deadline:
                sys.exit(f"Port {port} is held by {holders(port)}, not by two.\n{both.log_end()}")
            time.sleep(0.01)
        yield both


def spread(work: Path, count: int) -> str:
    """Ask from so many peers who answers, over each protocol."""
    lines = []
    with sharing(work, (NAMED.replace("NAME", "first"), NAMED.replace("NAME", "second"))) as both:
        for protocol, kind in (("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)):
            answers: Counter[str] = Counter()
            with ExitStack() as stack:
                for _ in range(count):
                    asking = stack.enter_context(socket.socket(socket.AF_INET, kind))
                    asking.settimeout(10)
                    asking.connect((LOCALHOST, both.port))
                    asking.send(b"who?")
                    answers[asking.recv(64).decode()] += 1
            lines.append([f"{count} {protocol} peers", str(answers["first"]), str(answers["second"])])
    return grid([["who answers", "first", "second"], *lines])


def cost(work: Path, load: Load, rounds: int, seconds: float) -> list[str]:
    """Return a line of the table: what a message costs one echod, and two that share."""
    alone, together, gains, larger = [], [], [], []
    with Server(peers.echod(work), work) as one, sharing(work, (SHARED, SHARED)) as both:
        for _ in range(rounds):
            with Generator(load, one, work) as generator:
                generator.run(seconds / 5)
                alone.append(generator.run(seconds).cpu_us)
            with Generator(load, both, work) as generator:
                generator.run(seconds / 5)
                before = both.shares()
                together.append(generator.run(seconds).cpu_us)
                spent = [after - earlier for earlier, after in zip(before, both.shares(), strict=True)]
            larger.append(max(spent) / sum(spent))
            gains.append(alone[-1] / (together[-1] * larger[-1]))
    figures = [statistics.median(each) for each in (alone, together, larger, gains)]
    return [str(load), f"{figures[0]:.2f}", f"{figures[1]:.2f}", f"{figures[2]:.0%}", f"{figures[3]:.2f}"]


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser("python -m bench.reuse", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--rounds", type=int, default=3, help="turns of one and of two (%(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a turn (%(default)s)")
    parser.add_argument("--peers", type=int, default=1000, help="who ask who answers (%(default)s)")
    parser.add_argument("--load", type=Load.parse, action="append", help=f"default: {' '.join(LOADS)}")
    options = parser.parse_args()
    print(heading(circumstances(), options.rounds, options.seconds))
    with tempfile.TemporaryDirectory(prefix="echod-bench-") as temporary:
        work = Path(temporary)
        peers.prepare(work)
        print(spread(work, options.peers))
        lines = [cost(work, load, options.rounds, options.seconds) for load in options.load or map(Load.parse, LOADS)]
        head = ["CPU per message", "one, µs", "two, µs", "share of the busier", "throughput of two to one"]
        print(grid([head, *lines]))


if __name__ == "__main__":
    main()
