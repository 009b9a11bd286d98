"""
A real container engine: podman, in namespaces of its own, so that nothing of it is left on this machine.

It needs no registry: the image that ours is built on is made of the Debian packages that are installed here.
"""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import yaml

from tests.system.daemon import LIMIT, wait_until
from tests.system.programs import program
from tests.system.safety.wire import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

_NAMESPACES = ("--mount", "--propagation=private", "--net", "--pid")

# crun refuses the mixed hierarchy of control groups, so it is shown the second version alone; it is told to use none,
# since this machine may give none away. What podman keeps in /run goes with the namespaces.
_INSIDE = """\
set -e
mount -t proc proc /proc
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /run
ip link set lo up
echo made
exec cat
"""
_LIMITS = ("--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096")
"""Podman's own are above what this machine may have."""


class Engine:
    """
    Podman, with a store of its own.

    :ivar network: the network which its containers share.
    """

    def __init__(self, store: Path, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        init = int(children.read_text(encoding="ascii"))
        self._entering = [program("nsenter"), f"--target={init}", "--mount", "--pid"]
        self._podman = [program("podman"), f"--root={store}/root", f"--runroot={store}/run", "--storage-driver=overlay"]
        self._podman += ["--cgroup-manager=cgroupfs", "--events-backend=none"]
        self.root = Path(f"/proc/{init}/root")
        self.network = Place([program("nsenter"), f"--net=/proc/{init}/ns/net"])

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of podman, and return how it ended and what it wrote."""
        return subprocess.run(
            [*self._entering, *self.network.prefix[1:], *self._podman, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def did(self, *words: str) -> str:
        """Run a command of podman, which must succeed, and return what it wrote."""
        done = self.run(*words)
        assert done.returncode == 0, f"podman {' '.join(words)}: {done.returncode}\n{done.stdout}"
        return done.stdout.strip()

    def build(self, context: Path, file: Path, tag: str, *words: str) -> None:
        """Build an image of a Containerfile. There is no network, and no other isolation either."""
        options = ["--isolation=chroot", "--layers=false", f"--file={file}", f"--tag={tag}", *_LIMITS, *words]
        self.did("build", *options, str(context))

    def inspect(self, name: str) -> Any:
        """Return what podman knows of a container or an image."""
        # JSON is YAML.
        return yaml.safe_load(self.did("inspect", name))[0]


class Container:
    """
    A container that runs in the background, for a `with` statement.

    :param words: options of `podman run`, the image, and what its entry point is given.
    """

    def __init__(self, engine: Engine, *words: str) -> None:
        self._engine = engine
        options = ["--detach", "--cgroups=disabled", "--network=host", *_LIMITS]
        self.name = engine.did("run", *options, *words)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        print(self.log)
        self._engine.did("rm", "--force", "--time=0", self.name)

    @property
    def log(self) -> str:
        """What it wrote."""
        return self._engine.run("logs", self.name).stdout

    @property
    def written(self) -> set[str]:
        """The files that are in it and not in its image, by their paths in it."""
        upper = Path(self._engine.inspect(self.name)["GraphDriver"]["Data"]["UpperDir"])
        # Seen from inside the namespaces: the store may be below what is mounted there only.
        seen = self._engine.root / upper.relative_to("/")
        return {f"/{path.relative_to(seen)}" for path in seen.rglob("*") if not path.is_dir()}

    @property
    def status(self) -> dict[str, str]:
        """The lines of proc(5)'s status of its process 1."""
        pid = self._engine.inspect(self.name)["State"]["Pid"]
        lines = (self._engine.root / "proc" / str(pid) / "status").read_text(encoding="ascii").splitlines()
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}

    def says(self, text: str) -> None:
        """Wait until its log has a text."""
        wait_until(lambda: text in self.log, f"{self.name} says {text!r}", LIMIT)

    def exec(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it."""
        return self._engine.run("exec", self.name, *command)

    def stop(self, seconds: int) -> float:
        """Let podman stop it, which kills it after so many seconds; return how many it took."""
        began = time.monotonic()
        self._engine.did("stop", f"--time={seconds}", self.name)
        return time.monotonic() - began

    def ended(self) -> int:
        """Wait until its process 1 has ended, and return the exit status."""
        return int(self._engine.did("wait", self.name))


@contextmanager
def engine(store: Path) -> Iterator[Engine]:
    """Give an engine with an empty store, and remove both."""
    assert os.geteuid() == 0, "only root can run containers here: run the tests in tests/system/fleet as root"
    apart = [program("setpriv"), "--pdeathsig=KILL", program("unshare"), *_NAMESPACES, "--fork", "--kill-child"]
    with subprocess.Popen(
        [*apart, "sh", "-c", _INSIDE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            said = cast("Any", process.stdout).readline()
            assert said == b"made\n", said
            yield Engine(store, process)
        finally:
            # With process 1 all others in there die, and with them go the mounts.
            process.kill()
