"""The tools of other people that judge what a fleet is deployed with. `make fleet` installs them beside the tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "config"
TOOLS = ROOT / ".venv-fleet"
"""Their environment, apart from that of the tests: they bring much along that the tests do not need."""


def tool(name: str) -> str:
    """Return the path of a tool. Without it the test fails: what is not judged is not known to be right."""
    path = TOOLS / "bin" / name
    assert path.exists(), f"{path} does not exist: `make fleet` installs it"
    return str(path)


def judged(*command: str) -> str:
    """Run a tool on files of ours: it must be content with them. Return what it wrote."""
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    said = done.stdout.decode()
    assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{said}"
    return said
