"""What the tests of the commands share: daemons, wrong servers, certificates, and `echod` as a user starts it."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.commands.programs import Echod, Served, make_certificate
from tests.system.programs import twistd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_START_SECONDS = 30.0
_LISTENS = re.compile(r"#info\] (\S+) \(\S+\) listens on (.+)$", re.MULTILINE)


@pytest.fixture(scope="session")
def echod() -> Echod:
    """Run the command as a process of its own."""

    def run(*words: str, data: bytes = b"", cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "echod.cli", *words],
            capture_output=True,
            timeout=60,
            check=False,
            cwd=cwd,
            input=data,
        )

    return run


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Served]]:
    """Start a daemon for a YAML text, and return it when all its services listen."""
    running: list[subprocess.Popen[bytes]] = []

    def start(text: str) -> Served:
        folder = tmp_path_factory.mktemp("daemon")
        file, log = folder / "echod.yaml", folder / "log"
        file.write_text(text)
        with log.open("wb") as out:
            command = [*twistd("-n", "--pidfile="), "echod", "--config", str(file)]
            process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=folder)
        running.append(process)
        end = time.monotonic() + _START_SECONDS
        while "try: " not in (said := log.read_text()):
            assert process.poll() is None, f"the daemon ended: {said}"
            assert time.monotonic() < end, f"the daemon does not start: {said}"
            time.sleep(0.02)
        listens: dict[str, list[str]] = {}
        for name, address in _LISTENS.findall(said):
            listens.setdefault(name, []).append(address)
        return Served(file, listens)

    yield start
    for process in running:
        process.terminate()
    for process in running:
        assert process.wait(30) == 0, "the daemon did not stop cleanly"


@pytest.fixture
def tcp_peer() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """Start a TCP server that treats every connection as a function does; returns its endpoint."""
    with contextlib.ExitStack() as cleanup:

        def start(talk: Callable[[socket.socket], None]) -> str:
            listener = socket.create_server(("127.0.0.1", 0))

            def accept() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        connection, _ = listener.accept()
                        with connection, contextlib.suppress(OSError):
                            connection.settimeout(10)
                            talk(connection)

            thread = threading.Thread(target=accept)
            thread.start()
            cleanup.callback(thread.join)
            cleanup.callback(listener.close)
            # A close alone would not wake the thread.
            cleanup.callback(listener.shutdown, socket.SHUT_RDWR)
            return "tcp:{}:{}".format(*listener.getsockname())

        yield start


@pytest.fixture
def udp_peer() -> Iterator[Callable[[Callable[[bytes], list[bytes]]], str]]:
    """Start a UDP server that answers every datagram as a function says; returns its endpoint."""
    with contextlib.ExitStack() as cleanup:

        def start(answer: Callable[[bytes], list[bytes]]) -> str:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind(("127.0.0.1", 0))
            sock.settimeout(0.05)
            over = threading.Event()

            def serve() -> None:
                while not over.is_set():
                    with contextlib.suppress(TimeoutError):
                        data, peer = sock.recvfrom(65_536)
                        for reply in answer(data):
                            sock.sendto(reply, peer)

            thread = threading.Thread(target=serve)
            thread.start()
            cleanup.callback(sock.close)
            cleanup.callback(thread.join)
            cleanup.callback(over.set)
            return "udp:{}:{}".format(*sock.getsockname())

        yield start


@pytest.fixture
def free_port() -> int:
    """Return a TCP and UDP port of loopback that nobody has, outside of the range of client ports."""
    for port in range(20_000, 30_000):
        with contextlib.suppress(OSError), socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", port))
            udp.bind(("127.0.0.1", port))
            return port
    pytest.fail("no port is free")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a PEM file with a self-signed certificate for 127.0.0.1 and ::1, and its key."""
    return make_certificate(tmp_path_factory.mktemp("tls") / "server.pem")
