"""
A real systemd in a box: process 1 of namespaces of its own, over a copy-on-write view of this machine.

It boots in half a second, has a network of its own with nothing but loopback, where every port is free, and leaves
nothing behind.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tests.system.daemon import LIMIT, wait_until
from tests.system.programs import program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from typing_extensions import Self

T = TypeVar("T")

_UNITS = "/etc/systemd/system"
_CLONE_NEWNET = 0x40000000
_KEPT_FROM = ("sys_module", "sys_time", "sys_rawio", "syslog", "sys_pacct", "wake_alarm", "block_suspend")
_NAMESPACES = ("--mount", "--propagation=private", "--uts", "--ipc", "--net", "--pid", "--cgroup")


class Box:
    """
    A machine that systemd runs, for a `with` statement.

    :param folder: an empty directory.
    :param binds: directories of this machine, and where they are seen inside.
    """

    def __init__(self, folder: Path, binds: Mapping[Path, str]) -> None:
        self._folder = folder
        self._binds = [f"{source}:{target}" for source, target in binds.items()]
        self._log = folder / "log"
        # Named in the kernel's list of mounts; where it is mounted differs.
        mounts = [line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
        self._groups = next(Path(where) for _, where, kind, *_ in mounts if kind == "cgroup2")
        self._group = self._groups / f"echod-box-{os.getpid()}"
        self._process: subprocess.Popen[bytes] | None = None
        self._init = 0

    def __enter__(self) -> Self:
        self._group.mkdir()
        # It enters its group before anything else, so that all that it starts is in there.
        entering = ["sh", "-c", 'echo $$ >"$0" && exec "$@"', str(self._group / "cgroup.procs")]
        # It dies with us, whatever happens to us, and everything in the box with it.
        confined = [program("setpriv"), "--pdeathsig=KILL", "--bounding-set", ",".join(f"-{cap}" for cap in _KEPT_FROM)]
        apart = [program("unshare"), *_NAMESPACES, "--fork", "--kill-child"]
        inside = ["bash", str(Path(__file__).with_name("inside.sh")), str(self._folder), *self._binds]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*entering, *confined, *apart, *inside], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            wait_until(self._made, "the box is made")
            children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
            self._init = int(children.read_text(encoding="ascii"))
            # The one process that is outside: systemd would meet it in the group as one without a number.
            (self._groups / "cgroup.procs").write_text(str(self._process.pid), encoding="ascii")
            wait_until(self._boots, "systemd has booted")
        except BaseException:
            print(self._log.read_text(encoding="utf-8"))
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        # `unshare` kills its child when it is killed.
        self._process.kill()
        self._process.wait()
        wait_until(self._gone, f"{self._group} is empty")

    @property
    def root(self) -> Path:
        """The root directory of the box, as it is reached from outside."""
        return Path(f"/proc/{self._init}/root")

    def write(self, path: str, text: str) -> Path:
        """Write a file in the box, with the directories that lead there."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the box as root, and return how it ended and what it wrote."""
        spaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"]
        entering = [program("nsenter"), f"--target={self._init}", *spaces, "env", "-i", "PATH=/usr/sbin:/usr/bin"]
        return subprocess.run(
            [*entering, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT,
            check=False,
        )

    def did(self, *command: str) -> str:
        """Run a command in the box, which must succeed, and return what it wrote."""
        done = self.run(*command)
        assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}\n{self.journal()}"
        return done.stdout

    def here(self, call: Callable[[], T]) -> T:
        """Call something in the network of the box: sockets that are made there stay there."""

        def inside() -> T:
            self._enter_network()
            return call()

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(inside).result()

    def add(self, unit: str, name: str, text: str) -> None:
        """Add a drop-in to a unit, until `clear`."""
        self.write(f"{_UNITS}/{unit}.d/{name}.conf", text)
        self.did("systemctl", "daemon-reload")

    def install(self, *files: Path) -> None:
        """Install units."""
        for file in files:
            self.write(f"{_UNITS}/{file.name}", file.read_text(encoding="utf-8"))
        # One that nothing refers to is forgotten when it stops, and how it ended with it.
        names = " ".join(file.name for file in files if "@" not in file.name)
        self.write(f"{_UNITS}/default.target.d/installed.conf", f"[Unit]\nAfter={names}\n")
        self.did("systemctl", "daemon-reload")

    def start(self, config: str) -> None:
        """Start echod.service with a file."""
        self.write("/etc/echod/echod.yaml", config)
        self.did("systemctl", "start", "echod.service")

    def clear(self) -> None:
        """Stop what was installed, and remove drop-ins and the files of echod."""
        self.did("systemctl", "stop", "echod*")
        self.did("systemctl", "reset-failed")
        for folder in (self.root / _UNITS.lstrip("/")).glob("echod*.d"):
            shutil.rmtree(folder)
        shutil.rmtree(self.root / "etc/echod", ignore_errors=True)
        self.did("systemctl", "daemon-reload")

    def property(self, unit: str, name: str) -> str:
        """Return a property of a unit, as `systemctl show` gives it."""
        return self.did("systemctl", "show", "--property", name, "--value", unit).strip()

    def journal(self, *words: str) -> str:
        """Return what the journal has, of one unit perhaps."""
        return self.run("journalctl", "--no-pager", "--output=short-monotonic", *words).stdout

    def _made(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "it ended"
        return "the box is made" in self._log.read_text(encoding="utf-8")

    def _boots(self) -> bool:
        # `starting` until all is up; `degraded` where the machine lacks what some unit of its own wants.
        return self.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")

    def _gone(self) -> bool:
        """Remove the groups that are empty, innermost first, and tell whether all are gone."""
        for folder, _, _ in os.walk(self._group, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()
        return not self._group.exists()

    def _enter_network(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        with Path(f"/proc/{self._init}/ns/net").open("rb") as space:
            if libc.setns(space.fileno(), _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
