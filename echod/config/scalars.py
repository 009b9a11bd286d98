"""
What a plain or tagged YAML scalar means here.

YAML 1.1 (PyYAML, most readers) and YAML 1.2 (editors, Go, JavaScript) disagree about many plain scalars. Only
those on which all agree are read; the rest is refused, with the way to write it. See yaml.org/type (1.1) and
chapter 10.3 of the YAML 1.2.2 specification.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from typing import TYPE_CHECKING

from echod.config.nodes import Ambiguous
from echod.config.problems import shown

if TYPE_CHECKING:
    from echod.config.nodes import Value

MOST_DIGITS = 18
_TAG = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})", re.ASCII)
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}", re.ASCII)
_NUMBER_START = frozenset("0123456789+-.")
_AMBIGUOUS = frozenset({"yes", "no", "on", "off", "y", "n"})
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
_CASED = frozenset({"True", "TRUE", "False", "FALSE", "Null", "NULL"})
_QUOTE_OR_DECIMAL = "write a plain decimal number, or put it in quotes if a text is meant"
_LOOKALIKES = tuple(
    (re.compile(pattern, re.ASCII), why)
    for pattern, why in (
        (r"[-+]?[0-9]{19,}", f"is a number of more than {MOST_DIGITS} digits"),
        (r"[-+]?0[0-9]+", "is octal to some readers and decimal to others"),
        (r"[-+]?0[oO][0-7_]+", "is octal to some readers and a text to others"),
        (r"[-+]?0[xX][0-9a-fA-F_]+", "is hexadecimal to some readers"),
        (r"[-+]?0[bB][01_]+", "is binary to some readers"),
        (r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?", "is a number to base 60 to some readers"),
        (r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "is not a finite number"),
        (r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:(?:[Tt]|[ \t]+)[0-9].*)?", "is a date to some readers"),
        (
            r"[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?",
            "is a number to some readers and a text to others",
        ),
    )
)


def resolve(text: str) -> Value:
    """
    Return the value of a plain scalar.

    Raises `ValueError` with a sentence for what readers of YAML do not agree on. Words such as `off` come
    back as `Ambiguous`.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in _NUMBER_START:
        return _number_or_text(text)
    if len(text) <= 3 and text.lower() in _AMBIGUOUS:
        return Ambiguous(text)
    if text in _CASED:
        raise ValueError(f'{text} is not written the one way: write {text.lower()}, or "{text}" for the text')
    if text in ("=", "<<"):
        raise ValueError(f'{text} means something else to some readers: write "{text}" in quotes')
    return text


def _number_or_text(text: str) -> Value:
    """Return the value of a plain scalar that begins like a number."""
    if _INT.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    for pattern, why in _LOOKALIKES:
        if pattern.fullmatch(text):
            raise ValueError(f"{shown(text)} without quotes {why}: {_QUOTE_OR_DECIMAL}")
    return text


def tagged(tag: str, text: str) -> Value:
    """
    Return the value of a scalar with an explicit tag.

    `!!str` is the text as written, `!!binary` base64, and `!!int`, `!!float`, `!!bool`, `!!null` must hold
    what a plain scalar of that type holds. Raises `ValueError` with a sentence for anything else.
    """
    name = tag.removeprefix(_TAG)
    if name == tag:
        raise ValueError(f"the tag {shown(tag)} is not known here: remove it")
    if name == "str":
        return text
    if name == "binary":
        return _binary(text)
    kinds: dict[str, type | tuple[type, ...]] = {"int": int, "float": float, "bool": bool, "null": type(None)}
    if name not in kinds:
        raise ValueError(f"the tag {shown('!!' + name)} is not known here: remove it")
    value = resolve(text)
    if not isinstance(value, kinds[name]) or (name == "int" and isinstance(value, bool)):
        raise ValueError(f"{shown(text)} is not a value of !!{name}: remove the tag or write such a value")
    return value


def _binary(text: str) -> bytes:
    """Return the bytes of a `!!binary` scalar; white space in it does not count."""
    try:
        return b64decode("".join(text.split()).encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError(f"{shown(text)} is not base64, as !!binary needs") from None
