"""echod.service with ports of its own: start, answer, reload, stop."""

from __future__ import annotations

import socket
import ssl
import time
from typing import TYPE_CHECKING

from tests.system.clients import connected, datagrams, exactly, fill, half_closed
from tests.system.daemon import Address, wait_until
from tests.system.systemd.conftest import UNITS
from tests.system.systemd.test_units import drop_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.systemd.box import Box

PORT_7 = Address("tcp", "127.0.0.1:7")
PORT_7007 = Address("tcp", "127.0.0.1:7007")
ECHO = "services: {echo: {listen: ['tcp:7007:interface=127.0.0.1', 'udp:7007:interface=127.0.0.1'], protocol: echo}}"


def status(box: Box, pid: str, key: str) -> str:
    """Return a line of proc(5)'s status of a process in the box."""
    lines = (box.root / "proc" / pid / "status").read_text(encoding="ascii").splitlines()
    return next(line.partition(":")[2].split()[0] for line in lines if line.startswith(f"{key}:"))


def test_port_7_and_tls_without_privileges(box: Box, certificate: tuple[Path, Path]) -> None:
    """
    Started, it is ready, says what it serves, and answers: on port 7, over TLS, on a Unix socket, with its metrics.

    It is no root, and has but the one capability. Stopped, it ends well.
    """
    for name in ("low-ports", "tls"):
        box.add("echod.service", name, drop_in(name))
    box.write("/usr/lib/sysusers.d/echod.conf", (UNITS / "sysusers.conf").read_text(encoding="utf-8"))
    box.did("systemd-sysusers")
    for file in certificate:
        box.write(f"/etc/echod/tls/{file.name}", file.read_text(encoding="ascii"))
    box.did("chgrp", "-R", "echod-tls", "/etc/echod/tls")
    box.did("chmod", "-R", "u=rwX,g=rX,o=", "/etc/echod/tls")
    box.start("""\
services:
  echo: {listen: [tcp:7, udp:7, "unix:/run/echod/echo"], protocol: echo}
  tls: {listen: "ssl:7443:privateKey=tls/key.pem:certKey=tls/cert.pem", protocol: echo}
metrics: {listen: "tcp:7009:interface=127.0.0.1"}
""")
    assert box.property("echod.service", "ActiveState") == "active"
    said = box.property("echod.service", "StatusText")
    assert said.startswith("serving 2 services: echo on tcp 0.0.0.0:7, udp 0.0.0.0:7, unix /run/echod/echo; tls on ssl")
    pid = box.property("echod.service", "MainPID")
    assert status(box, pid, "Uid") != "0"
    assert int(status(box, pid, "CapEff"), 16) == 1 << 10  # CAP_NET_BIND_SERVICE
    assert status(box, pid, "Seccomp") == "2"
    assert box.here(lambda: half_closed(PORT_7, b"x" * 100_000)) == b"x" * 100_000
    assert box.here(lambda: datagrams(PORT_7, [b"one", b"two"])) == [b"one", b"two"]
    assert half_closed(str(box.root / "run/echod/echo"), b"unix") == b"unix"
    context = ssl.create_default_context(cafile=str(certificate[1]))
    with (
        box.here(lambda: connected(Address("ssl", "127.0.0.1:7443"))) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as sock,
    ):
        sock.sendall(b"secret")
        assert exactly(sock, 6) == b"secret"
    with box.here(lambda: connected(Address("tcp", "127.0.0.1:7009"))) as sock:
        sock.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        # Read from /proc, of which the unit must leave enough.
        assert b"\nprocess_resident_memory_bytes " in b"".join(iter(lambda: sock.recv(1 << 16), b""))
    box.did("systemctl", "stop", "echod.service")
    assert box.property("echod.service", "Result") == "success"
    assert box.property("echod.service", "ExecMainCode") == "1"  # it exited; no signal ended it
    assert box.property("echod.service", "ExecMainStatus") == "0"


def test_reload(box: Box) -> None:
    """
    A reload keeps the process and its connections, and reports.

    A file that is wrong makes `systemctl reload` fail; an address that cannot be had is reported. Both change nothing.
    """
    box.start(ECHO)
    pid = box.property("echod.service", "MainPID")

    def reported() -> str:
        return box.property("echod.service", "StatusText")

    with box.here(lambda: connected(PORT_7007)) as sock:
        box.write("/etc/echod/echod.yaml", ECHO[:-1] + ", more: {listen: tcp:7008, protocol: discard}}")
        box.did("systemctl", "reload", "echod.service")
        wait_until(lambda: reported().endswith("reloaded: 1 kept, 0 changed, 1 added, 0 removed"), "it has reloaded")
        good = reported()

        box.write("/etc/echod/echod.yaml", ECHO.replace("tcp:7007", "tcp:70070"))
        assert box.run("systemctl", "reload", "echod.service").returncode != 0
        assert 'the port "70070" is not a number from 0 to 65535' in box.journal("--unit=echod.service")
        assert reported() == good

        box.write("/etc/echod/echod.yaml", ECHO.replace("tcp:7007", "tcp:7010"))
        with box.here(lambda: socket.create_server(("127.0.0.1", 7010))):
            box.did("systemctl", "reload", "echod.service")
            wait_until(lambda: "the last reload failed" in reported(), "its failure is reported")

        sock.sendall(b"still here")
        assert exactly(sock, 10) == b"still here"
    assert box.here(lambda: half_closed(PORT_7007, b"x")) == b"x"
    assert box.property("echod.service", "ActiveState") == "active"
    assert box.property("echod.service", "MainPID") == pid
    assert box.property("echod.service", "NRestarts") == "0"


def test_a_stop_may_take_as_long_as_the_file_says(box: Box) -> None:
    """What was accepted is answered, also if the unit allows less time than `limits.grace`."""
    box.add("echod.service", "short", "[Service]\nTimeoutStopSec=500ms\n")
    box.start(ECHO)
    with box.here(lambda: connected(PORT_7007)) as sock:
        sent = fill(sock, 1 << 26)
        box.did("systemctl", "stop", "--no-block", "echod.service")
        time.sleep(1.5)
        assert box.property("echod.service", "ActiveState") == "deactivating"
        assert box.property("echod.service", "StatusText") == "stopping"
        sock.shutdown(socket.SHUT_WR)
        assert len(exactly(sock, sent + 1)) == sent
    wait_until(lambda: box.property("echod.service", "ActiveState") == "inactive", "it has stopped")
    assert box.property("echod.service", "Result") == "success"
