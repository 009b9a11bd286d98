"""
What else echod costs, beside others: accepting, crowds, idle connections, TLS, rules, latency, starting.

Ratios are of the server's CPU time, as in bench.compare.
"""

from __future__ import annotations

import argparse
import datetime as dt
import resource
import statistics
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bench import peers
from bench.measure import Generator, Load, take_turns
from bench.report import circumstances, grid, heading, ratios
from bench.servers import LOCALHOST, Peer, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

IDLE = 10_000
BUSY = Load("tcp", 64, 64)

CROWDED = f"{peers.ECHO}    limits: {{connections: {2 * IDLE}, connections_per_source: {2 * IDLE}}}\n"
"""An echo for crowds that come from one address."""

RULES = """\
services:
  reply:
    listen: [tcp:{{port}}:interface={{host}}, udp:{{port}}:interface={{host}}]
    protocol: reply
    rules:
{others}      - reply: "{{message}}"
"""
"""Rules of which the last one matches, and answers what was sent."""


@dataclass(frozen=True)
class Turns:
    """How long is measured, and where there is room for files."""

    rounds: int
    seconds: float
    work: Path

    def started(self, stack: ExitStack, wanted: Iterable[Peer]) -> list[Server]:
        """Start servers, which the stack will stop."""
        return [stack.enter_context(Server(peer, self.work)) for peer in wanted]

    def crowded(self) -> list[Peer]:
        """Name those that take crowds over TCP."""
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if most < IDLE + 500:
            sys.exit(f"A process may only have {most} open files here, this needs {IDLE + 500}: ulimit -n")
        c = peers.c_peers(self.work)[0]
        return [c, peers.echod(self.work, text=CROWDED), peers.stock_twisted(), peers.asyncio_peer()]

    def compare(self, wanted: Iterable[Peer], loads: Iterable[Load], base: str = "C") -> str:
        """Return the table of ratios of some servers."""
        with ExitStack() as stack:
            servers = self.started(stack, wanted)
            found = {str(load): take_turns(servers, load, self.rounds, self.seconds, self.work, base) for load in loads}
        return ratios(found, base)


def accepting(turns: Turns) -> str:
    """Accept a connection, echo one message, see it reset."""
    with ExitStack() as stack:
        servers = turns.started(stack, turns.crowded())
        found = take_turns(servers, Load("accept", 64, 64), turns.rounds, turns.seconds, turns.work)
    lines = [[name, f"{one.ratio:.2f}", f"{one.cpu_us:.1f}", f"{one.rate:,.0f}"] for name, one in found.items()]
    return grid([["accepting", "CPU to C's", "µs", "connections/s"], *lines])


def crowds(turns: Turns) -> str:
    """Serve 1,000 and 10,000 connections that all talk."""
    return turns.compare(turns.crowded(), [replace(BUSY, connections=1_000), replace(BUSY, connections=IDLE)])


def idle(turns: Turns) -> str:
    """Hold 10,000 idle connections beside 64 that talk, and weigh one."""
    lines = []
    with ExitStack() as stack:
        for server in turns.started(stack, turns.crowded()):
            growth = []
            for _ in range(turns.rounds):
                with Generator(BUSY, server, turns.work) as alone:
                    alone.run(turns.seconds / 5)
                    without = alone.run(turns.seconds)
                before = server.memory_kib()
                with Generator(replace(BUSY, idle=IDLE), server, turns.work) as beside:
                    kib = server.memory_kib() - before
                    beside.run(turns.seconds / 5)
                    growth.append((beside.run(turns.seconds).cpu_us / without.cpu_us, kib / (IDLE + BUSY.connections)))
            # The first round weighs best: memory that a server got once it may keep for the next.
            lines.append([server.name, f"{statistics.median(cpu for cpu, _ in growth):.2f}", f"{growth[0][1]:.2f}"])
    return grid([[f"{IDLE:,} idle beside {BUSY}", "CPU to that without", "KiB each"], *lines])


