"""Sockets that systemd opens, and passes to an echod that it starts when somebody comes."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.system.clients import connected, datagrams, half_closed
from tests.system.daemon import wait_until
from tests.system.systemd.conftest import UNITS
from tests.system.systemd.test_service import PORT_7007
from tests.system.systemd.test_units import drop_in

if TYPE_CHECKING:
    from tests.system.systemd.box import Box

SERVED = (UNITS / "sockets.yaml").read_text(encoding="utf-8")
SOCKETS = ("echod.socket", "echod-udp.socket")


@pytest.fixture
def waiting(box: Box) -> Box:
    """Give a box whose echod has both sockets, and none of its own, and is not started."""
    box.add("echod.service", "sockets", drop_in("sockets"))
    box.write("/etc/echod/echod.yaml", SERVED)
    box.did("systemctl", "start", *SOCKETS)
    assert box.property("echod.service", "ActiveState") == "inactive"
    return box


def test_the_first_who_comes_starts_it(waiting: Box) -> None:
    """The first datagram, or the first connection, and each is answered."""
    assert waiting.here(lambda: datagrams(PORT_7007, [b"first", b"second"])) == [b"first", b"second"]
    assert waiting.property("echod.service", "ActiveState") == "active"
    # systemd may give more than the kernel's limit for others, and it is left so.
    assert "receive buffer" not in waiting.journal(f"_PID={waiting.property('echod.service', 'MainPID')}")

    waiting.did("systemctl", "stop", "echod.service")
    assert waiting.property("echod.service", "Result") == "success"
    assert waiting.here(lambda: half_closed(PORT_7007, b"first")) == b"first"
    assert waiting.property("echod.service", "ActiveState") == "active"


def test_a_restart_loses_nothing(waiting: Box) -> None:
    """Started by hand it has both sockets too; restarted, it answers everyone who comes meanwhile."""
    waiting.did("systemctl", "stop", *SOCKETS)
    waiting.did("systemctl", "start", "echod.service")
    pid = waiting.property("echod.service", "MainPID")
    waiting.did("systemctl", "restart", "--no-block", "echod.service")
    rounds = 0
    while waiting.property("echod.service", "MainPID") in ("0", pid) or rounds < 5:
        waiting.here(everyone_is_answered)
        rounds += 1


def everyone_is_answered() -> None:
    """Come twenty times, as a datagram and as a connection."""
    for number in range(20):
        message = b"%d" % number
        assert datagrams(PORT_7007, [message]) == [message]
        assert half_closed(PORT_7007, message) == message


def test_a_wrong_file_is_not_tried_for_ever(waiting: Box) -> None:
    """Who waits has it tried again, some times; with a right file and by the notes, he is served."""
    waiting.add("echod.service", "twice", "[Unit]\nStartLimitBurst=2\n")
    waiting.write("/etc/echod/echod.yaml", "services: {wrong: {listen: tcp:7007, protocol: ecko}}")
    with waiting.here(lambda: connected(PORT_7007, socket.SOCK_DGRAM)) as sock:
        sock.send(b"wrong")

        def given_up() -> bool:
            return waiting.property("echod-udp.socket", "Result") == "service-start-limit-hit"

        wait_until(given_up, "systemd gives up")
        assert waiting.property("echod.service", "ActiveState") == "failed"
        assert waiting.property("echod.service", "ExecMainStatus") == "78"
    waiting.write("/etc/echod/echod.yaml", SERVED)
    waiting.did("systemctl", "reset-failed", "echod.service", *SOCKETS)
    waiting.did("systemctl", "start", *SOCKETS)
    assert waiting.here(lambda: datagrams(PORT_7007, [b"right"])) == [b"right"]
