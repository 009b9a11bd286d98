"""What the service manager hears, by a socket that stands for it and a clock that is turned by hand."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, globalLogPublisher
from zope.interface import provider

from echod.systemd import LONGEST_STATUS, RETRY, Supervisor, summary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from twisted.logger import LogEvent

PID = 4_711
MONOTONIC = 12_345_678_999  # nanoseconds


class Manager:
    """A service manager that listens at an address of AF_UNIX."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(address)
        self.sock.setblocking(False)

    def heard(self) -> list[bytes]:
        """Return the messages that came since last time."""
        messages = []
        with suppress(BlockingIOError):
            while True:
                messages.append(self.sock.recv(1 << 16))
        return messages


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """Make a manager, of each kind of address that there is."""
    made = Manager(str(tmp_path / "notify") if request.param == "path" else f"\0echod-tests-{os.getpid()}")
    yield made
    made.sock.close()


def supervisor(manager: Manager, clock: Clock, **environ: str) -> Supervisor:
    """Make a supervisor as the environment of a service says."""
    name = manager.address.replace("\0", "@")
    return Supervisor({"NOTIFY_SOCKET": name, **environ}, clock, lambda: PID, lambda: MONOTONIC)


@pytest.fixture
def warnings() -> Iterator[list[LogEvent]]:
    """Give the events that were logged."""
    events: list[LogEvent] = []

    @provider(ILogObserver)
    def watch(event: LogEvent) -> None:
        events.append(event)

    globalLogPublisher.addObserver(watch)
    yield events
    globalLogPublisher.removeObserver(watch)


def test_a_life(manager: Manager) -> None:
    """Each turn is one message: ready, reloading, reloaded, stopping."""
    told = supervisor(manager, clock := Clock())
    told.ready("serving")
    assert manager.heard() == [b"READY=1\nMAINPID=4711\nSTATUS=serving"]
    told.reloading()
    assert manager.heard() == [b"RELOADING=1\nMONOTONIC_USEC=12345678"]
    told.reloaded("serving more")
    assert manager.heard() == [b"READY=1\nSTATUS=serving more"]
    told.stopping(10)
    assert manager.heard() == [b"STOPPING=1\nEXTEND_TIMEOUT_USEC=15000000\nSTATUS=stopping"]
    assert not clock.getDelayedCalls()


def test_without_a_manager(warnings: list[LogEvent]) -> None:
    """Nothing is said, fed or logged."""
    told = Supervisor({"WATCHDOG_USEC": "1000000"}, clock := Clock(), lambda: PID, lambda: MONOTONIC)
    told.ready("serving")
    told.reloading()
    told.reloaded("serving")
    told.stopping(10)
    assert not clock.getDelayedCalls()
    assert not warnings


@pytest.mark.parametrize("watched", [{}, {"WATCHDOG_PID": str(PID)}])
def test_the_watchdog(manager: Manager, watched: dict[str, str]) -> None:
    """It is fed twice in its time, from the moment in which we are ready until we stop."""
    told = supervisor(manager, clock := Clock(), WATCHDOG_USEC="3000000", **watched)
    clock.advance(10)
    assert manager.heard() == []
    told.ready("serving")
    manager.heard()
    clock.advance(1.4)
    assert manager.heard() == []
    clock.advance(0.1)
    assert manager.heard() == [b"WATCHDOG=1"]
    clock.pump([1.5, 1.5])
    assert manager.heard() == [b"WATCHDOG=1"] * 2
    told.stopping(10)
    manager.heard()
    clock.advance(10)
    assert manager.heard() == []
    assert not clock.getDelayedCalls()


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "-1000000"},
        {"WATCHDOG_USEC": "soon"},
    ],
)
def test_no_watchdog(manager: Manager, environ: dict[str, str]) -> None:
    """Without a time, or with another's number, there is none to be fed."""
    told = supervisor(manager, clock := Clock(), **environ)
    told.ready("serving")
    assert not clock.getDelayedCalls()


