"""What is wrong with a configuration, where, and how a value is shown in such a sentence."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Nobody reads more, and a hostile file must not make us write a book about it.
MOST_PROBLEMS = 1000
MOST_SHOWN = 60
_SIMPLE_KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, order=True)
class Problem:
    """
    One thing that is wrong in one place.

    `line` and `column` count from 1, columns in characters; `path` is the setting as in
    `services.hello-tcp.listen[0]`, empty when the file as a whole is meant. The order is that of file, line,
    column.
    """

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: "
        return f"{place}{self.path}: {self.message}" if self.path else place + self.message


class ConfigError(Exception):
    """A configuration that cannot be used, with every problem in it, sorted by place."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(set(problems)))
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


class SettingError(ValueError):
    """A value that a setting does not take; the message says why, and what it takes."""


class TooManyProblems(Exception):  # noqa: N818 - it ends the search, it is not the error itself
    """The list of problems is full; what else may be wrong is not looked for."""


class ProblemList:
    """
    Collects problems, each once, up to `MOST_PROBLEMS`.

    `add` raises `TooManyProblems` when the list is full, after noting that there may be more.
    """

    def __init__(self) -> None:
        self._problems: dict[Problem, None] = {}

    def __len__(self) -> int:
        return len(self._problems)

    def add(self, problem: Problem) -> None:
        """Note `problem`, unless it is known already."""
        self._problems[problem] = None
        if len(self._problems) >= MOST_PROBLEMS:
            more = f"these are {MOST_PROBLEMS} problems; there may be more, which are not shown"
            self._problems[Problem(problem.file, problem.line, problem.column, "~", more)] = None
            raise TooManyProblems

    def error(self) -> ConfigError:
        """Everything noted so far, as the exception to raise."""
        return ConfigError(self._problems)


def shown(value: object) -> str:
    """
    `value` as it may stand in a sentence: quoted, one line, at most about 60 characters.

    Texts get double quotes and bytes are shown as hex; characters that do not print are escaped, so that a
    file cannot write to the reader's terminal.
    """
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "nothing"}[value]
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, bytes):
        return f"the bytes {value[:16].hex(' ')}{' …' if len(value) > 16 else ''}"
    if not isinstance(value, str):
        return _escaped(str(value))
    return f'"{_escaped(value)}"'


def _escaped(text: str) -> str:
    """`text` without what does not print, cut to `MOST_SHOWN` characters."""
    if len(text) <= MOST_SHOWN and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    out: list[str] = []
    room = MOST_SHOWN
    for char in text[: MOST_SHOWN + 1]:
        piece = char if char.isprintable() and char not in '"\\' else _escape(char)
        room -= len(piece)
        if room < 0:
            return "".join(out) + "…"
        out.append(piece)
    return "".join(out)


def _escape(char: str) -> str:
    """`char` as Python and YAML's double quotes both write it."""
    return '\\"' if char == '"' else char.encode("unicode_escape").decode("ascii")


def dotted(parts: Iterable[str | int]) -> str:
    """Return the path of a setting: `("services", "x", "listen", 0)` is `services.x.listen[0]`."""
    path = ""
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += ("." if path else "") + (part if _SIMPLE_KEY.fullmatch(part) else shown(part))
    return path


def listed(words: Iterable[str]) -> str:
    """Return `a, b or c`."""
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def suggestion(word: str, known: Iterable[str]) -> str:
    """`did you mean "x"?` when a known word is close to `word`, and the list of the known ones otherwise."""
    known = sorted(known)
    close = get_close_matches(word.lower(), known, n=1, cutoff=0.7) if len(word) <= 40 else []
    return f'did you mean "{close[0]}"?' if close else f"known are {', '.join(known)}"
