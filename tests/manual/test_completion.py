"""The completions, in the shells that they are for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from echod.manual.words import program
from tests.manual.shells import at_terminal, in_fish

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

FILE = """
log: {format: json}
services:
    # comment
    smtp-double:
        listen: tcp:2525:interface=127.0.0.1
        protocol: reply
        reply: hi
    "echo":
        listen: tcp:7007:interface=127.0.0.1
        protocol: echo
defaults:
    reuse_port: true
"""
CASES = {
    "echod c": "echod check",
    "echod v": "echod verify",
    "echod se": "echod send",
    "echod p": "echod ping",
    "echod sc": "echod schema",
    "echod --v": "echod --version",
    "echod check ec": "echod check echod.yaml",
    "echod check --h": "echod check --help",
    "echod verify echod.yaml --ho": "echod verify echod.yaml --host",
    "echod verify --j": "echod verify --json",
    "echod verify --service hello-t": "echod verify --service hello-tcp",
    "echod verify --service=hello-u": "echod verify --service=hello-udp",
    "echod verify echod.yaml --service s": "echod verify echod.yaml --service smtp-double",
    "echod verify echod.yaml --service e": "echod verify echod.yaml --service echo",
    "echod verify echod.yaml --service hel": "echod verify echod.yaml --service hel",
    "echod verify --timeout 5 ec": "echod verify --timeout 5 echod.yaml",
    "echod send tcp:": "echod send tcp:127.0.0.1:",
    "echod send udp:1": "echod send udp:127.0.0.1:",
    "echod send tl": "echod send tls:",
    "echod send unix:ec": "echod send unix:echod.yaml",
    "echod send tcp:127.0.0.1:7007 ec": "echod send tcp:127.0.0.1:7007 ec",
    "echod send tcp:127.0.0.1:7007 --fr": "echod send tcp:127.0.0.1:7007 --framing",
    "echod send tcp:127.0.0.1:7007 --framing n": "echod send tcp:127.0.0.1:7007 --framing netstring",
    "echod send --framing line tl": "echod send --framing line tls:",
    "echod send --framing del": "echod send --framing delimiter:",
    "echod ping -c 5 unixg": "echod ping -c 5 unixgram:",
    "echod ping -c ec": "echod ping -c ec",
    "echod ping tls:localhost:7007 --js": "echod ping tls:localhost:7007 --json",
    "echod schema ec": "echod schema ec",
}
"""What is typed, and what the line is after a tab, whether or not a space or an equals sign follows."""

SHELLS: dict[str, Callable[[Path, Sequence[str]], Mapping[str, str]]] = {
    "bash": lambda folder, lines: at_terminal("bash", folder, lines),
    "zsh": lambda folder, lines: at_terminal("zsh", folder, lines),
    "fish": in_fish,
}


def _beginning(name: str, others: Sequence[str]) -> str:
    """Return as much of a name as tells it from others."""
    beginnings = (name[:end] for end in range(3, len(name) + 1))
    return next(start for start in beginnings if sum(other.startswith(start) for other in others) == 1)


def options() -> dict[str, str]:
    """Return a case for each long option of each command: none is forgotten."""
    made = {}
    for command in program().commands:
        names = [name for option in command.options for name in option.names if name.startswith("--")]
        for name in names:
            made[f"echod {command.name} {_beginning(name, names)}"] = f"echod {command.name} {name}"
    return made


@pytest.mark.parametrize("shell", SHELLS)
def test_what_is_typed_is_completed(shell: str, tmp_path: Path) -> None:
    """Commands, options, files, addresses, framings, and the services of a file or of the embedded example."""
    (tmp_path / "echod.yaml").write_text(FILE, encoding="utf-8")

    cases = CASES | options()

    completed = SHELLS[shell](tmp_path, list(cases))

    assert {line: made.rstrip(" =") for line, made in completed.items()} == cases
