"""What peers send stays data where the log is JSON too: `twist --log-format=json`."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING, Any

from tests.system.clients import connected
from tests.system.daemon import LIMIT, Address, environment, wait_until
from tests.system.programs import script
from tests.system.safety.test_logs import NASTY, OWN

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """\
services:
  fails: {listen: "tcp:0:interface=127.0.0.1", protocol: "python:fails:fails"}
"""


def records(log: Path) -> list[dict[str, Any]]:
    """Return the whole records of a log: each begins with a record separator (RFC 7464) and is a line."""
    text = log.read_bytes().decode("ascii")
    return [json.loads(each) for each in text.split("\x1e") if each.endswith("\n")]


def test_each_event_is_one_record(tmp_path: Path) -> None:
    """Nothing that is sent begins or ends a record, reaches one raw, or makes one long, not even in an exception."""
    (tmp_path / "fails.py").write_text(OWN)
    file, log = tmp_path / "echod.yaml", tmp_path / "echod.json"
    file.write_text(CONFIG)
    command = [script("twist"), "--log-format=json", f"--log-file={log}", "echod", "--config", str(file)]
    daemon = subprocess.Popen(command, cwd=tmp_path, env=environment({"PYTHONPATH": str(tmp_path)}))
    try:
        wait_until(lambda: log.exists() and b"listens on" in log.read_bytes(), "it listens")
        wait_until(lambda: any("address" in each for each in records(log)), "it says where")
        where = Address("tcp", next(each["address"] for each in records(log) if "address" in each))
        for nasty in NASTY:
            with connected(where) as sock:
                sock.sendall(nasty)
                sock.settimeout(LIMIT)
                assert sock.recv(1) == b""
        time.sleep(0.1)
        daemon.terminate()
        assert daemon.wait(LIMIT) == 0
    finally:
        daemon.kill()
        daemon.wait()
    raw = log.read_bytes()
    assert b"\x1b" not in raw
    assert len(raw) < 200_000
    failures = [each for each in records(log) if "log_failure" in each]
    assert len(failures) == len(NASTY)
    assert raw.count(b"\x1e") == len(records(log))
