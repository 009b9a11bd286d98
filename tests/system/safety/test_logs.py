"""The log says what happened, and nobody else writes into it."""

from __future__ import annotations

import re
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.system.clients import connected, half_closed
from tests.system.daemon import Address, Daemon
from tests.system.safety.probe import MOST_LINES, check_log
from tests.system.safety.stock import stock

if TYPE_CHECKING:
    from tests.system.clients import Where

NASTY = [
    b"\x1b[31mred\x1b[0m",
    b"\0nul\x9b31m\x7f",
    b"line\n2026-01-01T00:00:00+0000 [echod.service.Echod#critical] forged\r\nline\r\n",
    b"{log_source.__class__.__init__.__globals__} {x %s %d {0}",
    "\u202eright to left\u2028".encode(),
    b"x" * 100_000,
]

OWN = '''\
"""An answer that fails, with all that it was sent in the exception."""

from echod.answers.own import OwnAnswer


class Fails(OwnAnswer):
    def message(self, data):
        raise ValueError(data.decode("latin-1"))


def fails():
    return Fails.answer(examples={})
'''

CONFIG = """\
services:
  echo: {{listen: ["tcp:0:interface=127.0.0.1", "udp:0:interface=127.0.0.1"], protocol: echo}}
  lines: {{listen: "tcp:0:interface=127.0.0.1", protocol: reply, framing: line, reply: "{{message}}"}}
  proxied: {{listen: "tcp:0:interface=127.0.0.1", protocol: echo, proxy_protocol: "on", trusted_proxies: [127.0.0.1]}}
  names: {{listen: "unixgram:{folder}/names.sock", protocol: reply, reply: "{{peer.host}}"}}
  fails: {{listen: ["tcp:0:interface=127.0.0.1", "udp:0:interface=127.0.0.1"], protocol: "python:fails:fails"}}
"""


def send_all(where: Where, data: bytes) -> None:
    """Send over TCP, whatever becomes of it."""
    try:
        half_closed(where, data)
    except (AssertionError, OSError):
        # It was cut, as it may be.
        return


def nag(daemon: Daemon, folder: Path, times: int = 1) -> None:
    """Send everything nasty to everyone."""
    for data in NASTY * times:
        for service in ("echo", "lines", "proxied", "fails"):
            send_all(daemon.at(service, "tcp"), data)
        send_all(daemon.at("proxied"), b"PROXY TCP4 " + data + b" 192.0.2.1 1 2\r\n")
        for service in ("echo", "fails"):
            with connected(daemon.at(service, "udp"), socket.SOCK_DGRAM) as sock:
                sock.send(data[:60_000])
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.bind(b"\0" + data[:90] + str(time.monotonic_ns()).encode()[-8:])
            sock.connect(str(folder / "names.sock"))
            sock.send(data[:60_000])


def check_harmless(log: str, sent: list[bytes]) -> None:
    """Fail when a log has anything but printable lines that it wrote itself."""
    unprintable = {each for each in log if not each.isprintable()} - {"\n", "\t"}
    assert not unprintable, unprintable
    # Each record begins with its time, and goes on only after a tab.
    foreign = [
        line for line in log.splitlines() if line and not re.match(r"\d{4}-\d\d-\d\dT\S+ \[[\w.]+#\w+\] |\t", line)
    ]
    assert not foreign, foreign[:3]
    assert not re.search(r"^2026-01-01T00:00:00", log, re.MULTILINE)
    assert "__main__" not in log
    assert sent[-1][:5000].decode() not in log


def test_nothing_that_was_sent_is_in_the_log_raw(tmp_path: Path) -> None:
    """Escape sequences, line ends, braces: neither payload nor names, not even in the tracebacks of own answers."""
    path = tmp_path / "path"
    path.mkdir()
    (path / "fails.py").write_text(OWN, encoding="ascii")
    root = str(Path(__file__).parents[3])
    daemon = Daemon(tmp_path, CONFIG.format(folder=tmp_path), environ={"PYTHONPATH": f"{path}:{root}"})
    with daemon:
        nag(daemon, tmp_path, 3)
        daemon.send_signal(signal.SIGTERM)
        assert daemon.process is not None
        assert daemon.process.wait(15) == 0
        check_harmless(daemon.log, NASTY)
        # The first ten are shown, the others counted.
        assert daemon.log.count("Traceback") == MOST_LINES
        check_log(daemon)
        assert re.search(r"fails: dropped \d\d error", daemon.log)


def test_stock_logs_what_it_is_sent(tmp_path: Path) -> None:
    """A program that logs its exceptions as they are lets its peers write into the terminal of who reads it."""
    with stock(tmp_path, host="127.0.0.1") as daemon:
        with connected(Address("udp", daemon.at("echo", "udp").text), socket.SOCK_DGRAM) as sock:
            sock.send(b"raise" + NASTY[0])
            time.sleep(0.5)
        with pytest.raises(AssertionError):
            check_harmless(daemon.log, NASTY)
        daemon.kill()
