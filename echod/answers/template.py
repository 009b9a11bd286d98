"""
Replies with variables in them: `250 hello {1}, you are {peer.host}`.

A variable is `{name}`; `{{` and `}}` are braces. Nothing is evaluated: there are no format specifications and no
attributes, only the names of `VARIABLES` and the groups of the rule's regular expression. Text is UTF-8.

The client cannot know every variable's value (the server's clock, say), so a template also makes a `TemplateMatcher`
which knows what such a value looks like.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from echod.answers.exam import Match

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# An address, or the path of a Unix socket, which begins with NUL when it is abstract.
_HOST = rb"\x00?[^\x00-\x1f\x7f]*"

VARIABLES: Mapping[str, bytes] = {
    "message": rb"",
    "peer.host": _HOST,
    "peer.port": rb"\d{1,5}",
    "local.host": _HOST,
    "local.port": rb"\d{1,5}",
    "service": rb"[0-9A-Za-z_.-]+",
    "count": rb"\d+",
    "time": rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z",
    "uuid": rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "hostname": rb"[0-9A-Za-z_.-]+",
}
"""Every variable's name, and a pattern of its value for the client; `message` the client knows itself."""

_TOKEN = re.compile(rb"\{\{|\}\}|\{([^{}]*)\}|\{|[^{}]+|\}")


class TemplateError(ValueError):
    """The text cannot be read as a template; the message says why and what would be right."""


@dataclass(frozen=True, slots=True)
class Template:
    """A reply, parsed: literal bytes and the names of variables in turn."""

    parts: tuple[bytes | str, ...]

    @classmethod
    def literal(cls, data: bytes) -> Template:
        """Make a template of exactly these bytes, braces and all."""
        return cls((data,))

    @classmethod
    def parse(cls, text: bytes, groups: Collection[str] = ()) -> Template:
        """
        Read the variables in a text.

        :param groups: names and numbers of the groups that the rule's regular expression has.
        :raises TemplateError: at a name that is not known, or an opened brace that is never closed.
        """
        parts: list[bytes | str] = []
        for token in _TOKEN.finditer(text):
            word = token.group()
            if word in (b"{{", b"}}"):
                parts.append(word[:1])
            elif word == b"{":
                raise TemplateError("has a { without its }; a variable is {name}, and {{ is a brace")
            elif token.group(1) is not None:
                parts.append(_known(token.group(1).decode("utf-8", "replace"), groups))
            else:
                parts.append(word)
        return cls(_joined(parts))

    @property
    def names(self) -> frozenset[str]:
        """The variables that this template uses."""
        return frozenset(part for part in self.parts if isinstance(part, str))

    def render(self, values: Mapping[str, bytes]) -> bytes:
        """Put the values in; `values` must have every one of `names`."""
        return b"".join([part if isinstance(part, bytes) else values[part] for part in self.parts])

    def matcher(self, known: Mapping[str, bytes]) -> TemplateMatcher:
        """Make the client's judge: `known` gives the variables whose values the client knows."""
        pieces = []
        for part in self.parts:
            if isinstance(part, bytes):
                pieces.append(re.escape(part))
            elif part in known:
                pieces.append(re.escape(known[part]))
            else:
                pieces.append(VARIABLES[part])
        first = self.parts[0] if self.parts else b""
        head = first if isinstance(first, bytes) else known.get(first, b"")
        shown = b"".join([p if isinstance(p, bytes) else b"{" + p.encode() + b"}" for p in self.parts])
        return TemplateMatcher(re.compile(b"".join(pieces), re.DOTALL), head, shown)


@dataclass(frozen=True, slots=True)
class TemplateMatcher:
    """Knows the right reply up to the values that only the server knows; `head` is its certain beginning."""

    pattern: re.Pattern[bytes]
    head: bytes
    shown: bytes

    def match(self, heard: bytes) -> Match:
        """Compare the whole; an answer not yet whole is told from a wrong one by its beginning only."""
        if self.pattern.fullmatch(heard):
            return Match.YES
        agrees = heard.startswith(self.head) or self.head.startswith(heard)
        return Match.PARTIAL if agrees else Match.NO

    def describe(self) -> str:
        """Name the reply as the file has it."""
        return repr(self.shown)[1:]


def _known(name: str, groups: Collection[str]) -> str:
    """Return the name if a reply may use it."""
    if name in VARIABLES or name in groups:
        return name
    if name.isdigit():
        has = f"has {sum(g.isdigit() for g in groups) - 1} groups" if groups else "has no regex"
        raise TemplateError(f"uses the group {{{name}}}, but its rule {has}")
    names = ", ".join(sorted({*VARIABLES, *(g for g in groups if not g.isdigit())}))
    raise TemplateError(f"uses the unknown variable {{{name[:40]}}}; known are {names}; a brace itself is {{{{")


def _joined(parts: list[bytes | str]) -> tuple[bytes | str, ...]:
    """Join neighbouring literals, so that a template without variables is one of them."""
    out: list[bytes | str] = []
    for part in parts:
        if out and isinstance(part, bytes) and isinstance(out[-1], bytes):
            out[-1] += part
        else:
            out.append(part)
    return tuple(out)
