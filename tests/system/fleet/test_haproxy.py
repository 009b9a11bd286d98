"""Two echods behind a real HAProxy, with the files in config/haproxy: one is stopped, and clients go on."""

from __future__ import annotations

import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.system.clients import connected, exactly
from tests.system.daemon import Address, environment
from tests.system.fleet.front import FRONT, SERVERS, Talkers, front
from tests.system.fleet.tools import CONFIG
from tests.system.programs import program, script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.system.fleet.front import Front


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """Start HAProxy and two echods."""
    with front(tmp_path_factory.mktemp("front")) as made:
        yield made


@pytest.fixture
def behind(started: Front) -> Front:
    """Give HAProxy and two echods, which are ready."""
    for name, daemon in started.daemons.items():
        if not daemon.running:
            daemon.start()
        started.await_status(name, "UP")
    return started


def test_the_file_is_right() -> None:
    """HAProxy has neither an error nor a warning for it."""
    file = str(CONFIG / "haproxy" / "haproxy.cfg")
    done = subprocess.run([program("haproxy"), "-c", "-f", file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_one_is_stopped_while_clients_go_on(behind: Front) -> None:
    """
    Each echod in turn is told to stop and started again: no conversation is cut, and no client is refused.

    Both have clients again afterwards, and `echod verify` finds all right.
    """
    with Talkers(behind.place, 4, rounds=20) as talkers:
        talkers.held(100)
        for name, daemon in behind.daemons.items():
            daemon.send_signal(signal.SIGTERM)
            daemon.ended()
            assert "dropped" not in daemon.log
            behind.await_status(name, "DOWN")
            talkers.held(50)
            before = int(behind.statistics()[name]["stot"])
            daemon.start()
            behind.await_status(name, "UP")
            talkers.held(100)
            assert int(behind.statistics()[name]["stot"]) > before, f"{name} gets no clients again"
    assert talkers.lost == []
    file = str(CONFIG / "haproxy" / "echod.yaml")
    verified = subprocess.run(
        [*behind.place.prefix, script("echod"), "verify", file],
        capture_output=True,
        text=True,
        env=environment({"ECHOD_ADDRESS": SERVERS["one"]}),
        check=False,
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
    # HAProxy saw none that ended otherwise than by a client's leave (`--`).
    ends = [line for line in behind.log.splitlines() if " echo echo/" in line and " -- " not in line]
    assert ends == []


def test_an_echod_that_answers_what_it_has(behind: Front) -> None:
    """
    Told to stop while a client is busy, an echod gets no new clients, and the busy one gets all of its answers.

    HAProxy hears of the stop from /readyz, before the echod is gone.
    """
    with behind.place.inside():
        busy = connected(FRONT)
    with busy:
        busy.sendall(b"hello")
        assert exactly(busy, 5) == b"hello"
        name = next(each for each, row in behind.statistics().items() if row["scur"] == "1")
        daemon = behind.daemons[name]
        daemon.send_signal(signal.SIGTERM)
        # It ends a talk only in the second half of limits.grace, which is 10 s.
        end = time.monotonic() + 4
        while (row := behind.statistics()[name])["status"] != "DOWN":
            assert time.monotonic() < end, row
            busy.sendall(b"still here")
            assert exactly(busy, 10) == b"still here"
            time.sleep(0.02)
        assert (row["check_code"], row["check_status"]) == ("503", "L7STS")
        assert daemon.running
        with Talkers(behind.place, 2, rounds=2) as others:
            others.held(10)
        assert others.lost == []
        busy.close()
    daemon.ended()


def test_only_the_balancer_may_come(behind: Front) -> None:
    """Whoever comes to an echod directly, from an address that is not HAProxy's, is refused."""
    with behind.place.inside():
        direct = connected(Address("tcp", f"{SERVERS['one']}:7007"))
    with direct, suppress(ConnectionResetError):
        direct.sendall(b"PROXY TCP4 198.51.100.7 192.0.2.11 4000 7007\r\nhello")
        assert direct.recv(10) == b""
    behind.daemons["one"].stop()
    assert "echo: dropped 1 proxy-untrusted" in behind.daemons["one"].log
