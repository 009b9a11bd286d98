"""
The JSON that requests bring, read strictly.

JSON itself leaves open what happens to a key that is there twice, to numbers without end and to halves of characters;
here each of them is an error, because what is kept must be what was meant.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, NoReturn

from echod.config.problems import dotted, shown
from echod.console.refusal import Finding, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES = 64 * 1024
"""Bytes that the body of a request may have."""

_MOST_DEPTH = 16
_MOST_VALUES = 5_000

_SURROGATE = re.compile("[\ud800-\udfff]")


def read(content_type: str | None, raw: bytes) -> dict[str, Any]:
    """
    Return the JSON object in a body.

    :raises Refusal: 415 for another type, 413 for one that is too long, 400 for what is no object, 422 for texts that
        cannot be written.
    """
    media, _, parameters = (content_type or "").partition(";")
    if media.strip().lower() != "application/json" or not _is_utf8(parameters):
        raise Refusal(415, "send application/json, in UTF-8: the header Content-Type says otherwise")
    if len(raw) > MOST_BYTES:
        raise Refusal(413, f"a body may have {MOST_BYTES:,} bytes: this is longer")
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_each_key_once,
            parse_constant=_no_number,
            parse_float=_finite,
        )
    except RecursionError:
        raise Refusal(400, "the body is no JSON that can be read: it is nested too deeply") from None
    except ValueError as error:
        raise Refusal(400, f"the body is no JSON that can be read: {error}") from None
    if not isinstance(value, dict):
        raise Refusal(400, f"the body is {shown(value)}: send an object of settings")
    _bound(value)
    halves = tuple(Finding(dotted(path), "half a surrogate pair is no character") for path in _halves(value, ()))
    if halves:
        raise Refusal(422, "a text has half a character in it", halves)
    return value


def _is_utf8(parameters: str) -> bool:
    """Tell whether the parameters of a content type name no other encoding."""
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name.lower() == "charset" and value.strip('"').lower() not in ("utf-8", "utf8"):
            return False
    return True


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object. Called by the parser."""
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {shown(twice)} is there twice")
    return made


def _no_number(word: str) -> NoReturn:
    """Refuse what is not JSON, though Python writes it. Called by the parser."""
    raise ValueError(f"{word} is no number")


def _finite(text: str) -> float:
    """Make a number with a point or an exponent. Called by the parser."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{shown(text)} is too large a number")
    return value


def _bound(value: Any) -> None:
    """Refuse what is too deep or too much to be settings; it must not take long either."""
    level, count = [value], 0
    for _ in range(_MOST_DEPTH):
        level = [
            item
            for each in level
            if isinstance(each, (list, dict))
            for item in (each if isinstance(each, list) else each.values())
        ]
        count += len(level)
        if not level:
            break
    else:
        raise Refusal(400, f"the body has more than {_MOST_DEPTH} levels: no setting is that deep")
    if count > _MOST_VALUES:
        raise Refusal(413, f"the body has more than {_MOST_VALUES:,} values")


def _halves(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """Yield the paths of texts that UTF-8 cannot hold; those of keys are the places that they are in."""
    if isinstance(value, str):
        if _SURROGATE.search(value):
            yield path
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _halves(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from [path] if _SURROGATE.search(key) else _halves(item, (*path, key))
