"""
What the answers know about replies and patterns, asked while a file is read.

The room of the answers replaces these two; until it does, every template and pattern is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection


class PatternReport(NamedTuple):
    """
    What is known about a regular expression.

    `problem` is a sentence or `None`; `groups` are the names and numbers (as text) that a reply may use, or
    `None` when that is not known, so that no name can be called wrong.
    """

    problem: str | None
    groups: Collection[str] | None


def check_template(raw: bytes, groups: Collection[str] | None) -> str | None:
    """Return what is wrong with the reply `raw`, or `None`; `groups` as in `PatternReport`."""
    del raw, groups
    return None


def check_pattern(pattern: str) -> PatternReport:
    """Whether `pattern` is a regular expression that the answers can use, and what groups it has."""
    del pattern
    return PatternReport(None, None)
