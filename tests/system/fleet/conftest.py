"""
What the tests of a fleet share: wheels, so that nothing that is installed in them needs a network.

Those that are marked `fleet` need a minute or two, and the tools of `tests.system.fleet.tools`. `make fleet` runs them,
in CI too; without `-m` on the command line they are left out.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.system.fleet.tools import ROOT
from tests.system.programs import program

if TYPE_CHECKING:
    from pathlib import Path

LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.egg-info", "dropin.cache", "tests")


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known. Called by pytest when it finds this file."""
    config.addinivalue_line("markers", "fleet: needs tools of other people; run by `make fleet`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out those that are marked, unless the command line says which marks are wanted. Called by pytest."""
    if not config.option.markexpr:
        left_out = [item for item in items if item.get_closest_marker("fleet") is not None]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a copy of the source tree, since a build writes beside the sources."""
    copy = tmp_path_factory.mktemp("fleet") / "source"
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
    return copy


@pytest.fixture(scope="session")
def wheels(source: Path) -> Path:
    """Give a directory with echod as a wheel, and all that it needs, for the system's Python."""
    made = source.parent / "wheels"
    environment = source.parent / "environment"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(environment / "bin" / "python")]
    for command in (
        [program("/usr/bin/python3"), "-m", "venv", "--without-pip", str(environment)],
        [*pip, "wheel", "--quiet", f"--wheel-dir={made}", str(source), "setuptools>=64"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, umask=0o022, check=False)
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    shutil.rmtree(source / "build", ignore_errors=True)
    return made