def tls(turns: Turns) -> str:
    """Echo over TLS."""
    key, certificate = turns.work / "key.pem", turns.work / "certificate.pem"
    write_certificate(key, certificate)
    listen = f"ssl:{{port}}:privateKey={key}:certKey={certificate}:interface={{host}}"
    text = f"services:\n  echo:\n    listen: {listen}\n    protocol: echo\n"
    peer = peers.asyncio_peer()
    other = replace(peer, command=lambda port: [*peer.command(port), certificate, key], protocols=frozenset({"tls"}))
    ours = peers.echod(turns.work, text=text, protocols=("tls",))
    return turns.compare([other, ours], [Load("tls", 16, 64), Load("tls", 16, 16_384)], base=other.name)


def rules(turns: Turns) -> str:
    """Reply with 1 rule and with 100."""
    wanted = [*peers.c_peers(turns.work), peers.echod(turns.work, "echo")]
    for count in (1, 100):
        others = [f'      - when: {{equals: "no {number}"}}\n        reply: "no"\n' for number in range(count - 1)]
        text = RULES.format(others="".join(others))
        wanted.append(peers.echod(turns.work, f"{count} rule{'s' * (count > 1)}", text))
    return turns.compare(wanted, [BUSY, replace(BUSY, protocol="udp")])


def latency(turns: Turns) -> str:
    """
    Wait for one message at a time on one connection: from its sending until all of it is back, in whole microseconds.

    Most of it is not the servers' work but the kernel's, which wakes two processes for each message.
    """
    loads = [Load(protocol, 1, 64) for protocol in ("tcp", "udp")]
    with ExitStack() as stack:
        wanted = [*peers.c_peers(turns.work), peers.echod(turns.work), *peers.other_peers(turns.work)]
        servers = turns.started(stack, wanted)
        found = [take_turns(servers, load, turns.rounds, turns.seconds, turns.work) for load in loads]
    lines = [
        [name, *(f"{value:.0f}" for of in found for value in (of[name].p50_us, of[name].p99_us))] for name in found[0]
    ]
    head = ["one message under way, µs", *(f"{load} {share}" for load in loads for share in ("p50", "p99"))]
    return grid([head, *lines])


def starting(turns: Turns) -> str:
    """Start, and wait for the first answers over TCP and UDP; then weigh the process."""
    lines = []
    for peer in (peers.echod(turns.work), peers.stock_twisted(), peers.asyncio_peer()):
        seen = []
        for _ in range(turns.rounds):
            with Server(peer, turns.work) as server:
                seen.append((server.start_seconds, server.memory_kib() / 1024))
        seconds, mib = (statistics.median(column) for column in zip(*seen, strict=True))
        lines.append([peer.name, f"{seconds:.2f}", f"{mib:.1f}"])
    return grid([["starting", "seconds", "MiB"], *lines])


def write_certificate(key: Path, certificate: Path) -> None:
    """Write a key and a certificate for this hour."""
    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, LOCALHOST)])
    now = dt.datetime.now(dt.timezone.utc)
    builder = x509.CertificateBuilder(name, name, secret.public_key(), x509.random_serial_number())
    signed = (
        builder.not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(hours=1))
        .sign(secret, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    key.write_bytes(secret.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    certificate.write_bytes(signed.public_bytes(pem))


PARTS: dict[str, Callable[[Turns], str]] = {
    each.__name__: each for each in (accepting, crowds, idle, tls, rules, latency, starting)
}


def main() -> None:
    """Measure the parts that are named, or all."""
    parser = argparse.ArgumentParser("python -m bench.more", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("part", nargs="*", help=f"of {', '.join(PARTS)}; all of them if none is named")
    parser.add_argument("--rounds", type=int, default=8, help="turns of each server (%(default)s)")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of a turn (%(default)s)")
    options = parser.parse_args()
    for unknown in set(options.part) - set(PARTS):
        parser.error(f"there is no part {unknown}")
    print(heading(circumstances(), options.rounds, options.seconds))
    with tempfile.TemporaryDirectory(prefix="echod-bench-") as temporary:
        peers.prepare(Path(temporary))
        for name in options.part or PARTS:
            print(PARTS[name](Turns(options.rounds, options.seconds, Path(temporary))), flush=True)


if __name__ == "__main__":
    main()
