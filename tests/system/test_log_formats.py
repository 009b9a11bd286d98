"""The log of a real daemon: its form and level, where twistd sends it, and what changes with a reload."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING, Any

from tests.system.daemon import LIMIT, Daemon, environment, wait_until
from tests.system.programs import script

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """\
log: {log}
services:
  hi: {{listen: "tcp:0:interface=127.0.0.1", protocol: reply, reply: hi}}
"""

OBSERVER = '''\
"""A log of somebody's own."""

from twisted.logger import ILogObserver, eventAsText
from zope.interface import provider


def make():
    file = open("own.log", "w", buffering=1)

    @provider(ILogObserver)
    def note(event):
        file.write(f"mine: {eventAsText(event, includeTimestamp=False)}\\n")

    return note
'''


def records(text: str) -> list[dict[str, Any]]:
    """Return the objects of a log, each of whose lines must be one."""
    return [json.loads(line) for line in text.splitlines()]


def journal(file: Path) -> dict[str, str]:
    """Make a file, and return the environment in which it is systemd's journal."""
    file.touch()
    status = file.stat()
    return {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}


def test_json_and_its_end(tmp_path: Path) -> None:
    """From the first line on, until a reload has another form and level."""
    with Daemon(tmp_path, CONFIG.format(log="{format: json}"), listeners=0) as daemon:
        wait_until(lambda: "try: " in daemon.log, "it has started")
        found = records(daemon.log)
        assert found[0]["message"].startswith("twistd ")
        starts, listens = (next(each for each in found if word in each["message"]) for word in ("serves", "listens on"))
        assert starts["message"] == f"echod {starts['version']} serves {daemon.file}: {starts['summary']}"
        assert starts["summary"] == f"1 service: hi on tcp {listens['address']}"
        assert (listens["service"], listens["protocol"], listens["kind"]) == ("hi", "reply", "tcp")
        assert {each["level"] for each in found} == {"info"}

        daemon.file.write_text(CONFIG.format(log="{level: warn}"))
        daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: "reloaded: " in daemon.log, "it has reloaded")
        before = daemon.log
        assert records(before)[-1]["message"] == "reloaded: 1 kept, 0 changed, 0 added, 0 removed"
        daemon.file.write_text("services: {}")
        daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: "reload failed" in daemon.log, "it has tried")
        daemon.stop()
        (line,) = daemon.log.removeprefix(before).splitlines()
        assert "[echod.service.Echod#error] reload failed, nothing was changed: " in line


def test_in_the_journal(tmp_path: Path) -> None:
    """Each line has a priority and no time: what failed can be found by it, also before there was a log."""
    config = CONFIG.format(log="{}")
    with Daemon(tmp_path, config, environ=journal(tmp_path / "echod.log")) as daemon:
        daemon.file.write_text("services: {}")
        daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: "reload failed" in daemon.log, "it has tried")
        daemon.stop()
        lines = daemon.log.splitlines()
    assert {line[:4] for line in lines} == {"<6>[", "<3>["}
    (error,) = [line for line in lines if line.startswith("<3>")]
    assert error.startswith("<3>[echod.service.Echod#error] reload failed, nothing was changed: ")

    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("services: 1\nlog: 2\n")
    said = tmp_path / "said"
    environ = environment(journal(said))
    command = [script("twistd"), "-n", "--pidfile=", "echod", "--config", str(wrong)]
    with said.open("wb") as stream:
        done = subprocess.run(
            command, check=False, stdout=stream, stderr=stream, env=environ, cwd=tmp_path, timeout=LIMIT
        )
    lines = said.read_text().splitlines()
    assert done.returncode == 78
    assert len(lines) >= 2
    assert all(line.startswith("<3>") for line in lines)


def test_to_a_file(tmp_path: Path) -> None:
    """`--logfile` has the lines of the file's choice, and SIGUSR1 begins a new one."""
    log = tmp_path / "own.log"
    options = ("--logfile", str(log))
    environ = journal(tmp_path / "echod.log")
    config = CONFIG.format(log="{format: json}")
    with Daemon(tmp_path, config, listeners=0, options=options, environ=environ) as daemon:
        wait_until(lambda: log.exists() and "try: " in log.read_text(), "it has started")
        daemon.send_signal(signal.SIGUSR1)
        wait_until((tmp_path / "own.log.1").exists, "a new file is begun")
        daemon.stop()
        assert daemon.log == ""
    assert records((tmp_path / "own.log.1").read_text())[0]["message"].startswith("twistd ")
    assert records(log.read_text())[-1]["message"] == "Server Shut Down."


def test_a_log_of_one_s_own(tmp_path: Path) -> None:
    """`--logger` is left alone, and says that the file's choice is not used."""
    (tmp_path / "owned.py").write_text(OBSERVER)
    options = ("--logger", "owned.make")
    environ = {"PYTHONPATH": str(tmp_path)}
    config = CONFIG.format(log="{format: json, level: debug}")
    own = tmp_path / "own.log"
    with Daemon(tmp_path, config, listeners=0, options=options, environ=environ) as daemon:
        wait_until(lambda: own.exists() and "try: " in own.read_text(), "it has started")
        daemon.stop()
        assert daemon.log == ""
    lines = own.read_text().splitlines()
    assert all(line.startswith("mine: ") for line in lines)
    sentence = "log.level and log.format of the file: not used, as this log was chosen on the command line"
    assert [line for line in lines if sentence in line] == [f"mine: [echod.logs.Log#warn] {sentence}"]
