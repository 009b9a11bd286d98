"""A real echod: `twistd`, started from a real file, known by what it logs, and stopped by a signal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import yaml

from tests.system.programs import twistd

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Self

LIMIT = float(os.environ.get("ECHOD_TEST_TIMEOUT", "120")) / 4
"""Seconds that one wait may take: less than the whole test may, so that its failure can show the log."""

LOOK = 0.01
"""Seconds between two looks at a log or a process."""

_LISTENS = re.compile(r"\] (?P<service>\S+) \(\S+\) listens on (?P<kind>\S+) (?P<address>.+)$", re.MULTILINE)
_FOUL = ("Traceback", "Unhandled", "exceptions.", "Warning")


class Address(NamedTuple):
    """Where the daemon says that it listens: the kind of the description, and the address as it is logged."""

    kind: str
    text: str

    @property
    def host(self) -> str:
        """The IP address, without brackets."""
        return self.text.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port."""
        return int(self.text.rpartition(":")[2])

    @property
    def name(self) -> tuple[str, int]:
        """What `socket.connect` takes."""
        return self.host, self.port


def wait_until(true: Callable[[], object], what: str, limit: float = LIMIT) -> None:
    """Wait until something is true. `what` is the sentence that says so, for when it never is."""
    end = time.monotonic() + limit
    while not true():
        assert time.monotonic() < end, f"not within {limit:g} s: {what}"
        time.sleep(LOOK)


def environment(changes: Mapping[str, str]) -> dict[str, str]:
    """Return our environment with changes, and without sockets that were passed to the tests themselves."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LISTEN_")}
    return kept | dict(changes)


class Daemon:
    """
    One echod in the foreground, for a `with` statement: it serves inside, and has ended well after it.

    :param folder: its file and its log are written here.
    :param config: the YAML text of its file, or None for the embedded default.
    :param listeners: how many addresses it will listen on; counted in `config` by default.
    :param options: twistd's own options.
    :param command: the words before `--config`, instead of `twistd` and its options.
    :param prefix: a command that runs the daemon in its own place.
    :param environ: environment variables to set.
    :param descriptors: open descriptors to leave to it.
    :param cwd: where it is started.
    """

    def __init__(
        self,
        folder: Path,
        config: str | None,
        *,
        listeners: int | None = None,
        options: Sequence[str] = (),
        command: Sequence[str] | None = None,
        prefix: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        descriptors: Sequence[int] = (),
        cwd: Path | None = None,
    ) -> None:
        self.file = folder / "echod.yaml"
        self.log_file = folder / "echod.log"
        self._listeners = _count(config) if listeners is None else listeners
        words = command or [*twistd("-n", "--pidfile=", *options), "echod"]
        self.command = [*prefix, *words]
        if config is not None:
            self.file.write_text(config, encoding="utf-8")
            self.command += ["--config", str(self.file)]
        self._environ = environment(environ or {})
        self._descriptors = descriptors
        self._cwd = cwd or folder
        self.process: subprocess.Popen[bytes] | None = None
        self.addresses: dict[str, list[Address]] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self.running:
            self.stop()
        self.kill()
        if kind is not None:
            print(self.log)

    @property
    def log(self) -> str:
        """What it has written: its log is its standard output, and errors come among it."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    @property
    def running(self) -> bool:
        """Whether it is started and has not ended."""
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        """Its process."""
        assert self.process is not None, "it is not started"
        return self.process.pid

    @property
    def resident(self) -> int:
        """How much memory it holds, in bytes (proc(5), VmRSS)."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
        assert found is not None, status
        return int(found[1]) * 1024

    def start(self) -> None:
        """Start it, and wait until it listens everywhere."""
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._cwd,
                env=self._environ,
                pass_fds=self._descriptors,
            )
        try:
            wait_until(self._listens, f"{self.command} listens on {self._listeners} addresses")
        except BaseException as problem:
            self.kill()
            raise AssertionError(f"{problem}\n{self.log}") from problem

    def at(self, service: str, kind: str | None = None) -> Address:
        """Return where a service listens; the first address of a kind, where it has several."""
        return next(each for each in self.addresses[service] if kind in (None, each.kind))

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Tell it to stop; see `ended`."""
        self.send_signal(number)
        return self.ended()

    def ended(self) -> float:
        """Wait for its end, which must be a good one, and return how many seconds that took."""
        assert self.process is not None, "it is not started"
        began = time.monotonic()
        try:
            status = self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it has not ended within {LIMIT:g} s\n{self.log}") from None
        seconds = time.monotonic() - began
        assert status == 0, f"it ended with status {status}\n{self.log}"
        foul = [word for word in _FOUL if word in self.log]
        assert not foul, f"its log has {foul}\n{self.log}"
        return seconds

    def kill(self) -> None:
        """Let nothing of it live on."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _listens(self) -> bool:
        """Read the log, and tell whether it names every address."""
        found = [(match["service"], Address(match["kind"], match["address"])) for match in _LISTENS.finditer(self.log)]
        if len(found) < self._listeners:
            assert self.running, f"it ended with status {self.process and self.process.returncode}"
            return False
        self.addresses = {}
        for service, address in found:
            self.addresses.setdefault(service, []).append(address)
        return True


def _count(config: str | None) -> int:
    """Return how many addresses a file without includes listens on; the embedded default has five."""
    if config is None:
        return 5
    top = yaml.safe_load(config)
    listens = [service["listen"] for service in top["services"].values()]
    beside = sum(key in top for key in ("metrics", "console"))
    return beside + sum(len(listen) if isinstance(listen, list) else 1 for listen in listens)
