"""
Man pages: text with a little markup becomes roff with the macros of man(7). Pure.

In a text, `code` stands between backquotes and is bold, what the reader replaces stands between asterisks and is
italic. Everything else is literal, whatever roff would make of it.
"""

from __future__ import annotations

import re
from inspect import cleandoc

_TOKEN = re.compile(r"`([^`]+)`|\*([A-Za-z][A-Za-z0-9_ .-]*)\*")
# One sentence a line: roff then knows where one ends, and a change of one is a change of one line.
_SENTENCE = re.compile(r"(?<=[A-Za-z0-9`*)\"]\.) +(?=[A-Z`*\"(])")
_ANYWHERE = {"\\": r"\(rs", "~": r"\(ti", "^": r"\(ha"}
# Prose has hyphens and apostrophes; code has the characters of ASCII, to be copied.
_IN_CODE = {**_ANYWHERE, "-": r"\-", "'": r"\(aq", "`": r"\(ga"}


def prose(text: str) -> str:
    """Return text with markup as roff, one sentence a line."""
    return "\n".join(_guarded(_marked(line)) for line in _SENTENCE.split(text))


def code(text: str) -> str:
    """Return literal text as roff; its lines stay lines."""
    return "\n".join(_guarded(_escaped(line, _IN_CODE)) for line in text.splitlines())


class Page:
    """
    One page.

    :param name: of what the page is about.
    :param section: of the manual: 1 commands, 5 files, 8 daemons.
    :param what: follows the name in the lists of whatis(1): no capital, no full stop.
    :param version: of the program, for the foot.
    """

    def __init__(self, name: str, section: int, what: str, version: str) -> None:
        self.name = name
        self.section = section
        # No date: it would differ from one making to the next, while the text does not.
        self._lines = [
            r".\" Made by python -m echod.manual: change what it is made from, not this.",
            f'.TH {_argument(name.upper())} {section} "" {_argument(f"echod {version}")} "echod manual"',
            # Whoever searches a page or copies from it wants whole words: no hyphens at line ends, nor after an
            # example, which sets them to what the register says (an-ext.tmac).
            ".nh",
            ".nr HY 0",
            ".ad l",
        ]
        self.heading("NAME")
        self._lines.append(f"{_escaped(name, _ANYWHERE)} \\- {prose(what)}")

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name}.{self.section}"

    def heading(self, title: str) -> None:
        """Begin a section."""
        self._lines.append(f".SH {_argument(title)}")

    def subheading(self, title: str) -> None:
        """Begin a part of a section."""
        self._lines.append(f".SS {_argument(title)}")

    def text(self, text: str) -> None:
        """Add paragraphs; an empty line is between two of them. One whose lines are all indented is literal."""
        for block in re.split(r"\n(?: *\n)+", cleandoc(text)):
            lines = block.splitlines()
            if all(line.startswith("    ") for line in lines):
                self.example("\n".join(line[4:] for line in lines))
            else:
                self._paragraph()
                self._lines.append(prose(" ".join(lines)))

    def item(self, tag: str, text: str) -> None:
        """Add something with a name, and a paragraph of what is to be said of it."""
        self._lines += [".TP", _guarded(_marked(tag)), prose(" ".join(cleandoc(text).splitlines()))]

    def example(self, text: str) -> None:
        """Add literal lines."""
        self._paragraph()
        self._lines += [".RS 4", ".EX", code(text), ".EE", ".RE"]

    def _paragraph(self) -> None:
        """Begin a paragraph, unless a heading has just done so."""
        if not self._lines[-1].startswith((".SH", ".SS")):
            self._lines.append(".PP")

    def __str__(self) -> str:
        return "\n".join(self._lines) + "\n"


def _marked(text: str) -> str:
    """Return a text with its markup replaced."""
    made = ""
    start = 0
    for found in _TOKEN.finditer(text):
        made += _escaped(text[start : found.start()], _ANYWHERE)
        made += rf"\fB{_escaped(found[1], _IN_CODE)}\fR" if found[1] else rf"\fI{_escaped(found[2], _IN_CODE)}\fR"
        start = found.end()
    return made + _escaped(text[start:], _ANYWHERE)


def _escaped(text: str, table: dict[str, str]) -> str:
    """Return text in which nothing is an order to roff, and which is ASCII (groff_char(7))."""
    return "".join(table.get(char, char if char.isascii() else rf"\[u{ord(char):04X}]") for char in text)


def _guarded(line: str) -> str:
    """Return a line that is no request, whatever it begins with."""
    return rf"\&{line}" if line.startswith((".", "'")) else line


def _argument(text: str) -> str:
    """Return one argument of a macro."""
    escaped = _escaped(text, _IN_CODE).replace('"', r"\(dq")
    return f'"{escaped}"' if " " in text else escaped
