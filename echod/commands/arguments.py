"""What the words on the command line mean. Pure; every fault is a `ValueError` whose message is a sentence."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from echod import framing

if TYPE_CHECKING:
    from collections.abc import Callable

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)(ms|s|m|h)?", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_MOST_SECONDS = 86_400.0
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|.|$)", re.DOTALL)
_ESCAPED = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}
_WORDS: dict[str, Callable[[], framing.Framing]] = {
    "stream": framing.Stream,
    "line": framing.Delimited,
    "netstring": framing.Netstring,
    "int8": lambda: framing.Prefixed(1),
    "int16": lambda: framing.Prefixed(2),
    "int32": lambda: framing.Prefixed(4),
}
FRAMINGS = (*_WORDS, "delimiter:TEXT", "fixed:N")
"""What `--framing` takes."""


def seconds(text: str) -> float:
    """Return a time in seconds, as in the file: `2`, `0.5`, `500ms`, `10s`, `1m`; more than 0, at most a day."""
    found = _DURATION.fullmatch(text)
    number = float(found[1]) * _SECONDS[found[2] or "s"] if found else math.nan
    if not 0 < number <= _MOST_SECONDS:
        raise ValueError(f"{text!r} is no time between 0 and a day: write seconds, as 2 or 0.5, or 500ms")
    return number


def whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from `lowest` to `highest`."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 20 and lowest <= int(text) <= highest):
            raise ValueError(f"{text!r} is not a whole number from {lowest} to {highest:,}")
        return int(text)

    return read


def framing_named(text: str) -> framing.Framing:
    r"""Return the framing of `--framing`: a word, `delimiter:TEXT` (`\r`, `\n`, `\t`, `\0`, `\xHH`) or `fixed:N`."""
    if text in _WORDS:
        return _WORDS[text]()
    kind, colon, detail = text.partition(":")
    if kind == "delimiter" and detail:
        return framing.Delimited(_unescaped(detail))
    if kind == "fixed" and colon:
        return framing.Fixed(whole_number(1, 1 << 30)(detail))
    raise ValueError(rf"{text!r} is no framing: write one of {', '.join(FRAMINGS)}, as in 'delimiter:\r\n'")


def message_bytes(text: str) -> bytes:
    """Return a message given on the command line as UTF-8; bytes that were no text when they were given are kept."""
    return text.encode("utf-8", "surrogateescape")


def hex_bytes(text: str) -> bytes:
    """Return the bytes of pairs of hex digits; white space between the pairs does not count."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        shown = text if len(text) <= 60 else text[:60] + "…"
        raise ValueError(f"{shown!r} is not hexadecimal: write pairs of digits, as in '00 01 ff'") from None


def _unescaped(text: str) -> bytes:
    """Replace the escapes that a shell's quotes leave alone."""
    made = b""
    start = 0
    for found in _ESCAPE.finditer(text):
        made += message_bytes(text[start : found.start()])
        what = found[1]
        if len(what) == 3:
            made += bytes.fromhex(what[1:])
        elif what in _ESCAPED:
            made += _ESCAPED[what]
        else:
            raise ValueError(rf"'\{what}' is no escape: write \r, \n, \t, \0, \xHH or \\")
        start = found.end()
    return made + message_bytes(text[start:])
