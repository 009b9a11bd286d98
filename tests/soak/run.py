"""
A long run with everything at once: `python -m tests.soak.run [--minutes 1] [--seed N] [--root DIR]`.

Clients of many kinds come and go as the seed says, good ones and bad ones. Each good one accounts for every byte: what
came back is what it sent, in order, to the end. In the end nothing is left: descriptors and memory are back where they
were when the daemon was warm, the log has no traceback, and a stop is as quick as ever.

The seed is written first; the same seed makes the same choices, though not at the same moments.
"""

from __future__ import annotations

import argparse
import random
import socket
import struct
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from echod.proxy import SIGNATURE_2
from tests.system.clients import Sending, connected, exactly, rest
from tests.system.daemon import Daemon

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIG = """\
defaults: {limits: {stall_timeout: 2s, idle_timeout: 5s, connections_per_source: 5000}}
services:
  echo: {listen: ["tcp:0:interface=127.0.0.1", "udp:0:interface=127.0.0.1"], protocol: echo}
  lines: {listen: "tcp:0:interface=127.0.0.1", protocol: reply, framing: line, reply: "{message}\\r\\n"}
  plain: {listen: "udp:0:interface=127.0.0.1", protocol: reply, reply: "{message}"}
  proxied: {listen: "tcp:0:interface=127.0.0.1", protocol: echo, proxy_protocol: "on", trusted_proxies: [127.0.0.1]}
  strict: {listen: "tcp:0:interface=127.0.0.1", protocol: echo, deny: [127.0.0.0/8]}
  talk: {listen: "tcp:0:interface=127.0.0.1", protocol: chargen}
"""

WORKERS = 6
MOST_GROWTH = 16 << 20
_RESET = struct.pack("ii", 1, 0)


class WrongError(Exception):
    """A client did not get what it should."""


class Soak:
    """
    Every kind of client, as methods that take a source of chance.

    :ivar counts: how often each did its work.
    :ivar bytes: how many bytes good clients had back.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.bytes = 0
        self.wrong: list[str] = []
        self.good: list[Callable[[random.Random], int]] = [
            self.stream,
            self.pausing,
            self.lines,
            self.datagrams,
            self.behind_a_proxy,
        ]
        self.bad: list[Callable[[random.Random], int]] = [
            self.resets,
            self.never_reads,
            self.says_nothing,
            self.garbage_header,
            self.denied,
            self.forbidden_port,
        ]

    def work(self, seed: int, end: float) -> None:
        """Be one client after the other until the end."""
        chance = random.Random(seed)
        while time.monotonic() < end and not self.wrong:
            kind = chance.choice(self.good if chance.random() < 0.7 else self.bad)
            own = random.Random(chance.random())
            try:
                right = kind(own)
            except Exception as problem:  # noqa: BLE001 - whatever it is, it is to be told with the client's name
                self.wrong.append(f"{kind.__name__}: {type(problem).__name__}: {problem}")
                right = 0
            with self._lock:
                self.bytes += right
                self.counts[kind.__name__] += 1

    def stream(self, chance: random.Random) -> int:
        """Send random pieces, end our direction, and want all of it back."""
        data = chance.randbytes(int(2 ** chance.uniform(0, 22)))
        with connected(self._daemon.at("echo", "tcp")) as sock, Sending(sock, data):
            return _same(data, rest(sock))

    def pausing(self, chance: random.Random) -> int:
        """Read with pauses, shorter than the stall limit."""
        data = chance.randbytes(4 << 20)
        with connected(self._daemon.at("echo", "tcp")) as sock, Sending(sock, data):
            found = b""
            for _ in range(3):
                time.sleep(chance.uniform(0, 0.5))
                found += exactly(sock, chance.randrange(1 << 20))
            return _same(data, found + rest(sock))

    def lines(self, chance: random.Random) -> int:
        """Send lines, cut anywhere."""
        data = b"".join(b"%d\r\n" % chance.getrandbits(chance.randrange(1, 200)) for _ in range(chance.randrange(200)))
        with connected(self._daemon.at("lines")) as sock:
            at = 0
            while at < len(data):
                size = chance.randrange(1, 2000)
                sock.sendall(data[at : at + size])
                at += size
            sock.shutdown(socket.SHUT_WR)
            return _same(data, rest(sock))

    def datagrams(self, chance: random.Random) -> int:
        """Send datagrams of all sizes, one after the other, to either way of answering."""
        total = 0
        with connected(self._daemon.at(chance.choice(["echo", "plain"]), "udp"), socket.SOCK_DGRAM) as sock:
            for _ in range(50):
                data = chance.randbytes(min(65_507, int(2 ** chance.uniform(0, 16.1)) - 1))
                sock.send(data)
                total += _same(data, sock.recv(1 << 16))
        return total

    def behind_a_proxy(self, chance: random.Random) -> int:
        """Send a header, split anywhere, and data behind it."""
        ends = struct.pack(
            "!BBH4s4sHH", 0x21, 0x11, 12, chance.randbytes(4), b"\xc0\0\2\1", chance.randrange(65_536), 443
        )
        header = chance.choice([SIGNATURE_2 + ends, b"PROXY TCP6 2001:db8::1 ::1 5 6\r\n", b"PROXY UNKNOWN\r\n"])
        data = chance.randbytes(chance.randrange(100_000))
        cut = chance.randrange(len(header))
        with connected(self._daemon.at("proxied")) as sock:
            sock.sendall(header[:cut])
            time.sleep(chance.uniform(0, 0.01))
            with Sending(sock, header[cut:] + data):
                return _same(data, rest(sock))

    def resets(self, chance: random.Random) -> int:
        """Reset in the middle of it."""
        with connected(self._daemon.at(chance.choice(["echo", "lines", "talk"]), "tcp")) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            sock.send(chance.randbytes(chance.randrange(1, 50_000)))
            time.sleep(chance.uniform(0, 0.01))
        return 0

    def never_reads(self, chance: random.Random) -> int:
        """Send without reading until we are cut."""
        with connected(self._daemon.at("echo", "tcp"), limit=5) as sock:
            try:
                while True:
                    sock.send(chance.randbytes(65_536))
            except ConnectionError:
                return 0

    def says_nothing(self, chance: random.Random) -> int:
        """Stay for a while, or half-close at once."""
        with connected(self._daemon.at("echo", "tcp")) as sock:
            if chance.random() < 0.5:
                sock.shutdown(socket.SHUT_WR)
                _same(b"", rest(sock))
            time.sleep(chance.uniform(0, 0.2))
        return 0

    def garbage_header(self, chance: random.Random) -> int:
        """Send what is no header, and want to be cut."""
        start = chance.choice([b"", b"PROXY ", SIGNATURE_2 + b"\x21"])
        with connected(self._daemon.at("proxied")) as sock:
            try:
                sock.sendall(start + b"\xff" + chance.randbytes(5000))
                _same(b"", rest(sock))
            except ConnectionError:
                return 0
        return 0

    def denied(self, _: random.Random) -> int:
        """Connect where we may not."""
        with connected(self._daemon.at("strict")) as sock:
            try:
                _same(b"", rest(sock))
            except ConnectionError:
                return 0
        return 0

    def forbidden_port(self, _: random.Random) -> int:
        """Ask from a port that is not answered: the other service's own, so that a loop could begin."""
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.05)
            try:
                sock.bind(("127.0.0.3", self._daemon.at("plain").port))
                sock.sendto(b"loop", self._daemon.at("echo", "udp").name)
                raise WrongError(f"an own port was answered: {sock.recv(100)!r}")
            except TimeoutError:
                return 0
            except OSError as problem:
                # Another worker has that port at the moment.
                if problem.errno is None:
                    raise
                return 0


