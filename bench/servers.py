"""Servers under measurement: started on a core of their own, and what the kernel says they cost."""

from __future__ import annotations

import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from typing_extensions import Self

LOCALHOST = "127.0.0.1"
BELOW_EPHEMERAL = range(20_000, 30_000)
"""Ports that the kernel does not give to clients: one that waits for a server could connect to itself there."""


@dataclass(frozen=True)
class Peer:
    """
    A server that can be started.

    :ivar command: makes its command line for a port.
    :ivar protocols: what it answers, of tcp, udp and tls; None: what it does is found out.
    """

    name: str
    command: Callable[[int], Sequence[str | Path]]
    protocols: frozenset[str] | None = frozenset({"tcp", "udp"})


class Server:
    """
    A running server; a context.

    :param port: where it listens; a free port if 0.
    """

    def __init__(self, peer: Peer, work: Path, port: int = 0) -> None:
        self.name = peer.name
        self.port = port
        self._peer = peer
        self._log = work / f"{peer.name.replace('/', '-')}.log"

    def __enter__(self) -> Self:
        """Start it and wait until it answers."""
        self.port = self.port or free_port()
        began = time.monotonic()
        with self._log.open("w") as log, pinned(cores()[0]):
            self._process = subprocess.Popen(
                self._peer.command(self.port),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self.protocols = self._answered()
        except BaseException:
            self.__exit__()
            raise
        self.start_seconds = time.monotonic() - began
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it, with all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _answered(self) -> frozenset[str]:
        """Wait for an answer over each protocol that it has; if that is not known, for any, and a second more."""
        promised = self._peer.protocols
        missing = set(promised or ("tcp", "udp"))
        answered: set[str] = set()
        deadline = time.monotonic() + 30
        while missing and time.monotonic() < deadline:
            if self._process.poll() is not None:
                sys.exit(f"{self.name} ended with status {self._process.returncode}.\n{self.log_end()}")
            new = {protocol for protocol in missing if answers(protocol, self.port)}
            if new and promised is None:
                deadline = min(deadline, time.monotonic() + 1)
            answered |= new
            missing -= new
            time.sleep(0.002)
        if missing and (promised or not answered):
            sys.exit(f"{self.name} does not answer over {' or '.join(sorted(missing))}.\n{self.log_end()}")
        return frozenset(answered)

    @property
    def pid(self) -> int:
        """Its first process."""
        return self._process.pid

    def log_end(self) -> str:
        """Return the end of what it wrote."""
        return self._log.read_text(errors="replace")[-2000:]

    def cpu_seconds(self) -> float:
        """Return the CPU time of its processes so far."""
        return sum(process_seconds(Path(f"/proc/{pid}")) for pid in family(self._process.pid))

    def memory_kib(self) -> int:
        """Return the resident memory of its processes in KiB; what they share with others counts in parts."""
        total = 0
        for pid in family(self._process.pid):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        return total


def family(pid: int) -> Iterator[int]:
    """Name a process and all its descendants."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in children.read_text().split():
                yield from family(int(child))


def process_seconds(proc: Path) -> float:
    """
    Return the CPU time of one process, and of its children that have ended; none if it has ended itself.

    The kernel keeps it in nanoseconds for what runs, but only in clock ticks (10 ms) for what has ended.
    """
    try:
        ended = proc.joinpath("stat").read_text().rpartition(")")[2].split()[13:15]
        running = [task.read_text().split()[0] for task in proc.glob("task/*/schedstat")]
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, ended)) / os.sysconf("SC_CLK_TCK") + sum(map(int, running)) / 1e9


def cores() -> tuple[int, int]:
    """Choose the server's core and the load's."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        sys.exit("This needs two CPU cores: one for the server, one for its load.")
    return allowed[0], allowed[-1]


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Let what is started inside run on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    """Find a port that is free over TCP and UDP."""
    for port in random.sample(BELOW_EPHEMERAL, 100):
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram, suppress(OSError):
            stream.bind((LOCALHOST, port))
            datagram.bind((LOCALHOST, port))
            return port
    sys.exit("No free port found.")


def answers(protocol: str, port: int) -> bool:
    """Tell whether an echo comes back."""
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    with suppress(OSError), socket.socket(socket.AF_INET, kind) as plain:
        plain.settimeout(0.5)
        plain.connect((LOCALHOST, port))
        client = trusting().wrap_socket(plain) if protocol == "tls" else plain
        client.sendall(b"ready?")
        return client.recv(64) == b"ready?"
    return False


def trusting() -> ssl.SSLContext:
    """Make a TLS client's context that takes any certificate: whose it is does not matter here."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
