"""
YAML bytes become a tree with places, or problems.

PyYAML's composer and constructor are not used: they recurse (the C one to a segmentation fault), expand merge
keys exponentially and let the last of two equal keys win. We take the parser's events, count as we go, and
build `echod.config.nodes` ourselves.
"""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING, Any

import yaml

from echod.config.problems import shown
from echod.config.tree import Builder, StopReading

if TYPE_CHECKING:
    from collections.abc import Generator

    from echod.config.nodes import Node
    from echod.config.problems import ProblemList

MOST_BYTES = 1024 * 1024
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# As YAML's own production [1] c-printable; a byte order mark inside the file is printable and never meant.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_DIRECTIVE = re.compile("^%", re.MULTILINE)
# libyaml's words first, PyYAML's own second; both start with the part that matters.
_SENTENCES = (
    (
        "mapping values are not allowed",
        'a ":" followed by a space cannot stand here: put the text in quotes, or check the indentation',
    ),
    (
        "found character",
        "a text cannot begin with this character: put it in quotes (and indent with spaces, not tabs)",
    ),
    ("found a tab character", "indent with spaces, not with tabs"),
    ("could not find expected ':'", 'a key without a ":" after it: write "key: value"'),
    ("found unexpected end of stream", "the file ends inside a quoted text: close the quotes"),
    (
        "found unknown escape character",
        "this escape is not known: write \\\\ for a backslash, or use single quotes",
    ),
    (
        "did not find expected key",
        "the line does not fit the ones above: check the indentation and the quotes",
    ),
    ("expected <block end>", "the line does not fit the ones above: check the indentation and the quotes"),
    ("undefined alias", "aliases (*name) are not used here: write the value out"),
)


def read(raw: bytes, file: str, problems: ProblemList, loader: Any = LOADER) -> Node | None:
    """
    Return the tree of one YAML document in UTF-8, or `None` after adding what is wrong to `problems`.

    `file` is the name to use in problems; `loader` is a PyYAML loader class, of which only the parser is
    used.
    """
    before = len(problems)
    builder = Builder(file, problems)
    try:
        text = _decode(raw, builder)
        with closing(_events(text, loader, builder)) as events:
            for event in events:
                builder.take(event)
    except StopReading:
        return None
    if len(problems) > before:
        return None
    return builder.root


def _decode(raw: bytes, builder: Builder) -> str:
    """Return the text in `raw`, made sure to be of sane size and all printable."""
    if len(raw) > MOST_BYTES:
        builder.stop(1, 1, f"the file has {len(raw):,} bytes; at most 1 MiB is read: split it with include")
    try:
        text = raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line, column = _place(raw[: error.start].decode("utf-8").removeprefix("\ufeff"))
        builder.stop(line, column, f"the byte 0x{raw[error.start]:02x} is not UTF-8: save the file as UTF-8")
    found = _UNPRINTABLE.search(text)
    if found:
        where = _place(text[: found.start()])
        builder.stop(
            *where,
            f"the character U+{ord(found[0]):04X} cannot be printed: write it as an escape in double quotes",
        )
    # libyaml compares every %TAG with all before it: a file of them would take minutes.
    found = _DIRECTIVE.search(text)
    if found:
        where = _place(text[: found.start()])
        builder.stop(*where, "a line may not begin with %: directives are not used here, and a text can be indented")
    return text


def _place(before: str) -> tuple[int, int]:
    """Line and column of the character after `before`, by the line breaks that YAML 1.1 knows."""
    breaks = list(_BREAK.finditer(before))
    return len(breaks) + 1, len(before) - (breaks[-1].end() if breaks else 0) + 1


def _events(text: str, loader: Any, builder: Builder) -> Generator[Any, None, None]:
    """Return the parser's events; whatever it may throw stops the file with a problem."""
    try:
        yield from yaml.parse(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or "something cannot be read"
        sentence = next((good for start, good in _SENTENCES if problem.startswith(start)), None)
        where = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        builder.stop(*where, sentence or f"this is not YAML: {_escape_free(problem)}")
    except yaml.YAMLError as error:
        builder.stop(1, 1, f"this is not YAML: {_escape_free(str(error))}")
    except (ValueError, OverflowError):
        # The Python parser calls chr() with what stands in "\UFFFFFFFF".
        builder.stop(1, 1, 'an escape such as "\\UFFFFFFFF" names no character')


def _escape_free(words: str) -> str:
    """Return the parser's own words, on one line and bounded."""
    return shown(words)[1:-1]
