"""Tables in Markdown, and their places in README.md. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Row = tuple[str, ...]


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a `|` in a cell is escaped, code between backquotes stays as it is."""
    lines = [
        _line(heading),
        "|" + "---|" * len(heading),
        *(_line([cell.replace("|", "\\|") for cell in row]) for row in rows),
    ]
    return "\n".join(lines) + "\n"


def renewed(text: str, tables: Mapping[str, str]) -> str:
    """
    Return a document with other tables in it.

    :param tables: by the heading line, as `### Every setting`, under which each is the first table.
    :raises ValueError: there is no such heading, or no table under it.
    """
    lines = text.splitlines(keepends=True)
    for heading, made in tables.items():
        begin, end = _place(lines, heading)
        lines[begin:end] = made.splitlines(keepends=True)
    return "".join(lines)


def _place(lines: Sequence[str], heading: str) -> tuple[int, int]:
    """Return the first line of the table under a heading, and the line after its last."""
    try:
        under = lines.index(f"{heading}\n") + 1
    except ValueError:
        raise ValueError(f"there is no line {heading!r}") from None
    begin = under
    while begin < len(lines) and not lines[begin].startswith("|"):
        if lines[begin].startswith("#"):
            break
        begin += 1
    end = begin
    while end < len(lines) and lines[end].startswith("|"):
        end += 1
    if begin == end:
        raise ValueError(f"there is no table under {heading!r}")
    return begin, end


def _line(cells: Iterable[str]) -> str:
    return "".join(f"| {cell} " if cell else "| " for cell in cells) + "|"
