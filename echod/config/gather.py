"""The main file and those it includes, read and put together, before any setting is looked at."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING

from echod.config.files import matches, read_bounded
from echod.config.nodes import Entry, Items, Scalar, Table, plain
from echod.config.problems import Problem, dotted, shown, suggestion
from echod.config.quotes import split_quotes
from echod.config.sides import Console, resolved
from echod.config.text import MOST_BYTES, read
from echod.config.top import SERVICES_KEY, TOP_KEYS
from echod.config.variables import Substitution

if TYPE_CHECKING:
    from collections.abc import Mapping

    from echod.config.misfit import Where
    from echod.config.nodes import Node
    from echod.config.problems import ProblemList

EMBEDDED = "(embedded default)"
MOST_FILES = 1000
MOST_QUOTES = 10_000


@dataclass(slots=True)
class Found:
    """A service as a file has it: the file's name, the key with its place, and the settings."""

    file: str
    entry: Entry
    table: Table


@dataclass
class Gatherer:
    """
    Reads files; what they hold is in `top`, `services` and `files` afterwards, what is wrong in `problems`.

    `overlay` has bytes to read instead of those of files in the console's directory, and `None` for files that are to
    be gone. What is read `again` cannot be a pipe. `own` are those of `files` which are in that directory. `whole` is
    false when a file could not be read, so that what is missing may have been in it.
    """

    environ: Mapping[str, str]
    problems: ProblemList
    overlay: Mapping[str, bytes | None] = field(default_factory=dict)
    again: bool = False
    files: list[str] = field(default_factory=list)
    top: Table = field(default_factory=lambda: Table(1, 1))
    services: dict[str, Found] = field(default_factory=dict)
    whole: bool = True
    own: frozenset[str] = frozenset()

    def main(self, path: Path | None) -> None:
        """Read the file that `--config` names, or the embedded default, and what it includes."""
        name = EMBEDDED if path is None else _name(path)
        tree = self._tree(path, name)
        if tree is None:
            return
        self.top = tree
        folder = Path() if path is None else path.parent
        defaults = tree.entries.get("defaults")
        if defaults is not None and isinstance(defaults.node, Table):
            self._read_quotes(defaults.node, name, folder, ("defaults",))
        self._take_services(tree, name, folder)
        include = tree.entries.get("include")
        if include is not None and isinstance(include.node, Items) and path is not None:
            self._include(include.node, path)
        self._made_in_console(tree, name)

    def note(self, file: str, where: Node | Entry, path: Where, message: str) -> None:
        """Add a problem at a node or key."""
        self.problems.add(Problem(file, where.line, where.column, dotted(path), message))

    def _tree(self, path: Path | None, name: str, at: tuple[str, Node, Where] | None = None) -> Table | None:
        """
        Return the tree of one file with its variables replaced, or `None` after reporting why there is none.

        `at` is the file, node and path that asked for it.
        """
        self.files.append(name)
        try:
            if path is None:
                raw = package_files("echod.config").joinpath("default.yaml").read_bytes()
            elif (other := self.overlay.get(name)) is not None:
                raw = other
            else:
                raw = read_bounded(path, MOST_BYTES, regular=self.again or at is not None)
        except ValueError as error:
            if at is None:
                self.problems.add(Problem(name, 1, 1, "", str(error)))
            else:
                self.note(*at, str(error))
            self.whole = False
            return None
        node = read(raw, name, self.problems)
        if node is None:
            self.whole = False
            return None
        if not isinstance(node, Table):
            self.problems.add(
                Problem(
                    name,
                    node.line,
                    node.column,
                    "",
                    "the file should hold services: and under it NAME: and settings",
                )
            )
            self.whole = False
            return None
        Substitution(name, self.environ, self.problems).run(node)
        return node

    def _made_in_console(self, tree: Table, main: str) -> None:
        """Read the services that were made in the console, which are kept one in a file."""
        console = tree.entries.get("console")
        if console is None or not isinstance(console.node, Table):
            return
        entry = console.node.entries.get("directory")
        node: Node = console.node if entry is None else entry.node
        name = Console.model_fields["directory"].default if entry is None else plain(node)
        if not isinstance(name, str) or not name or "\0" in name:
            return  # the model of the top level reports it
        folder = Path(resolved(main if main != EMBEDDED else "", name))
        at: tuple[str, Node, Where] = (main, node, ("console", "directory"))
        try:
            found = matches(folder, "*.yaml")
        except ValueError as error:
            self.note(*at, str(error))
            self.whole = False
            return
        there = {_name(each): each for each in found if self.overlay.get(_name(each), b"") is not None}
        there |= {name: Path(name) for name, raw in self.overlay.items() if raw is not None}
        self.own = frozenset(there)
        found = [there[name] for name in sorted(there)]
        known = set(self.files)
        for each in found[:MOST_FILES]:
            # An `include` may name the same directory.
            if _name(each) not in known:
                tree_of = self._tree(each, _name(each), at)
                if tree_of is not None:
                    self._take_included(tree_of, _name(each), each.parent)
        if len(found) > MOST_FILES:
            self.note(*at, f"the directory holds more than {MOST_FILES:,} files")
            self.whole = False

    def _include(self, patterns: Items, path: Path) -> None:
        """Read every file that the patterns name, each once, in name order."""
        asked: dict[Path, tuple[str, Node, Where]] = {}
        for index, item in enumerate(patterns.items):
            if not isinstance(item, Scalar) or not isinstance(item.value, str):
                continue  # the model of the top level reports it
            at: tuple[str, Node, Where] = (_name(path), item, ("include", index))
            try:
                for found in matches(path.parent, item.value):
                    asked.setdefault(found, at)
            except ValueError as error:
                self.note(*at, str(error))
                self.whole = False
            if len(asked) > MOST_FILES:
                self.note(*at, f"the patterns name more than {MOST_FILES:,} files")
                self.whole = False
                return
        for found in sorted(asked):
            if self.overlay.get(_name(found), b"") is None:
                continue  # it is to be gone
            at = asked[found]
            if _same(found, path):
                self.note(*at, f"{shown(_name(found))} is this very file: write a pattern that leaves it out")
                continue
            tree = self._tree(found, _name(found), at)
            if tree is not None:
                self._take_included(tree, _name(found), found.parent)

    def _take_included(self, tree: Table, name: str, folder: Path) -> None:
        """Check the keys of an included file and take its services."""
        for key, entry in tree.entries.items():
            if key in TOP_KEYS and key != SERVICES_KEY:
                message = "an included file holds services alone: move this to the main file"
                self.note(name, entry, (key,), message)
            elif key != SERVICES_KEY:
                message = f"{shown(key)} is no setting here: {suggestion(key, [SERVICES_KEY])}"
                self.note(name, entry, (key,), message)
        if SERVICES_KEY not in tree.entries:
            self.problems.add(Problem(name, 1, 1, SERVICES_KEY, "it is missing: an included file holds services"))
        self._take_services(tree, name, folder)

    def _take_services(self, tree: Table, file: str, folder: Path) -> None:
        """Take the services of one file."""
        entry = tree.entries.get(SERVICES_KEY)
        if entry is None:
            return
        if not isinstance(entry.node, Table):
            self.whole = False
            if not isinstance(entry.node, Scalar) or entry.node.value is not None:
                self.note(file, entry.node, (SERVICES_KEY,), "it should hold NAME: and under it settings")
            return
        for name, one in entry.node.entries.items():
            where: Where = (SERVICES_KEY, name)
            first = self.services.get(name)
            if first is not None:
                place = f"{first.file}:{first.entry.line}"
                self.note(file, one, where, f"this name is already in {place}: give one of the two another name")
            elif isinstance(one.node, Table):
                self._read_quotes(one.node, file, folder, where)
                self.services[name] = Found(file, one, one.node)
            else:
                self.whole = False
                if not isinstance(one.node, Scalar) or one.node.value is not None:
                    self.note(file, one.node, where, "it should hold settings, such as listen: and protocol:")

    def _read_quotes(self, table: Table, file: str, folder: Path, where: Where) -> None:
        """Put the quotes of a file in the place of its name."""
        entry = table.entries.get("quotes")
        if entry is None or not isinstance(entry.node, Scalar) or not isinstance(entry.node.value, str):
            return
        node = entry.node
        path = folder / str(node.value)
        try:
            quotes = _quotes(path)
        except ValueError as error:
            self.note(file, node, (*where, "quotes"), str(error))
            node.value = None
            return
        self.files.append(_name(path))
        items: list[Node] = [Scalar(quote, node.line, node.column) for quote in quotes]
        entry.node = Items(node.line, node.column, items)


def _same(one: Path, other: Path) -> bool:
    """Tell whether two paths lead to one file; what cannot be looked at is reported when it is read."""
    try:
        return one.samefile(other)
    except OSError:
        return False


def _name(path: Path) -> str:
    """Return the name of a file for problems; bytes of it that are not UTF-8 are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _quotes(path: Path) -> list[bytes]:
    """Return the quotes in a file; `ValueError` has the sentence when there are none."""
    if "\0" in str(path):
        raise ValueError(f"{shown(str(path))} names no file: write a list, or the name of a file with quotes")
    raw = read_bounded(path, MOST_BYTES, regular=True)
    if len(raw) > MOST_BYTES:
        raise ValueError(f"{shown(str(path))} has more than 1 MiB: quotes are read whole")
    quotes = split_quotes(raw)
    if len(quotes) > MOST_QUOTES:
        raise ValueError(f"{shown(str(path))} holds more than {MOST_QUOTES:,} quotes")
    if not quotes:
        raise ValueError(f"{shown(str(path))} holds no quotes: write one in each paragraph")
    return quotes