def test_a_fork(manager: Manager) -> None:
    """Twistd forks after we are made: the child tells its own number, and feeds what watched its parent."""
    pid = PID
    environ = {
        "NOTIFY_SOCKET": manager.address.replace("\0", "@"),
        "WATCHDOG_USEC": "1000000",
        "WATCHDOG_PID": str(PID),
    }
    told = Supervisor(environ, clock := Clock(), lambda: pid, lambda: MONOTONIC)
    pid += 1
    told.ready("serving")
    clock.advance(0.5)
    assert manager.heard() == [b"READY=1\nMAINPID=4712\nSTATUS=serving", b"WATCHDOG=1"]
    told.stopping(0)


def test_a_status_is_one_line_and_not_too_long(manager: Manager) -> None:
    """A line break would begin an assignment of its own, and half a character would spoil the message."""
    told = supervisor(manager, Clock())
    told.reloaded("one\nREADY=0\x1b\udc80" + "ü" * LONGEST_STATUS)
    (message,) = manager.heard()
    ready, status, *more = message.decode().split("\n")
    assert (ready, more) == ("READY=1", [])
    assert status.startswith("STATUS=one READY=0  ü")
    assert LONGEST_STATUS - 1 <= len(status.partition("=")[2].encode()) <= LONGEST_STATUS


def test_a_manager_that_is_busy_hears_all_in_the_end(manager: Manager) -> None:
    """Its queue is full: what is to be said waits, in its order. The watchdog's food does not pile up meanwhile."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as others:
        others.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                others.sendto(b"others", manager.address)
    told = supervisor(manager, clock := Clock(), WATCHDOG_USEC="100000")
    told.ready("serving")
    told.reloading()
    told.reloaded("serving more")
    clock.pump([0.05] * 10)
    assert set(manager.heard()) == {b"others"}
    clock.advance(RETRY)
    messages = manager.heard()
    assert [message.partition(b"\n")[0] for message in messages[:3]] == [b"READY=1", b"RELOADING=1", b"READY=1"]
    assert messages[2].endswith(b"STATUS=serving more")
    assert set(messages[3:]) <= {b"WATCHDOG=1"}
    told.stopping(0)
    assert not clock.getDelayedCalls()


def test_a_manager_that_cannot_be_reached(tmp_path: Path, warnings: list[LogEvent]) -> None:
    """We serve all the same, and say it once."""
    environ = {"NOTIFY_SOCKET": str(tmp_path / "nobody"), "WATCHDOG_USEC": "1000000"}
    told = Supervisor(environ, clock := Clock(), lambda: PID, lambda: MONOTONIC)
    told.ready("serving")
    clock.pump([0.5] * 4)
    told.stopping(0)
    (event,) = warnings
    assert (event["address"], event["reason"]) == (environ["NOTIFY_SOCKET"], "no such file or directory")


@pytest.mark.parametrize(
    ("services", "said"),
    [
        ({}, "0 services: none"),
        ({"echo": ["tcp 127.0.0.1:7"]}, "1 service: echo on tcp 127.0.0.1:7"),
        (
            {"a": ["udp [::1]:7", "unix /run/a"], "b": ["tcp 0.0.0.0:9"]},
            "2 services: a on udp [::1]:7, unix /run/a; b on tcp 0.0.0.0:9",
        ),
    ],
)
def test_a_summary(services: dict[str, list[str]], said: str) -> None:
    """It counts the services, and names them with their addresses."""
    assert summary(services.items()) == said


def test_a_summary_of_many() -> None:
    """It counts all, and names as many as a line has room for."""
    said = summary((f"service-{number}", ["tcp 127.0.0.1:7"]) for number in range(1_000))
    assert said.startswith("1000 services: service-0 on tcp 127.0.0.1:7; service-1 on ")
    assert said.endswith(" ...")
    assert len(said) <= 300
