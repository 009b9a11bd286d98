"""
Events as JSON: one object a line.

`time`, `level`, `logger` and `message` are always there, `service` where the event has one, then the event's own fields
under their names, and `traceback` of a failure. A line is ASCII without control characters, and its length is bounded,
whatever an event holds.
"""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from itertools import islice
from typing import TYPE_CHECKING, Any

from twisted.logger import formatEvent
from twisted.python.reflect import safe_repr, safe_str

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twisted.logger import LogEvent
    from twisted.python.failure import Failure

MESSAGE = 8_192
"""Characters that a message may have, and a traceback."""

VALUE = 1_024
"""Characters that any other text may have."""

ITEMS = 50
"""Fields that an event may have, and items that one of them may have."""

FIELDS = 16_384
"""Characters that the fields may have together, as JSON."""

_OLD = {"failure", "format", "isError", "logLevel", "message", "printed", "system", "time", "why"}
"""What events of `twisted.python.log`, and those that its observers saw, have besides."""

_OWN = {"time", "level", "logger", "service", "message", "traceback", "omitted"}

_LARGE_INTEGER = 63
"""Bits. Readers of JSON lose digits of larger integers, and Python refuses to write those of some thousand."""


def as_json(event: LogEvent) -> str | None:
    """Return an event's line, or None for one that says nothing."""
    message = formatEvent(event)
    failure = event.get("log_failure")
    if not message and failure is None:
        return None
    level = event.get("log_level")
    record: dict[str, Any] = {
        "time": _time(event.get("log_time")),
        "level": "info" if level is None else level.name,
        "logger": _cut(safe_str(event.get("log_namespace", "-")), VALUE),
    }
    if "service" in event:
        record["service"] = _value(event["service"])
    record["message"] = _cut(message, MESSAGE)
    _add_fields(record, event)
    if failure is not None:
        record["traceback"] = _cut(_traceback(failure), MESSAGE)
    return json.dumps(record, allow_nan=False) + "\n"


def _add_fields(record: dict[str, Any], event: LogEvent) -> None:
    """Add the event's own fields, as many as there is room for, and the number of those left out."""
    own = [name for name in event if not name.startswith("log_") and name not in _OLD and name != "service"]
    room = FIELDS
    for count, name in enumerate(own):
        value = _value(event[name])
        room -= len(json.dumps(value))
        if room < 0 or count == ITEMS:
            record["omitted"] = len(own) - count
            return
        key = _cut(name, VALUE)
        record[f"{key}_" if key in _OWN else key] = value


def _time(seconds: float | None) -> str | None:
    """Return ISO 8601 in UTC, with milliseconds."""
    if seconds is None:
        return None
    text = datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _value(value: Any) -> Any:
    """Return what JSON can hold of a value: itself, its items, or a text about it."""
    if isinstance(value, dict):
        return _object(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_scalar(each) for each in islice(value, ITEMS)]
    return _scalar(value)


def _object(values: Mapping[Any, Any]) -> dict[str, Any]:
    return {_cut(safe_str(name), VALUE): _scalar(each) for name, each in islice(values.items(), ITEMS)}


def _scalar(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _cut(value, VALUE)
    if isinstance(value, int):
        return int(value) if value.bit_length() <= _LARGE_INTEGER else _cut(hex(value), VALUE)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else repr(value)
    if isinstance(value, (bytes, bytearray)):
        return _cut(repr(bytes(value[:VALUE])), VALUE)
    return _cut(safe_repr(value), VALUE)


def _cut(text: str, limit: int) -> str:
    """Return a text as a plain `str`, in the middle of which is left out what is too much."""
    if len(text) <= limit:
        return str(text)
    return f"{text[: limit // 2]}...{text[-(limit // 2) :]}"


def _traceback(failure: Failure) -> str:
    """Return the text of a failure, or of the one in making it."""
    try:
        return failure.getTraceback()
    except Exception as problem:  # noqa: BLE001 - a log must not fail
        return f"no traceback: {safe_repr(problem)}"
