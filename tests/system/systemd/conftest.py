"""A box with echod in it, installed as a packager would, and its units."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.system.programs import program
from tests.system.systemd.box import Box

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
UNITS = ROOT / "config" / "systemd"
PYTHON = "/usr/bin/python3"
"""The system's Python: a service cannot run one in somebody's home directory."""

LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.egg-info", "dropin.cache", "tests")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install echod from its sources into an environment of its own, to be seen as /opt/echod."""
    folder = tmp_path_factory.mktemp("installed")
    # A copy, since the build writes beside the sources.
    shutil.copytree(ROOT, folder / "source", ignore=LEFT_OUT)
    environment = folder / "environment"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(environment / "bin" / "python")]
    for command in (
        [program(PYTHON), "-m", "venv", "--without-pip", str(environment)],
        [*pip, "install", "--quiet", "--no-compile", str(folder / "source")],
        # In all processors: it is read-only for the service, which would compile again at each start.
        [program(PYTHON), "-m", "compileall", "-q", "-j", "0", str(environment / "lib")],
    ):
        done = subprocess.run(command, capture_output=True, text=True, umask=0o022, check=False)
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    for name in ("echod", "twistd"):
        script = environment / "bin" / name
        lines = script.read_text(encoding="utf-8").splitlines(keepends=True)
        script.write_text("".join(["#!/opt/echod/bin/python\n", *lines[1:]]), encoding="utf-8")
    return environment


@pytest.fixture(scope="session")
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """Boot the box, and install the units."""
    if os.geteuid() != 0 and "ECHOD_CI" not in os.environ:
        pytest.skip("only root can boot a systemd")
    environment: Path = request.getfixturevalue("installed")
    with Box(tmp_path_factory.mktemp("box"), {environment: "/opt/echod"}) as box:
        box.install(*UNITS.glob("*.service"), *UNITS.glob("*.socket"))
        # Twisted's list of plugins is written, as README.md there says.
        box.did("/opt/echod/bin/twistd", "--help")
        yield box


@pytest.fixture
def box(machine: Box) -> Iterator[Box]:
    """Give the box, in which nothing of echod runs; afterwards it is again as it was."""
    yield machine
    print(machine.journal("--lines=80"))  # shown when the test failed
    machine.clear()
