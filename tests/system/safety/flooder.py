"""
A program that floods: `flooder.py HOST PORT SECONDS RATE [SOURCE|forge] [SIZE]`; writes how many datagrams it sent.

It hands the kernel hundreds of datagrams at once (sendmmsg(2)). From one source it sends through a socket; to forge
sources, each another one, it writes frames to the interface `c` (packet(7)).
"""

from __future__ import annotations

import ctypes
import socket
import struct
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BATCH = 256


@contextmanager
def flood(prefix: Sequence[str], host: str, port: int, seconds: float, rate: int, *more: str) -> Iterator[list[int]]:
    """Flood meanwhile, and give a list, into which the number of datagrams goes when it is over."""
    root = str(Path(__file__).parents[3])
    words = [host, str(port), str(seconds), str(rate), *more]
    sent: list[int] = []
    command = [*prefix, sys.executable, "-m", __name__, *words]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield sent
            sent.append(int(process.stdout.read()))
        finally:
            process.kill()


class Batch:
    """Datagrams that are sent by one system call, in memory that lies in one piece."""

    def __init__(self, packet: bytes) -> None:
        self._packets = ctypes.create_string_buffer(packet * _BATCH, len(packet) * _BATCH)
        at = ctypes.addressof(self._packets)
        iovecs = b"".join(struct.pack("QQ", at + number * len(packet), len(packet)) for number in range(_BATCH))
        self._iovecs = ctypes.create_string_buffer(iovecs, len(iovecs))
        at = ctypes.addressof(self._iovecs)
        headers = b"".join(struct.pack("QI4xQQQQi4xI4x", 0, 0, at + 16 * i, 1, 0, 0, 0, 0) for i in range(_BATCH))
        self._headers = ctypes.create_string_buffer(headers, len(headers))
        self._size = len(packet)
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.bytes = memoryview(self._packets).cast("B")

    def write(self, at: int, words: bytes) -> None:
        """Write 16 bits into each datagram, at the same place."""
        self.bytes[at :: self._size] = words[0::2]
        self.bytes[at + 1 :: self._size] = words[1::2]

    def send(self, descriptor: int) -> int:
        """Send all, and return how many left."""
        sent: int = self._libc.sendmmsg(descriptor, self._headers, _BATCH, 0)
        return max(0, sent)


def main(host: str, port: str, seconds: str, rate: str, source: str = "", size: str = "64") -> None:
    """Flood, then say how often."""
    forging = source == "forge"
    if forging:
        from tests.system.safety.packets import frame, on_the_wire
        from tests.system.safety.wire import CLIENT_4

        sock = on_the_wire()
        # Checksums stay right: what a changed word of the source adds, the identification of the packet takes away.
        packet = frame((CLIENT_4, 40_000), (host, int(port)), b"f" * int(size))
        packet = packet[:18] + b"\0\0" + packet[20:26] + b"\0\0\0\0" + packet[30:40] + b"\0\0" + packet[42:]
        batch = Batch(packet)
        highs = [(20 + number % 80) << 8 | number // 80 for number in range(_BATCH)]
        batch.write(26, struct.pack(f"!{_BATCH}H", *highs))
        batch.write(24, struct.pack(f"!{_BATCH}H", *[_head_checksum(packet, high) for high in highs]))
    else:
        sock = socket.socket(type=socket.SOCK_DGRAM)
        sock.bind((source, 0))
        sock.connect((host, int(port)))
        batch = Batch(b"f" * int(size))
    print("ready", flush=True)
    began = time.perf_counter()
    sent = turn = 0
    while (now := time.perf_counter() - began) < float(seconds):
        if sent > now * int(rate):
            time.sleep(0.0005)
            continue
        if forging:
            turn = (turn + 1) % 65_536
            batch.write(28, struct.pack("!H", turn) * _BATCH)
            batch.write(18, struct.pack("!H", 65_535 - turn) * _BATCH)
        sent += batch.send(sock.fileno())
    print(sent)


def _head_checksum(packet: bytes, high: int) -> int:
    """Return the checksum of the IPv4 header, whose identification and the end of whose source make 0xFFFF."""
    from tests.system.safety.packets import checksum

    return checksum(packet[14:18] + b"\xff\xff" + packet[20:24] + b"\0\0" + struct.pack("!HH", high, 0) + packet[30:34])


if __name__ == "__main__":
    main(*sys.argv[1:])
