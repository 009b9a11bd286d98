"""What systemd does when echod crashes, hangs, or cannot start."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from tests.system.clients import connected, half_closed
from tests.system.daemon import Address, wait_until
from tests.system.systemd.test_service import ECHO, PORT_7007

if TYPE_CHECKING:
    from tests.system.systemd.box import Box

IMPATIENT = "[Service]\nRestartSec=100ms\n"
HANGING = """\
import time

from echod.answers.own import OwnAnswer


class Hanging(OwnAnswer):
    def message(self, data):
        time.sleep(60)


def hanging():
    return Hanging.answer()
"""


def restarted(box: Box, before: str) -> None:
    """Wait until the service has another process than before, and answers."""

    def is_another() -> bool:
        return box.property("echod.service", "MainPID") not in ("0", before)

    wait_until(is_another, "it was started again")
    wait_until(lambda: box.property("echod.service", "ActiveState") == "active", "it is ready again")
    assert box.here(lambda: half_closed(PORT_7007, b"again")) == b"again"
    assert box.property("echod.service", "NRestarts") == "1"


def test_a_crash(box: Box) -> None:
    """It is started again."""
    box.add("echod.service", "impatient", IMPATIENT)
    box.start(ECHO)
    pid = box.property("echod.service", "MainPID")
    box.did("kill", "-KILL", pid)
    restarted(box, pid)


def test_the_watchdog(box: Box) -> None:
    """A process that stands still is ended and started again; one that does its work is not."""
    box.add("echod.service", "impatient", IMPATIENT + "WatchdogSec=2s\n")
    box.start(ECHO)
    pid = box.property("echod.service", "MainPID")
    time.sleep(2.5)
    assert box.property("echod.service", "MainPID") == pid
    box.did("kill", "-STOP", pid)
    restarted(box, pid)
    assert "Failed with result 'watchdog'" in box.journal("--unit=echod.service")


def test_a_hang(box: Box) -> None:
    """A reactor that does not turn is as dead, and the journal says where it hung."""
    box.add("echod.service", "impatient", IMPATIENT + "WatchdogSec=2s\nEnvironment=PYTHONPATH=/etc/echod\n")
    box.write("/etc/echod/hanging.py", HANGING)
    box.start(ECHO[:-1] + ", hang: {listen: 'tcp:7008:interface=127.0.0.1', protocol: 'python:hanging:hanging'}}")
    pid = box.property("echod.service", "MainPID")
    with box.here(lambda: connected(Address("tcp", "127.0.0.1:7008"))) as sock:
        sock.sendall(b"x")
        restarted(box, pid)
    assert 'File "/etc/echod/hanging.py", line 8 in message' in box.journal("--unit=echod.service")


def test_a_wrong_file_is_not_tried_again(box: Box) -> None:
    """Status 78 says that it is no use; the journal has the reason."""
    box.add("echod.service", "impatient", IMPATIENT)
    box.write("/etc/echod/echod.yaml", "services: {wrong: {listen: tcp:7007, protocol: ecko}}")
    assert box.run("systemctl", "start", "echod.service").returncode != 0
    time.sleep(0.5)
    assert box.property("echod.service", "ActiveState") == "failed"
    assert box.property("echod.service", "ExecMainStatus") == "78"
    assert box.property("echod.service", "NRestarts") == "0"
    assert 'echod.yaml:1:48: services.wrong.protocol: "ecko"' in box.journal("--unit=echod.service")


def test_a_busy_port_is_tried_again(box: Box) -> None:
    """Status 71 says that it may go well another time."""
    box.add("echod.service", "impatient", IMPATIENT)
    with box.here(lambda: socket.create_server(("127.0.0.1", 7007))):
        box.write("/etc/echod/echod.yaml", ECHO)
        assert box.run("systemctl", "start", "echod.service").returncode != 0
        assert "cannot listen on tcp:7007:interface=127.0.0.1: address already in use" in box.journal()
    wait_until(lambda: box.property("echod.service", "ActiveState") == "active", "it is ready at last")
    assert box.here(lambda: half_closed(PORT_7007, b"at last")) == b"at last"
