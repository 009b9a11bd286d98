"""HAProxy with the file that is shipped, two echods with theirs, and clients that go on whatever happens."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from tests.system.daemon import Address, Daemon, wait_until
from tests.system.fleet.tools import CONFIG
from tests.system.networks import private_network
from tests.system.programs import program
from tests.system.safety.wire import Place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

FRONT = Address("tcp", "192.0.2.10:7007")
SERVERS = {"one": "192.0.2.11", "two": "192.0.2.12"}
"""The addresses in the files: all are of one machine here."""

PATIENCE = 10.0
"""Seconds that a client gives each of its calls."""

# HAProxy's socket is where the file says, but for it alone.
_START = 'mkdir -p /run/haproxy && mount --bind "$1" /run/haproxy && exec "$2" -db -f "$3"'


class Front:
    """
    The three of them.

    :ivar place: the network in which they are.
    :ivar daemons: the echods, by the names that HAProxy has for them.
    """

    def __init__(self, place: Place, folder: Path, daemons: dict[str, Daemon]) -> None:
        self.place = place
        self.daemons = daemons
        self._folder = folder

    @property
    def log(self) -> str:
        """What HAProxy wrote: a line for each connection, among others."""
        return (self._folder / "haproxy.log").read_text(encoding="utf-8")

    def statistics(self) -> dict[str, dict[str, str]]:
        """Return what HAProxy knows of each server, by the names of its columns."""
        return {row["svname"]: row for row in self._rows() if row["pxname"] == "echo" and row["svname"] in self.daemons}

    def await_status(self, name: str, status: str) -> None:
        """Wait until HAProxy says of a server that it is `UP`, or `DOWN`."""
        wait_until(lambda: self.statistics()[name]["status"] == status, f"{name} is {status}")

    def _rows(self) -> Iterator[dict[str, str]]:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(self._folder / "run" / "admin.sock"))
            sock.sendall(b"show stat\n")
            text = b"".join(iter(lambda: sock.recv(1 << 16), b"")).decode()
        head, *rows = [line.split(",") for line in text.removeprefix("# ").splitlines() if line]
        for row in rows:
            yield dict(zip(head, row, strict=True))


@contextmanager
def front(folder: Path) -> Iterator[Front]:
    """Start all, as the files in config/haproxy say, and wait until HAProxy has found both echods ready."""
    with ExitStack() as stack:
        prefix = stack.enter_context(contextmanager(private_network)())
        assert prefix, "only root can make networks: run the tests in tests/system/fleet as root"
        place = Place(prefix)
        for address in (FRONT.host, *SERVERS.values()):
            place.ip(f"address add {address}/32 dev lo")
        daemons = {}
        for name, address in SERVERS.items():
            (folder / name).mkdir()
            config = (CONFIG / "haproxy" / "echod.yaml").read_text(encoding="utf-8")
            own = Daemon(folder / name, config, prefix=prefix, environ={"ECHOD_ADDRESS": address})
            daemons[name] = stack.enter_context(own)
        (folder / "run").mkdir()
        words = [str(folder / "run"), program("haproxy"), str(CONFIG / "haproxy" / "haproxy.cfg")]
        log = stack.enter_context((folder / "haproxy.log").open("wb"))
        balancer = stack.enter_context(
            subprocess.Popen(
                [*prefix, program("unshare"), "--mount", "sh", "-c", _START, "sh", *words], stdout=log, stderr=log
            )
        )
        stack.callback(balancer.kill)
        made = Front(place, folder, daemons)
        wait_until(
            lambda: (folder / "run" / "admin.sock").exists() or balancer.poll() is not None, "HAProxy has started"
        )
        assert balancer.poll() is None, made.log
        # Both count as up until they have been asked.
        wait_until(
            lambda: all(row["check_status"] == "L7OK" for row in made.statistics().values()), "both echods were asked"
        )
        yield made


class Talkers:
    """
    Clients which connect, hold a short conversation, leave, and come again, for a `with` statement.

    :param number: how many there are at once.
    :param rounds: messages of a conversation.
    :ivar lost: what happened to conversations that did not end as they should; there should be none.
    :ivar slowest: seconds that the slowest whole conversation took.
    """

    def __init__(self, place: Place, number: int, rounds: int) -> None:
        self._place = place
        self._rounds = rounds
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._talk) for _ in range(number)]
        self.whole = 0
        self.lost: list[str] = []
        self.slowest = 0.0

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def held(self, more: int) -> None:
        """Wait until so many more conversations were held."""
        aim = self.whole + more
        wait_until(lambda: self.whole >= aim, f"{more} more conversations; {self.lost[:3]}")

    def _talk(self) -> None:
        with self._place.inside():
            while not self._over.is_set():
                began = time.monotonic()
                try:
                    self._converse()
                except OSError as problem:
                    self.lost.append(f"{problem!r} after {time.monotonic() - began:.3f} s")
                else:
                    self.whole += 1
                    self.slowest = max(self.slowest, time.monotonic() - began)

    def _converse(self) -> None:
        with socket.create_connection(FRONT.name, PATIENCE) as sock:
            for number in range(self._rounds):
                message = b"%d of a conversation\n" % number
                sock.sendall(message)
                answer = b""
                while len(answer) < len(message):
                    piece = sock.recv(100)
                    if not piece:
                        raise ConnectionError(f"it ended after {number} of {self._rounds}")
                    answer += piece
                if answer != message:
                    raise ConnectionError(f"it said {answer!r} to {message!r}")
