r"""
The conditions of a rule: which messages it answers.

All compare bytes; a text in the file is its UTF-8. Regular expressions are RE2's (https://github.com/google/re2),
which needs time linear in the message and in the pattern: it has no look-around and no back-references. Here `.` and
`\w` mean single bytes. As even linear time is long for a huge pattern on a long message, their product is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import re2  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Mapping

PATTERN_LIMIT = 1_000
"""Characters that a pattern may have."""

PATTERN_BUDGET = 80 * 65_536
"""Largest product of a pattern's RE2 instructions and the bytes of a message: about 0.1 s where RE2 is slowest."""

_PATTERN_MEMORY = 8 << 20
"""Bytes that RE2 may use for one pattern before it falls back to its slower, smaller engine."""


class PatternError(ValueError):
    """The regular expression cannot be used; the message says why."""


class When(Protocol):
    """A condition."""

    @property
    def example(self) -> bytes | None:
        """A message that fulfils it, with which a client can prove the rule; None when none can be derived."""

    def match(self, message: bytes) -> Mapping[str, bytes] | None:
        """Return the groups that it found, by name and number, or None when the message does not fulfil it."""

    def describe(self) -> str:
        """Name it in a report."""


_NO_GROUPS: Mapping[str, bytes] = {}


@dataclass(frozen=True, slots=True)
class Compares:
    """`equals`, `prefix`, `suffix` or `contains` (the `how`), compared with `text`."""

    how: str
    text: bytes

    @property
    def example(self) -> bytes | None:
        """The text itself fulfils all four."""
        return self.text

    def match(self, message: bytes) -> Mapping[str, bytes] | None:
        """Compare."""
        if self.how == "equals":
            found = message == self.text
        elif self.how == "prefix":
            found = message.startswith(self.text)
        elif self.how == "suffix":
            found = message.endswith(self.text)
        else:
            found = self.text in message
        return _NO_GROUPS if found else None

    def describe(self) -> str:
        """Name it as the file does."""
        return f"{self.how} {self.text!r}"


@dataclass(frozen=True, slots=True)
class HasLength:
    """The message has exactly `length` bytes."""

    length: int

    @property
    def example(self) -> bytes | None:
        """As many zeros, written as text."""
        return b"0" * self.length

    def match(self, message: bytes) -> Mapping[str, bytes] | None:
        """Compare the length."""
        return _NO_GROUPS if len(message) == self.length else None

    def describe(self) -> str:
        """Name it as the file does."""
        return f"length {self.length}"


class Regex:
    """
    The message contains what the pattern describes; `^` and `$` bind it to the ends.

    :raises PatternError: the pattern is too long, or RE2 does not take it.
    """

    example = None

    def __init__(self, pattern: str) -> None:
        if len(pattern) > PATTERN_LIMIT:
            raise PatternError(f"is {len(pattern)} characters long; at most {PATTERN_LIMIT} are taken")
        options = re2.Options()
        options.log_errors = False
        options.max_mem = _PATTERN_MEMORY
        # RE2 then reads pattern and message byte by byte. As UTF-8, `.` would not match what is none.
        options.encoding = re2.Options.Encoding.LATIN1
        try:
            compiled: Any = re2.compile(pattern.encode(), options=options)
        except re2.error as problem:
            reason = problem.args[0]
            said = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
            raise PatternError(
                f"is no regular expression that can be used: {said} (RE2 has no look-around and no back-references)"
            ) from problem
        self.pattern = pattern
        self._search = compiled.search
        names = {index: name.decode() for name, index in compiled.groupindex.items()}
        self._names = [(index, names.get(index)) for index in range(compiled.groups + 1)]

        self._instructions: int = compiled.programsize

    @property
    def longest(self) -> int:
        """The longest message in bytes which this pattern searches within `PATTERN_BUDGET`."""
        return PATTERN_BUDGET // self._instructions

    @property
    def groups(self) -> frozenset[str]:
        """The names and numbers a reply may use; `0` is the whole match."""
        return frozenset(str(i) for i, _ in self._names) | {name for _, name in self._names if name}

    def match(self, message: bytes) -> Mapping[str, bytes] | None:
        """Search the message. A group that took no part is empty."""
        found = self._search(message)
        if found is None:
            return None
        values: dict[str, bytes] = {}
        for index, name in self._names:
            value = found.group(index) or b""
            values[str(index)] = value
            if name is not None:
                values[name] = value
        return values

    def describe(self) -> str:
        """Name it as the file does."""
        return f"regex {self.pattern}"
