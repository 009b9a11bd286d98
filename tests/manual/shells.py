"""Real shells that complete what is typed: bash and zsh at a terminal, and fish, which can be asked."""

from __future__ import annotations

import os
import pty
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.system.programs import program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Self

COMPLETION = Path(__file__).parents[2] / "config/completion"

_LIMIT = 30.0
_TAB, _SHOW, _KILL = b"\t", b"\x18\x04", b"\x15"
# Each writes the line as it stands to a file, at Ctrl-X Ctrl-D.
_BASH = """
source {completion}/echod.bash
bind -x '"\\C-x\\C-d": printf "%s\\n" "$READLINE_LINE" >>shown'
PS1='ready> '
"""
_ZSH = """
fpath=({completion} $fpath)
autoload -Uz compinit && compinit -u -D
show() {{ print -r -- "$BUFFER" >>shown }}
zle -N show
bindkey -e
bindkey '^X^D' show
PS1='ready> '
"""
_FISH = """
source $argv[1]/echod.fish
for line in $argv[2..]
    complete -C $line
    echo =
end
"""


class Terminal:
    """
    A shell at a terminal, in an empty environment.

    :param name: `bash` or `zsh`.
    :param folder: its directory; what it starts with is written there.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self._shown = folder / "shown"
        self._shown.write_text("", encoding="utf-8")
        start = {"bash": _BASH, "zsh": _ZSH}[name].format(completion=COMPLETION)
        (folder / ".zshrc").write_text(start, encoding="utf-8")
        options = {"bash": ["--rcfile", ".zshrc", "-i"], "zsh": ["-d", "-i"]}[name]
        environ = {
            "PATH": os.defpath,
            "HOME": str(folder),
            "ZDOTDIR": str(folder),
            "TERM": "vt100",
            "LC_ALL": "C.UTF-8",
        }
        self._master, slave = pty.openpty()
        os.set_blocking(self._master, False)
        self._process = subprocess.Popen(
            [program("setsid"), "--ctty", "--wait", program(name), *options],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            env=environ,
        )
        os.close(slave)
        self._seen = b""
        self._count = 0

    def __enter__(self) -> Self:
        self._wait(lambda: b"ready> " in self._seen)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The terminal hangs up.
        os.close(self._master)
        self._process.wait(_LIMIT)

    def completed(self, line: str) -> str:
        """Type a line and a tab; return what the line is then."""
        os.write(self._master, line.encode() + _TAB + _SHOW + _KILL)
        self._count += 1
        self._wait(lambda: len(self._lines()) == self._count)
        return self._lines()[-1]

    def _lines(self) -> Sequence[str]:
        text = self._shown.read_text(encoding="utf-8")
        return text[: text.rfind("\n") + 1].splitlines()

    def _wait(self, true: Callable[[], bool]) -> None:
        end = time.monotonic() + _LIMIT
        while not true():
            with suppress(BlockingIOError):
                self._seen += os.read(self._master, 65536)
            assert time.monotonic() < end, self._seen.decode("utf-8", "replace")
            time.sleep(0.005)


def at_terminal(name: str, folder: Path, lines: Sequence[str]) -> Mapping[str, str]:
    """Return what bash or zsh makes of each line."""
    with Terminal(name, folder) as terminal:
        return {line: terminal.completed(line) for line in lines}


def in_fish(folder: Path, lines: Sequence[str]) -> Mapping[str, str]:
    """Return what fish makes of each line: its last word becomes what all proposals begin with."""
    command = [program("fish"), "--no-config", "-c", _FISH, "--", str(COMPLETION), *lines]
    environ = {"PATH": os.defpath, "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=True, timeout=_LIMIT)
    assert not done.stderr
    made: dict[str, str] = {}
    for line, answer in zip(lines, done.stdout.split("=\n"), strict=False):
        proposals = [proposal.partition("\t")[0] for proposal in answer.splitlines()]
        before, space, typed = line.rpartition(" ")
        common = os.path.commonprefix(proposals)  # noqa: RUF071 - characters are what a shell adds
        made[line] = before + space + (common or typed)
    return made
