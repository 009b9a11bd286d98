"""The playbook: as it should be written, and played on a machine with a real systemd."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.system.clients import connected, half_closed
from tests.system.daemon import Address
from tests.system.fleet.tools import CONFIG, TOOLS, judged, tool
from tests.system.systemd.box import Box

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.fleet

PLAYBOOK = "ansible/playbook.yaml"
ECHO = Address("tcp", "127.0.0.1:7007")
MORE = Address("tcp", "127.0.0.1:7008")
ANOTHER = """\
services:
  echo: {listen: [tcp:7007, udp:7007], protocol: echo}
  more: {listen: tcp:7008, protocol: echo}
"""
WRONG = "services: {echo: {listen: tcp:99999, protocol: echo}}"


class Played(NamedTuple):
    """How a play ended: the exit status, and what it said."""

    status: int
    said: str

    @property
    def changed(self) -> int:
        """How many tasks changed something."""
        found = re.search(r"\bchanged=(\d+)", self.said)
        assert found is not None, self.said
        return int(found[1])


@pytest.fixture
def machine(tmp_path: Path, wheels: Path) -> Iterator[Box]:
    """Boot a machine with nothing of echod, which can see the playbook, Ansible, and the wheels."""
    with Box(tmp_path, {CONFIG: "/srv/config", TOOLS: "/srv/tools", wheels: "/srv/wheels"}) as box:
        yield box
        print(box.journal("--lines=50"))


def play(box: Box, package: Path, *variables: str) -> Played:
    """Play the playbook on the machine itself."""
    given = [
        "ansible_connection=local",
        "ansible_become=false",
        "ansible_python_interpreter=/usr/bin/python3",
        f"echod_package=/srv/wheels/{package.name}",
        # What is needed is compiled as it is used, by root; all of it takes its time.
        "echod_pip_arguments='--no-index --find-links=/srv/wheels --no-compile'",
        *variables,
    ]
    words = ["/srv/tools/bin/python", "/srv/tools/bin/ansible-playbook", "--inventory=localhost,", "--diff"]
    words += [word for each in given for word in ("--extra-vars", each)]
    done = box.run("env", "HOME=/root", "LC_ALL=C.UTF-8", "ANSIBLE_PIPELINING=1", *words, f"/srv/config/{PLAYBOOK}")
    return Played(done.returncode, done.stdout)


def test_the_playbook_is_written_as_such_files_should_be(tmp_path: Path) -> None:
    """ansible-lint has nothing to say, by the strictest of its profiles."""
    file = str(CONFIG / PLAYBOOK)
    # It starts Ansible itself, by its name, and both keep things at home.
    environment = [f"PATH={TOOLS / 'bin'}:/usr/bin:/bin", f"HOME={tmp_path}"]
    said = judged("env", *environment, tool("ansible-lint"), "--offline", "--profile=production", file)
    assert "0 failure(s), 0 warning(s)" in said


def test_a_machine_is_set_up_and_kept(machine: Box, wheels: Path) -> None:
    """
    The first play installs, starts and proves; with another file, the next one changes that and reloads.

    Nothing else: the process and its connections stay. A wrong file never gets there.
    """
    (package,) = wheels.glob("echod-*.whl")
    first = play(machine, package)
    assert first.status == 0, first.said
    assert machine.property("echod.service", "ActiveState") == "active"
    assert machine.property("echod.service", "UnitFileState") == "enabled"
    assert "plugin cache" not in machine.journal("--unit=echod.service")
    assert machine.here(lambda: half_closed(ECHO, b"hello")) == b"hello"

    process = machine.property("echod.service", "MainPID")
    with machine.here(lambda: connected(ECHO)) as client:
        machine.write("/srv/another.yaml", ANOTHER)
        another = play(machine, package, "echod_config=/srv/another.yaml")
        # The file, and the reload.
        assert (another.status, another.changed) == (0, 2), another.said
        assert machine.here(lambda: half_closed(MORE, b"more")) == b"more"
        client.sendall(b"still here")
        assert client.recv(100, socket.MSG_WAITALL) == b"still here"

    machine.write("/srv/wrong.yaml", WRONG)
    wrong = play(machine, package, "echod_config=/srv/wrong.yaml")
    assert wrong.status != 0
    assert ":1:27: services.echo.listen: the port" in wrong.said
    assert (machine.root / "etc/echod/echod.yaml").read_text(encoding="utf-8") == ANOTHER
    assert machine.property("echod.service", "MainPID") == process
