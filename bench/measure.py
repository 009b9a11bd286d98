"""
What a message costs a server: it runs on one core, its load on another, and the kernel counts its CPU time.

CPU time per message, as a ratio to another server's in the same run, holds on a busy machine; messages per second do
not. Therefore the servers take turns within each round.
"""

from __future__ import annotations

import json
import select
import statistics
import subprocess
import sys
from argparse import ArgumentTypeError
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bench.servers import cores, pinned

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from typing_extensions import Self

    from bench.servers import Server

WARM_UP = 0.2
"""Share of the measured time for which a load runs before it is measured."""


@dataclass(frozen=True)
class Load:
    """
    What is sent: so many connections, each with so many messages of so many bytes under way.

    :ivar protocol: tcp, udp, tls, or accept (each message has a connection of its own).
    :ivar idle: further connections, on which nothing happens.
    """

    protocol: str
    connections: int
    size: int
    depth: int = 1
    idle: int = 0

    @classmethod
    def parse(cls, text: str) -> Load:
        """Read PROTOCOL:CONNECTIONS:BYTES:DEPTH; `ArgumentTypeError` has the sentence."""
        protocol, *numbers = text.split(":")
        if protocol not in ("tcp", "udp") or len(numbers) != 3 or not all(n.isdigit() and int(n) for n in numbers):
            raise ArgumentTypeError(
                f"{text!r} is no load: write tcp or udp, connections, bytes, depth, as in tcp:64:64:1"
            )
        return cls(protocol, *map(int, numbers))

    def __str__(self) -> str:
        idle = f" beside {self.idle:,} idle" if self.idle else ""
        return f"{self.protocol}:{self.connections}:{self.size}:{self.depth}{idle}"

    @property
    def answered_over(self) -> str:
        """The protocol that a server must have."""
        return "tcp" if self.protocol == "accept" else self.protocol


@dataclass(frozen=True)
class Sample:
    """One run of one load: the server's CPU time per message, and what the load generator saw."""

    cpu_us: float
    messages: int
    rate: float
    p50_us: float
    p99_us: float
    lost: int


class Target(Protocol):
    """What a load is sent to: a server, or several that share a port."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def port(self) -> int:
        """Where it listens."""

    def cpu_seconds(self) -> float:
        """Return the CPU time so far."""

    def log_end(self) -> str:
        """Return the end of what was written."""


class Generator:
    """A running load generator with its connections open; a context."""

    def __init__(self, load: Load, server: Target, work: Path) -> None:
        self._what = f"{load} against {server.name}"
        self._server = server
        program: list[object] = [work / "loadgen", load.protocol, server.port]
        if load.protocol == "tls":
            program = [sys.executable, "-m", "bench.tls_load", server.port]
        self._command = [str(each) for each in (*program, load.connections, load.size, load.depth, load.idle)]

    def __enter__(self) -> Self:
        """Start it and wait until all is connected."""
        pipe = subprocess.PIPE
        with pinned(cores()[1]):
            self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        if self._line(120) != "ready\n":
            self._fail()
        return self

    def __exit__(self, *_: object) -> None:
        """Close all connections."""
        self._process.kill()
        self._process.communicate()

    def run(self, seconds: float) -> Sample:
        """Send for so long; return what it cost and what came back."""
        assert self._process.stdin is not None
        before = self._server.cpu_seconds()
        with suppress(BrokenPipeError):  # then there is no line to read, either
            print(seconds, file=self._process.stdin, flush=True)
        line = self._line(seconds + 30)
        if not line.startswith("{"):
            self._fail()
        spent = self._server.cpu_seconds() - before
        seen = json.loads(line)
        if not seen["messages"] or not spent:
            sys.exit(f"{self._what}: {seen['messages']} messages, {spent} s of CPU time; nothing to compare.")
        return Sample(spent / seen["messages"] * 1e6, **seen)

    def _line(self, seconds: float) -> str:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        return self._process.stdout.readline() if ready else ""

    def _fail(self) -> None:
        self._process.kill()
        said = self._process.communicate()[1].strip() or "no answer in time"
        sys.exit(f"{self._what}: {said}\n{self._server.log_end()}")


@dataclass(frozen=True)
class Result:
    """
    What one server did under one load: medians over the rounds.

    :ivar ratio: its CPU time per message, by that of the base in the same round.
    """

    ratio: float
    cpu_us: float
    rate: float
    p50_us: float
    p99_us: float
    lost: int


def take_turns(
    servers: Iterable[Server], load: Load, rounds: int, seconds: float, work: Path, base: str = "C"
) -> dict[str, Result]:
    """
    Measure those servers that answer the load, in turns, and compare them with the one that is named `base`.

    A shared machine is slower and faster from one second to the next. Many short rounds find each server in the same
    conditions as its base; the connections of all stay open meanwhile, and are idle in the turns of the others.
    """
    with ExitStack() as stack:
        generators = {
            server.name: stack.enter_context(Generator(load, server, work))
            for server in servers
            if load.answered_over in server.protocols
        }
        samples: dict[str, list[Sample]] = {name: [] for name in generators}
        for number in range(rounds):
            for name, generator in generators.items():
                generator.run(seconds * WARM_UP)
                sample = generator.run(seconds)
                samples[name].append(sample)
                progress(f"{load} round {number + 1} of {rounds}: {name} {sample.cpu_us:.2f} µs/message")
    progress("")
    return {name: summary(of, samples[base]) for name, of in samples.items()}


def summary(samples: list[Sample], base: list[Sample]) -> Result:
    """Sum up a server's rounds."""
    return Result(
        statistics.median(own.cpu_us / other.cpu_us for own, other in zip(samples, base, strict=True)),
        statistics.median(sample.cpu_us for sample in samples),
        statistics.median(sample.rate for sample in samples),
        statistics.median(sample.p50_us for sample in samples),
        statistics.median(sample.p99_us for sample in samples),
        sum(sample.lost for sample in samples),
    )


def progress(text: str) -> None:
    """Say what is going on, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
