"""Starts that fail, and daemons that went into the background."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from tests.system.daemon import LIMIT, environment
from tests.system.programs import twistd

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self


class Failed(NamedTuple):
    """How a start ended: its exit status, what it wrote, and how many seconds it took."""

    status: int
    output: str
    seconds: float

    @property
    def line(self) -> str:
        """The one line that says why; twistd's own log lines around it begin with the time."""
        lines = [line for line in self.output.splitlines() if "#info]" not in line]
        assert len(lines) == 1, f"it wrote more, or less, than one line:\n{self.output}"
        return lines[0]


def start_that_fails(folder: Path, config: str, *, background: bool = False) -> Failed:
    """Start a daemon which cannot start, and wait for the end of twistd: of its parent, in the background."""
    file = folder / "echod.yaml"
    file.write_text(config, encoding="utf-8")
    own = [f"--pidfile={folder}/echod.pid", f"--logfile={folder}/echod.log"] if background else ["-n", "--pidfile="]
    command = [*twistd(*own), "echod", "--config", str(file)]
    began = time.monotonic()
    with (folder / "output").open("w+b") as output:
        # No pipe: a daemon that is left behind would keep it open, and we would wait for its end.
        status = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment({}),
            timeout=LIMIT,
            check=False,
        ).returncode
        seconds = time.monotonic() - began
        output.seek(0)
        return Failed(status, output.read().decode(), seconds)


class Background:
    """One echod in the background, for a `with` statement: started there, and ended after it."""

    def __init__(self, folder: Path, config: str) -> None:
        self.pid_file, self.log_file = folder / "echod.pid", folder / "echod.log"
        file = folder / "echod.yaml"
        file.write_text(config, encoding="utf-8")
        own = [f"--pidfile={self.pid_file}", f"--logfile={self.log_file}"]
        self._command = [*twistd(*own), "echod", "--config", str(file)]
        self._folder = folder
        self.pid = 0
        self._process = -1

    def __enter__(self) -> Self:
        subprocess.run(
            self._command,
            stdin=subprocess.DEVNULL,
            cwd=self._folder,
            env=environment({}),
            timeout=LIMIT,
            check=True,
        )
        self.pid = int(self.pid_file.read_text(encoding="ascii"))
        # Its parent is gone, so only such a descriptor tells of its end (pidfd_open(2)).
        self._process = os.pidfd_open(self.pid)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Not by its number, which may be another's by now.
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, signal.SIGKILL)
        os.close(self._process)
        if kind is not None:
            print(self.log)

    @property
    def log(self) -> str:
        """What it has written to its log file."""
        return self.log_file.read_text(encoding="utf-8")

    def stop(self) -> None:
        """Stop it, and wait until its process has ended."""
        os.kill(self.pid, signal.SIGTERM)
        self.wait()

    def wait(self) -> None:
        """Wait until its process has ended."""
        ended, _, _ = select.select([self._process], [], [], LIMIT)
        assert ended, f"it has not ended within {LIMIT:g} s\n{self.log}"
