"""The tree that a YAML file becomes: what was written, and in which line and column (both from 1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias


class Ambiguous(str):
    """
    A plain `yes`, `no`, `on`, `off`, `y` or `n`.

    YAML 1.1 readers take it for a boolean and YAML 1.2 readers for a text. A setting that has such a word in
    its own vocabulary (`proxy_protocol: off`) takes it; every other setting refuses it.
    """

    __slots__ = ()


class Substituted(str):
    """A text in which `${NAME}` was replaced; number settings take digits in it, as it is never YAML."""

    __slots__ = ()


Value: TypeAlias = "str | int | float | bool | bytes | None"


class Exact(bytes):
    """Bytes written as `!!binary` or `{hex: ...}`: they are sent as they are, and hold no variables."""


@dataclass(slots=True)
class Scalar:
    """One value; `None` when there is none or when its problem is already reported."""

    value: Value
    line: int
    column: int


@dataclass(slots=True)
class Items:
    """A sequence."""

    line: int
    column: int
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Entry:
    """A key of a mapping, with the key's own place, and what it holds."""

    line: int
    column: int
    node: Node


@dataclass(slots=True)
class Table:
    """A mapping; keys are texts, in the order of the file."""

    line: int
    column: int
    entries: dict[str, Entry] = field(default_factory=dict)


Node: TypeAlias = "Scalar | Items | Table"


def plain(node: Node) -> Any:
    """Return the tree under `node` as dicts, lists and values. At most as deep as the reader allows."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Items):
        return [plain(item) for item in node.items]
    return {key: plain(entry.node) for key, entry in node.entries.items()}
