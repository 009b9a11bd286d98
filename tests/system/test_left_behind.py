"""What lies beside a Unix socket cannot keep the daemon from stopping well: its lock, and rights it has given up."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.system.clients import Sending, connected, exactly, half_closed, rest
from tests.system.daemon import Daemon
from tests.system.endings import Background, start_that_fails

MIB = 1 << 20

CONFIG = """\
services:
  a-path: {{listen: "unix:{folder}/a.sock", protocol: echo}}
  large: {{listen: "unix:{folder}/large.sock", protocol: echo}}
"""


def stop_in_mid_transfer(path: Path, pid: int) -> bool:
    """Tell a daemon to stop while 16 MiB pass through it, and return whether all of them came back."""
    data = os.urandom(16 * MIB)
    with connected(str(path)) as client, Sending(client, data):
        start = exactly(client, MIB)
        time.sleep(0.2)
        os.kill(pid, signal.SIGTERM)
        time.sleep(0.2)
        return start + rest(client) == data


def test_the_background_answers_all_before_it_ends(tmp_path: Path) -> None:
    """In the background too, a stop loses nothing that was accepted, and removes sockets and locks."""
    with Background(tmp_path, CONFIG.format(folder=tmp_path)) as daemon:
        assert stop_in_mid_transfer(tmp_path / "large.sock", daemon.pid)
        daemon.wait()
        assert {each.name for each in tmp_path.iterdir()} == {"echod.yaml", "echod.log"}


def test_the_lock_names_the_process_that_serves(tmp_path: Path) -> None:
    """The lock is Twisted's: any Twisted program takes a socket over whose lock names a process that has ended."""
    with Background(tmp_path, CONFIG.format(folder=tmp_path)) as daemon:
        assert half_closed(str(tmp_path / "a.sock"), b"x") == b"x"
        assert (tmp_path / "a.sock.lock").readlink() == Path(str(daemon.pid))
        second = tmp_path / "second"
        second.mkdir()
        failed = start_that_fails(second, CONFIG.format(folder=tmp_path))
        assert failed.status == 71, failed.output
        assert (tmp_path / "a.sock.lock").readlink() == Path(str(daemon.pid))
        assert half_closed(str(tmp_path / "a.sock"), b"x") == b"x"
        daemon.stop()


def test_a_stop_without_the_right_to_remove_the_sockets(tmp_path: Path) -> None:
    """Where it may no longer write when it stops, as after `--uid`, sockets stay behind, but nothing is lost."""
    folder = tmp_path / "closed"
    folder.mkdir()
    # The right to write a closed directory is root's alone: root gives it up.
    options = ["--uid=65534"] if os.geteuid() == 0 else []
    with Daemon(tmp_path, CONFIG.format(folder=folder), options=options) as daemon:
        folder.chmod(0o555)
        try:
            assert stop_in_mid_transfer(folder / "large.sock", daemon.pid)
            daemon.ended()
            assert (folder / "large.sock").exists(), "it could be removed: this test shows nothing"
        finally:
            folder.chmod(0o755)
