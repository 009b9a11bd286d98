"""Starting fails loudly and leaves nothing behind; in the foreground and in the background."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.system.clients import connected, datagrams, half_closed
from tests.system.daemon import LIMIT, Address, Daemon
from tests.system.endings import Background, Failed, start_that_fails

ECHO = "services: {echo: {listen: ['tcp:0:interface=127.0.0.1', 'udp:0:interface=127.0.0.1'], protocol: echo}}"

BAD = """\
services:
  one: {listen: "tcp:99999", protocol: echo}
  two: {listen: "tcp:7007", protocol: parrot}
  three: {listen: "udp:7007", protocol: reply, replay: hi}
colour: green
"""

BAD_PLACES = [
    "echod.yaml:2:17: services.one.listen: ",
    "echod.yaml:3:39: services.two.protocol: ",
    "echod.yaml:4:48: services.three.replay: ",
    "echod.yaml:5:1: colour: ",
]

forms = pytest.mark.parametrize("background", [False, True], ids=["foreground", "background"])


def free_port() -> int:
    """Return a port on which nothing listens, neither TCP nor UDP."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        udp.bind(tcp.getsockname())
        return int(tcp.getsockname()[1])


def bindable(port: int) -> None:
    """Fail unless a port can be had, for TCP and UDP."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(type=kind) as sock:
            sock.bind(("127.0.0.1", port))


def left(folder: Path) -> set[str]:
    """Name the files that a start left, besides those that the test wrote."""
    return {each.name for each in folder.iterdir()} - {"echod.yaml", "output"}


def check_bind_failure(failed: Failed, place: str, listen: str) -> None:
    """Fail unless a start failed soon, with the status and the line which a missing address must have."""
    assert failed.status == 71, failed.output
    # The path of a single address may be written as the first of a list.
    assert f"echod.yaml:{place}: cannot listen on {listen}: " in failed.line.replace("[0]", "")
    assert "Traceback" not in failed.output
    assert failed.seconds < LIMIT / 3


@forms
def test_a_wrong_file(tmp_path: Path, background: bool) -> None:
    """A wrong file ends the start with 78, and every problem has a line of its own, with its place."""
    failed = start_that_fails(tmp_path, BAD, background=background)
    assert failed.status == 78, failed.output
    lines = [line for line in failed.output.splitlines() if "#info]" not in line]
    places = [f"{tmp_path}/{place}" for place in BAD_PLACES]
    assert [line[: len(place)] for line, place in zip(lines, places, strict=False)] == places
    assert len(lines) == len(places), failed.output
    assert left(tmp_path) <= {"echod.log"}


@forms
def test_a_file_that_is_absent(tmp_path: Path, background: bool) -> None:
    """A file that cannot be read is a wrong file."""
    config = f"include: [absent.yaml]\n{ECHO}"
    failed = start_that_fails(tmp_path, config, background=background)
    assert failed.status == 78, failed.output
    assert failed.line.startswith(f"{tmp_path}/echod.yaml:1:11: include[0]: ")
    assert "cannot be read: No such file or directory" in failed.line
    assert left(tmp_path) <= {"echod.log"}


@forms
@pytest.mark.parametrize(("kind", "scheme"), [(socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp")])
def test_a_busy_port(tmp_path: Path, kind: socket.SocketKind, scheme: str, background: bool) -> None:
    """A port that is taken ends the start, with a line that names service and address; nothing stays open."""
    other = free_port()
    with socket.socket(type=kind) as holder:
        holder.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            holder.listen()
        taken = f"{scheme}:{holder.getsockname()[1]}:interface=127.0.0.1"
        config = f"""\
services:
  first:
    listen: ["tcp:{other}:interface=127.0.0.1", "udp:{other}:interface=127.0.0.1", "unix:{tmp_path}/first.sock"]
    protocol: echo
  second: {{listen: "{taken}", protocol: echo}}
