"""The parser's events, one at a time, become a tree; depth and size are bounded on the way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from yaml import events as ev

from echod.config.nodes import Ambiguous, Entry, Items, Scalar, Table
from echod.config.problems import Problem, dotted, shown
from echod.config.scalars import resolve, tagged

if TYPE_CHECKING:
    from echod.config.nodes import Node, Value
    from echod.config.problems import ProblemList

MOST_DEPTH = 20
# A value costs up to 50 microseconds on its way to a setting, and a second is the longest anyone should wait.
MOST_NODES = 10_000
_NO_KEYS = {
    "<<": "merge keys (<<) are not used here: write the settings out, or put them under defaults",
    "": "a key is missing before the colon",
}
_SURROGATE = re.compile("[\ud800-\udfff]")
_COLLECTION_TAGS = {
    ev.SequenceStartEvent: "tag:yaml.org,2002:seq",
    ev.MappingStartEvent: "tag:yaml.org,2002:map",
}


class StopReading(Exception):  # noqa: N818 - control flow between the reader and the tree
    """The rest of this file cannot be read."""


@dataclass(slots=True)
class _Frame:
    """A collection that is being read, and the key that waits for its value."""

    node: Table | Items
    key: str | None = None
    key_line: int = 0
    key_column: int = 0
    # A duplicate key's value is read, so that problems in it are found, and then dropped.
    dropped: bool = False


class Builder:
    """Takes events, one at a time, and grows the tree; depth and size are bounded on the way."""

    def __init__(self, file: str, problems: ProblemList) -> None:
        self._file = file
        self._problems = problems
        self._frames: list[_Frame] = []
        self._documents = 0
        self._nodes = 0
        self.root: Node | None = None

    def note(self, line: int, column: int, message: str) -> None:
        """Add a problem at the place that is being read."""
        parts: list[str | int] = []
        for frame in self._frames:
            if isinstance(frame.node, Items):
                parts.append(len(frame.node.items))
            elif frame.key is not None:
                parts.append(frame.key)
        self._problems.add(Problem(self._file, line, column, dotted(parts), message))

    def stop(self, line: int, column: int, message: str) -> NoReturn:
        """Add a problem after which nothing sensible can be read."""
        self.note(line, column, message)
        raise StopReading

    def take(self, event: Any) -> None:
        """Grow the tree by one event."""
        kind = type(event)
        if kind is ev.ScalarEvent:
            self._scalar(event)
        elif kind in _COLLECTION_TAGS:
            self._open(event)
        elif kind is ev.MappingEndEvent or kind is ev.SequenceEndEvent:
            node = self._frames.pop().node
            if self._frames and isinstance(self._frames[-1].node, Items):
                self._frames[-1].node.items.append(node)
            self._close()
        elif kind is ev.DocumentStartEvent:
            self._documents += 1
            if self._documents > 1:
                self.stop(*_at(event), "a second document begins here: one file holds one document")
        elif kind is ev.AliasEvent:
            self.stop(*_at(event), f"aliases ({shown('*' + event.anchor)}) are not used here: write the value out")
        elif kind is ev.StreamEndEvent and (self.root is None or _empty(self.root)):
            self.stop(1, 1, "the file is empty: it should hold services:")

    def _count(self, event: Any) -> None:
        """One more node; an anchor on it is a problem."""
        self._nodes += 1
        if self._nodes > MOST_NODES:
            self.stop(*_at(event), f"the file holds more than {MOST_NODES:,} values: split it with include")
        if event.anchor is not None:
            self.note(*_at(event), f"anchors ({shown('&' + event.anchor)}) are not used here: remove it")

    def _open(self, event: Any) -> None:
        """Return a mapping or sequence begins."""
        self._count(event)
        if self._wants_key():
            self.stop(*_at(event), "a key must be a text, not a list or mapping")
        if len(self._frames) >= MOST_DEPTH:
            self.stop(*_at(event), f"more than {MOST_DEPTH} levels of nesting: no setting is that deep")
        if event.tag not in (None, _COLLECTION_TAGS[type(event)]):
            self.note(*_at(event), f"the tag {shown(event.tag)} is not known here: remove it")
        node: Table | Items = (Table if type(event) is ev.MappingStartEvent else Items)(*_at(event))
        self._attach(node)
        self._frames.append(_Frame(node))

    def _scalar(self, event: Any) -> None:
        """Return a scalar: a key if a mapping waits for one, and a value otherwise."""
        self._count(event)
        if self._wants_key():
            self._key(event)
            return
        line, column = _at(event)
        frame = self._frames[-1] if self._frames else None
        if not event.value and not event.style and frame is not None and frame.key is not None:
            # Nothing was written; the key is what the reader can see.
            line, column = frame.key_line, frame.key_column
        try:
            value = _value(event)
        except ValueError as error:
            self.note(line, column, str(error))
            value = None
        self._attach(Scalar(value, line, column))
        self._close()

    def _key(self, event: Any) -> None:
        """Return the next key of the innermost mapping."""
        line, column = _at(event)
        name: str = event.value
        sentence = _wrong_key(event)
        if sentence:
            self.note(line, column, sentence)
        frame = self._frames[-1]
        assert isinstance(frame.node, Table)
        first = frame.node.entries.get(name)
        if first is not None:
            self.note(line, column, f"the key {shown(name)} is already in line {first.line}: keep one of the two")
        frame.key, frame.key_line, frame.key_column, frame.dropped = name, line, column, first is not None

    def _wants_key(self) -> bool:
        """Whether the next node is a key."""
        return bool(self._frames) and self._frames[-1].key is None and isinstance(self._frames[-1].node, Table)

    def _attach(self, node: Node) -> None:
        """Put `node` where the tree is growing."""
        if not self._frames:
            self.root = node
            return
        frame = self._frames[-1]
        if isinstance(frame.node, Table):
            if not frame.dropped and frame.key is not None:
                frame.node.entries[frame.key] = Entry(frame.key_line, frame.key_column, node)
        elif isinstance(node, Scalar):
            # A collection is appended when it ends, so that problems inside it count the right index.
            frame.node.items.append(node)

    def _close(self) -> None:
        """Return the value of the innermost mapping's key is complete."""
        if self._frames:
            self._frames[-1].key = None


def _at(event: Any) -> tuple[int, int]:
    """Where `event` begins, both from 1."""
    return event.start_mark.line + 1, event.start_mark.column + 1


def _empty(node: Node) -> bool:
    """Whether nothing at all was written."""
    return isinstance(node, Scalar) and node.value is None


def _value(event: Any) -> Value:
    """Return what a scalar event means; `ValueError` with a sentence if it must not be used."""
    text: str = event.value
    if not text.isascii() and _SURROGATE.search(text):
        raise ValueError("half a surrogate pair is no character: write the character itself")
    if event.tag is not None:
        return tagged(event.tag, text)
    return text if event.style else resolve(text)


def _wrong_key(event: Any) -> str | None:
    """Return why this scalar cannot be a key, or `None`."""
    name: str = event.value
    if event.tag is not None:
        return None if event.tag == "tag:yaml.org,2002:str" else "a key must be a text without a tag"
    if event.style:
        return None
    if name in _NO_KEYS:
        return _NO_KEYS[name]
    try:
        value = resolve(name)
    except ValueError as error:
        return str(error)
    if isinstance(value, Ambiguous):
        return f'the key {name} without quotes means true or false to some readers: write "{name}" in quotes'
    return None if isinstance(value, str) else f'the key {name} is not a text: write "{name}" in quotes'
