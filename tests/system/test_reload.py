"""SIGHUP to the real daemon, as an operator sends it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.system.clients import connected, datagrams
from tests.system.daemon import Daemon, wait_until
from tests.system.programs import script

if TYPE_CHECKING:
    from tests.system.daemon import Address

RELOADS = 1_000
STEADY = """\
services:
  steady: {{listen: ["tcp:{0}:interface=127.0.0.1", "udp:{0}:interface=127.0.0.1"], protocol: echo}}
  hello: {{listen: "tcp:{1}:interface=127.0.0.1", protocol: reply, reply: hi, then: close}}
"""
_REPORT = re.compile(r"reloaded: (\d+) kept, (\d+) changed, (\d+) added, (\d+) removed")


def write(daemon: Daemon, text: str) -> None:
    """Put another file in the place of the daemon's, as deployments do."""
    other = daemon.file.with_suffix(".new")
    other.write_text(text, encoding="utf-8")
    other.replace(daemon.file)


def reports(daemon: Daemon) -> list[tuple[str, ...]]:
    """Return what the reloads did, as the log says."""
    return _REPORT.findall(daemon.log)


def free_ports(count: int) -> list[int]:
    """Return ports on which nothing listens."""
    sockets = [socket.socket() for _ in range(count)]
    for sock in sockets:
        sock.bind(("127.0.0.1", 0))
    ports = [int(sock.getsockname()[1]) for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


class Talk(threading.Thread):
    """Talks to the services that nobody changes, without a pause, and writes down what went wrong."""

    def __init__(self, echo: tuple[str, int], hello: tuple[str, int]) -> None:
        super().__init__(name="talk")
        self._echo, self._hello = echo, hello
        self.over = threading.Event()
        self.rounds = 0
        self.wrong: list[str] = []

    def run(self) -> None:
        """Talk until it is over."""
        stream = socket.create_connection(self._echo, 5)
        datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagram.settimeout(5)
        datagram.connect(self._echo)
        try:
            while not self.over.is_set():
                message = b"%09d" % self.rounds
                for sock in (stream, datagram):
                    sock.sendall(message)
                    if (heard := sock.recv(99)) != message:
                        self.wrong.append(f"{heard!r} for {message!r}")
                with socket.create_connection(self._hello, 5) as sock:
                    sock.sendall(b"hello")
                    if (heard := sock.recv(99)) != b"hi":
                        self.wrong.append(f"{heard!r} for hello")
                self.rounds += 1
        except OSError as problem:
            self.wrong.append(f"in round {self.rounds}: {problem!r}")
        finally:
            stream.close()
            datagram.close()


def test_a_thousand_reloads_under_load(tmp_path: Path) -> None:
    """They add, change and remove services; who talks to the others never notices."""
    echo, hello, first, second = free_ports(4)
    steady = STEADY.format(echo, hello)
    extra = (
        "  {}: {{listen: ['tcp:{}:interface=127.0.0.1', 'udp:{}:interface=127.0.0.1'], protocol: reply, reply: r{}}}\n"
    )
    with Daemon(tmp_path, steady) as daemon:
        talk = Talk(("127.0.0.1", echo), ("127.0.0.1", hello))
        talk.start()
        try:
            log = daemon.log_file.open(encoding="utf-8")
            done = 0
            for number in range(RELOADS):
                text = steady + extra.format("changing", first, first, number)
                if number % 2:
                    text += extra.format(f"coming-{number}", second, second, number)
                write(daemon, text)
                daemon.send_signal(signal.SIGHUP)
                end = time.monotonic() + 20
                while done <= number:
                    assert time.monotonic() < end, f"reload {number} is not reported\n{daemon.log[-2000:]}"
                    done += log.read().count("reloaded: 2 kept")
                    time.sleep(0.001)
            log.close()
        finally:
            talk.over.set()
            talk.join()
        assert talk.wrong == []
        assert talk.rounds > 500
        assert datagrams(daemon.at("hello")._replace(kind="udp", text=f"127.0.0.1:{first}"), [b"xxxx"]) == [b"r999"]
        assert "failed" not in daemon.log
        counted = reports(daemon)
        assert counted[:3] == [("2", "0", "1", "0"), ("2", "1", "1", "0"), ("2", "1", "0", "1")]
        assert len(counted) == RELOADS
        assert len(list(Path(f"/proc/{daemon.pid}/fd").iterdir())) < 40


def test_a_failed_reload_is_one_line(tmp_path: Path) -> None:
    """It says why, and what was there goes on."""
    with Daemon(tmp_path, "services: {e: {listen: 'tcp:0:interface=127.0.0.1', protocol: echo}}") as daemon:
        address = daemon.at("e")
        write(daemon, "services: {e: {listen: tcp:99999, protocol: ehco}}")
        daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: "reload failed" in daemon.log, "the failure is logged")
        (line,) = [line for line in daemon.log.splitlines() if "reload failed" in line]
        assert ': services.e.listen: the port "99999"' in line
        assert line.endswith("(and 1 more: echod check lists them)")
        assert echoes(address)


def echoes(address: Address) -> bool:
    """Tell whether an echo answers."""
    with connected(address) as sock:
        sock.sendall(b"x")
        return sock.recv(9) == b"x"


SLOW = """\
import os, time
from echod.answers.echo import Echo

def make():
    open("begun", "w").close()
    while not os.path.exists("go on"):
        time.sleep(0.01)
    return Echo()
"""


def test_a_signal_during_the_start(tmp_path: Path) -> None:
    """It does not kill; the reload follows the start."""
    (tmp_path / "slow.py").write_text(SLOW)
    text = "services: {e: {listen: 'tcp:0:interface=127.0.0.1', protocol: 'python:slow:make'}}"
    daemon = Daemon(tmp_path, text, environ={"PYTHONPATH": str(tmp_path)})
    starter = threading.Thread(target=daemon.start, name="start")
    starter.start()
    wait_until((tmp_path / "begun").exists, "the start has begun")
    for _ in range(3):
        daemon.send_signal(signal.SIGHUP)
    (tmp_path / "go on").touch()
    starter.join()
    try:
        wait_until(lambda: reports(daemon), "the reload is reported")
        assert reports(daemon) == [("1", "0", "0", "0")]
        assert echoes(daemon.at("e"))
        daemon.stop()
    finally:
        daemon.kill()


def test_in_the_background_too(tmp_path: Path) -> None:
    """The daemon finds a file that was named relative to where it was started, from where it runs."""
    (tmp_path / "e.yaml").write_text("services: {e: {listen: 'tcp:0:interface=127.0.0.1', protocol: echo}}")
    run, pid_file, log = tmp_path / "run", tmp_path / "pid", tmp_path / "log"
    run.mkdir()
    options = [f"--pidfile={pid_file}", f"--logfile={log}", f"--rundir={run}"]
    subprocess.run([script("twistd"), *options, "echod", "--config", "e.yaml"], cwd=tmp_path, check=True)
    pid = int(pid_file.read_text())
    try:
        assert Path(f"/proc/{pid}/cwd").readlink() == run
        os.kill(pid, signal.SIGHUP)
        wait_until(lambda: "reloaded: 1 kept" in log.read_text(), "the reload is reported")
    finally:
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not pid_file.exists(), "it has ended")