"""
        failed = start_that_fails(tmp_path, config, background=background)
    check_bind_failure(failed, "5:20: services.second.listen", taken)
    bindable(other)
    # Neither a pidfile, which would block the next start, nor a socket's file.
    assert left(tmp_path) <= {"echod.log"}


@forms
@pytest.mark.parametrize("listen", ["tcp:7007:interface=192.0.2.1", "udp:7007:interface=192.0.2.1"])
def test_an_address_that_is_not_here(tmp_path: Path, listen: str, background: bool) -> None:
    """The address of another machine ends the start too."""
    config = f"services: {{echo: {{listen: '{listen}', protocol: echo}}}}"
    failed = start_that_fails(tmp_path, config, background=background)
    check_bind_failure(failed, "1:27: services.echo.listen", listen)
    assert "no interface of this machine has that address" in failed.line
    assert left(tmp_path) <= {"echod.log"}


def test_a_daemon_in_the_background(tmp_path: Path) -> None:
    """Without `-n` the command returns once everything listens; the daemon serves, and stops when it is told."""
    port = free_port()
    listen = f"['tcp:{port}:interface=127.0.0.1', 'udp:{port}:interface=127.0.0.1', 'unix:{tmp_path}/echo.sock']"
    with Background(tmp_path, f"services: {{echo: {{listen: {listen}, protocol: echo}}}}") as daemon:
        assert daemon.pid != os.getpid()
        assert half_closed(Address("tcp", f"127.0.0.1:{port}"), b"x" * 100_000) == b"x" * 100_000
        assert datagrams(Address("udp", f"127.0.0.1:{port}"), [b"x"]) == [b"x"]
        assert half_closed(f"{tmp_path}/echo.sock", b"x") == b"x"
        daemon.stop()
        assert "SIGTERM: stopping" in daemon.log
        assert "Traceback" not in daemon.log
        assert left(tmp_path) == {"echod.log"}
        bindable(port)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_exit_status_of_a_stop(tmp_path: Path, number: signal.Signals) -> None:
    """Both signals stop it with status 0, which supervisors take for a good end, soon when nobody is connected."""
    with Daemon(tmp_path, ECHO) as daemon:
        assert datagrams(daemon.at("echo", "udp"), [b"x"]) == [b"x"]
        assert daemon.stop(number) < 1.5
        assert f"{number.name}: stopping" in daemon.log


@pytest.mark.parametrize("reactor", ["epoll", "asyncio"])
def test_a_stop_right_after_the_start(tmp_path: Path, reactor: str) -> None:
    """Told to stop in the very moment in which it says that it listens, it ends as well as at any other time."""
    for _ in range(2):
        with Daemon(tmp_path, ECHO, options=[f"--reactor={reactor}"]) as daemon:
            assert daemon.stop() < 1.5


def test_a_connection_without_work_does_not_delay_the_stop(tmp_path: Path) -> None:
    """Who is connected and says nothing sees a clean end, at once."""
    with Daemon(tmp_path, ECHO) as daemon, connected(daemon.at("echo", "tcp")) as idle:
        idle.sendall(b"x")
        assert idle.recv(10) == b"x"
        began = time.monotonic()
        daemon.send_signal(signal.SIGTERM)
        assert idle.recv(10) == b""
        idle.close()
        daemon.ended()
        assert time.monotonic() - began < 1.5


def test_any_working_directory(tmp_path: Path) -> None:
    """It starts from a directory that has nothing to do with it, the root among them, and leaves nothing there."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for cwd in (elsewhere, Path("/")):
        before = set(cwd.iterdir())
        with Daemon(tmp_path, ECHO, cwd=cwd) as daemon:
            assert half_closed(daemon.at("echo", "tcp"), b"x") == b"x"
        assert set(cwd.iterdir()) == before


def test_a_relative_file(tmp_path: Path) -> None:
    """`--config` takes a path relative to where one is."""
    with Daemon(tmp_path, ECHO) as daemon:
        daemon.stop()
        assert daemon.command[-1] == str(daemon.file)
        daemon.command[-1] = daemon.file.name
        daemon.start()
        assert half_closed(daemon.at("echo", "tcp"), b"x") == b"x"


def test_two_daemons_at_once(tmp_path: Path) -> None:
    """Two foreground daemons started from the same directory do not mind each other, nor a third in the background."""
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    for folder in (first, second, third):
        folder.mkdir()
    with (
        Daemon(first, ECHO, cwd=tmp_path) as one,
        Daemon(second, ECHO, cwd=tmp_path) as two,
        Background(third, ECHO) as background,
    ):
        assert half_closed(one.at("echo", "tcp"), b"1") == b"1"
        assert half_closed(two.at("echo", "tcp"), b"2") == b"2"
        background.stop()
