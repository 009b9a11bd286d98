"""
The table of settings in README.md is the models'.

Run as a program, this prints the table as it should be.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic.fields import FieldInfo

from echod.config import Framing, Limits, QotdService, ReplyService, Rule, Service, TopLevel, When

if TYPE_CHECKING:
    from pydantic import BaseModel

README = Path(__file__).parents[1] / "README.md"
HEADING = "### Every setting"
Row = tuple[str, str, str]

# Where one of several is needed, no single field can be called required.
_NEEDED = {"quotes": "needed by `qotd`", "reply": "this or `rules`", "rules": "this or `reply`"}


def rows() -> Iterator[Row]:
    """Yield setting, default and meaning of every field, as they stand in the table."""
    top = TopLevel.model_fields
    yield "`services`", "needed", "The services, by their names."
    for key, info in top.items():
        yield f"`{key}`", "`{}`" if key == "defaults" else _default(info), _meaning(info)
    fields: dict[str, FieldInfo] = {}
    for model in (Service, ReplyService, QotdService):
        for key, info in model.model_fields.items():
            fields.setdefault(key, info)
    del fields["name"]
    for key in ("listen", "protocol", *sorted(set(fields) - {"listen", "protocol"})):
        info = fields[key]
        if key == "limits":
            for inner, limit in Limits.model_fields.items():
                yield f"`limits.{inner}`", _limit(inner, limit), _meaning(limit)
            continue
        yield f"`{key}`", _NEEDED.get(key) or _default(info), _meaning(info)
        inner_models: tuple[tuple[str, type[BaseModel]], ...] = (("rules[].", Rule), ("rules[].when.", When))
        if key == "rules":
            for prefix, inside in inner_models:
                for inner, part in inside.model_fields.items():
                    yield f"`{prefix}{inner}`", _default(part), _meaning(part)


def _meaning(info: FieldInfo) -> str:
    """Return the description, fit for a cell."""
    assert info.description
    return info.description.replace("|", "\\|")


def _default(info: FieldInfo) -> str:
    """Return the default as the file writes it."""
    value: Any = info.default
    if info.is_required():
        return "needed"
    if value is None:
        return "none"
    if isinstance(value, Framing):
        return f"`{value.kind}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        assert not value
        return "`[]`"
    return f"`{value}`" if value != "" else '`""`'


def _limit(key: str, info: FieldInfo) -> str:
    """Return a limit's default with its unit."""
    value = info.default
    if isinstance(value, float):
        return f"`{value:g}s`" if value else "`0`"
    return f"`{value // 1024}KiB`" if key in ("buffer", "frame") else f"`{value}`"


def table() -> str:
    """Return the table as Markdown."""
    lines = [
        "| setting | default | meaning |",
        "|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows()),
    ]
    return "\n".join(lines) + "\n"


def written() -> list[Row]:
    """Return the rows that README.md has under the heading."""
    _, _, after = README.read_text(encoding="utf-8").partition(f"\n{HEADING}\n")
    found: list[Row] = []
    for line in after.splitlines():
        if line.startswith("#"):
            break
        if line.startswith("|"):
            setting, default, meaning = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
            found.append((setting, default, meaning))
    return found[2:]


def test_the_table_is_complete() -> None:
    """Every setting is in the table once, with its default, and nothing else is."""
    assert [row[:2] for row in written()] == [row[:2] for row in rows()]


def test_the_table_says_what_the_model_says() -> None:
    """The meanings are the fields' descriptions."""
    assert [row[2] for row in written()] == [row[2] for row in rows()]


if __name__ == "__main__":
    print(table(), end="")
