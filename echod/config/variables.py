"""
`${NAME}` and `${NAME:-default}` in the values of a file, replaced from the environment.

Only values are looked at, never keys, and what comes out is text: it is not read as YAML again. `$${` is a
literal `${`. The default, as in a shell, is used when the variable is not set or empty, and ends at the first
`}`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from echod.config.nodes import Items, Scalar, Substituted
from echod.config.problems import Problem, dotted, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from echod.config.nodes import Node
    from echod.config.problems import ProblemList

_VARIABLE = re.compile(r"\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(:-[^}]*)?\})?", re.ASCII)
# A few bytes in the file can ask for a long variable again and again.
MOST_ADDED = 1024 * 1024


class Substitution:
    """Replaces the variables of one file's tree in place, and reports values that were never written."""

    def __init__(self, file: str, environ: Mapping[str, str], problems: ProblemList) -> None:
        self._file = file
        self._environ = environ
        self._problems = problems
        self._room = MOST_ADDED

    def run(self, node: Node, path: tuple[str | int, ...] = ()) -> None:
        """
        Replace every variable under `node`.

        A value that cannot be used becomes `None`, with its problem reported; so does a key without a value.
        """
        if isinstance(node, Items):
            for index, item in enumerate(node.items):
                self.run(item, (*path, index))
        elif isinstance(node, Scalar):
            self._scalar(node, path)
        else:
            for key, entry in node.entries.items():
                self.run(entry.node, (*path, key))

    def _scalar(self, node: Scalar, path: tuple[str | int, ...]) -> None:
        """Replace the variables of one value."""
        if node.value is None:
            self._note(node, path, "there is no value: write one, or remove the line")
        elif isinstance(node.value, str) and "${" in node.value:
            try:
                node.value = self._replace(node.value)
            except ValueError as error:
                self._note(node, path, str(error))
                node.value = None

    def _note(self, node: Scalar, path: tuple[str | int, ...], message: str) -> None:
        """Add a problem with one value."""
        self._problems.add(Problem(self._file, node.line, node.column, dotted(path), message))

    def _replace(self, text: str) -> str:
        """`text` with its variables replaced; `ValueError` has the sentence."""
        changed = _VARIABLE.sub(self._one, text)
        literal_only = all(match[0] == "$${" for match in _VARIABLE.finditer(text))
        return changed if literal_only else Substituted(changed)

    def _one(self, match: re.Match[str]) -> str:
        """Return what stands in the place of one variable."""
        if match[0] == "$${":
            return "${"
        name, default = match[1], match[2]
        if name is None:
            found = shown(match.string[match.start() : match.start() + 30])
            raise ValueError(
                f"{found} is no variable: write ${{NAME}} or ${{NAME:-default}}, or $${{ for a literal ${{"
            )
        value = self._environ.get(name)
        if default is not None and not value:
            value = default[2:]
        if value is None:
            sentence = f"the environment variable {shown(name)} is not set: set it, or write ${{NAME:-default}}"
            raise ValueError(sentence)
        if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            raise ValueError(f"the environment variable {shown(name)} is not UTF-8")
        self._room -= len(value)
        if self._room < 0:
            raise ValueError(f"the variables of this file hold more than {MOST_ADDED:,} characters together")
        return value