def _same(sent: bytes, heard: bytes) -> int:
    """Return how many bytes came back, all of them right."""
    if sent == heard:
        return len(heard)
    at = next((at for at, (one, other) in enumerate(zip(sent, heard, strict=False)) if one != other), -1)
    raise WrongError(f"{len(sent)} bytes were sent, {len(heard)} came back; the first wrong one is {at}")


def descriptors(daemon: Daemon) -> int:
    """Return how many descriptors a daemon has open."""
    return len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))


def run(folder: Path, minutes: float, seed: int) -> list[str]:
    """Run, and return what is wrong."""
    print(f"soak: {minutes:g} minutes, seed {seed}", flush=True)
    with Daemon(folder, CONFIG) as daemon:
        soak = Soak(daemon)

        def load(seconds: float, first: int) -> None:
            end = time.monotonic() + seconds
            threads = [threading.Thread(target=soak.work, args=[seed + first + each, end]) for each in range(WORKERS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            # The last ones are cut by their limits.
            time.sleep(3)

        idle = descriptors(daemon)
        load(min(8.0, minutes * 60 / 3), 1000)
        warm = daemon.resident
        load(minutes * 60, 0)
        wrong = list(soak.wrong)
        growth, left = daemon.resident - warm, descriptors(daemon) - idle
        took = daemon.stop() if daemon.running else -1.0
        log = daemon.log
        print(f"soak: {sum(soak.counts.values())} clients, {soak.bytes >> 20} MiB came back right; {dict(soak.counts)}")
        print(
            f"soak: memory {growth / (1 << 20):+.1f} MiB, {left:+d} descriptors, {len(log)} bytes of log,"
            f" stopped in {took:.2f} s"
        )
    if growth > MOST_GROWTH:
        wrong.append(f"memory grew by {growth} bytes")
    # The poller keeps its own descriptor once it had a connection, and both ends of its pipe after a large echo.
    if left > 3:
        wrong.append(f"{left} descriptors are left open")
    if took > 3:
        wrong.append(f"the stop took {took:.1f} s")
    if "Traceback" in log:
        wrong.append("there is a traceback in the log")
    if not soak.bytes or set(soak.counts) != {each.__name__ for each in soak.good + soak.bad}:
        wrong.append("not every kind of client was there")
    return wrong


def main() -> int:
    """Read the options, run, and return the exit status."""
    words = argparse.ArgumentParser(description=__doc__.splitlines()[1] if __doc__ else None)
    words.add_argument("--minutes", type=float, default=1.0, help="how long (default 1)")
    words.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="what the clients do (default: any)")
    options = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="echod-soak-") as folder:
        wrong = run(Path(folder), options.minutes, options.seed)
    for each in wrong:
        print(f"soak: WRONG: {each}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
