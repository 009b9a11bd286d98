"""What the answers know about replies and patterns, asked while a file is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from echod.answers.template import Template, TemplateError
from echod.answers.when import PatternError, Regex

if TYPE_CHECKING:
    from collections.abc import Collection


class PatternReport(NamedTuple):
    """
    What is known about a regular expression.

    `problem` is a sentence or `None`; `groups` are the names and numbers (as text) that a reply may use, `longest` the
    longest message in bytes that may be searched with it. After a problem they are `None`, so that no name is called
    wrong for want of the pattern.
    """

    problem: str | None
    groups: Collection[str] | None = None
    longest: int | None = None


def check_template(raw: bytes, groups: Collection[str] | None) -> str | None:
    """Return what is wrong with the reply `raw`, or `None`; `groups` as in `PatternReport`."""
    if groups is None:
        return None
    try:
        Template.parse(raw, groups)
    except TemplateError as problem:
        return str(problem)
    return None


def check_pattern(pattern: str) -> PatternReport:
    """Whether `pattern` is a regular expression that the answers can use, and what groups it has."""
    try:
        regex = Regex(pattern)
    except PatternError as problem:
        return PatternReport(str(problem))
    return PatternReport(None, regex.groups, regex.longest)
