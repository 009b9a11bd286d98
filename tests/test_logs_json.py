"""Events as JSON: what is in a line, and that nothing gets into it that would not be a line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel, globalLogPublisher
from twisted.python import log
from twisted.python.failure import Failure
from zope.interface import provider

from echod.log_json import FIELDS, ITEMS, MESSAGE, VALUE, as_json

LONGEST = 60_000
"""Characters that no line reaches: a message and a traceback, fields, and what each escape adds."""


class Nasty:
    """Something that cannot be shown."""

    def __repr__(self) -> str:
        raise ValueError("not me")


def event(text: str, **fields: Any) -> LogEvent:
    """Return the event of a log call, at a known time."""
    found: list[LogEvent] = []
    Logger("echod.here", observer=found.append).info(text, **fields)  # type: ignore[arg-type]  # it is called only
    (made,) = found
    return made | {"log_time": 1_763_820_000.9876}


def record(made: LogEvent) -> dict[str, Any]:
    """Return the object of an event's line, which must be a line."""
    line = as_json(made)
    assert line is not None
    assert line.isascii()
    assert line[:-1].isprintable()
    assert line.endswith("}\n")
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


def test_an_event() -> None:
    """Time, level, logger, service, message, and the fields that it was logged with, in this order."""
    made = event("{service} ({protocol}) listens on {kind}", service="echo", protocol="echo", kind="tcp", port=7)
    assert list(record(made).items()) == [
        ("time", "2025-11-22T14:00:00.987Z"),
        ("level", "info"),
        ("logger", "echod.here"),
        ("service", "echo"),
        ("message", "echo (echo) listens on tcp"),
        ("protocol", "echo"),
        ("kind", "tcp"),
        ("port", 7),
    ]


@pytest.mark.parametrize("level", list(LogLevel.iterconstants()), ids=str)
def test_levels(level: Any) -> None:
    """Each by its name."""
    assert record(event("x") | {"log_level": level})["level"] == level.name


def test_an_event_that_says_nothing() -> None:
    """It has no line, as in text."""
    assert as_json(event("")) is None
    assert as_json({}) is None


def test_a_failure() -> None:
    """It has its traceback, in the same line."""
    made = event("that failed") | {"log_failure": Failure(ValueError("\x1b[31m\nred"))}
    found = record(made)
    assert found["message"] == "that failed"
    assert "ValueError: \x1b[31m\nred" in found["traceback"]
    nameless = record({"log_failure": made["log_failure"]})
    assert "ValueError" in nameless["traceback"]


def test_a_failure_that_cannot_be_shown() -> None:
    """A log must not fail."""

    class Broken(Failure):
        def getTraceback(self, *_: Any, **__: Any) -> str:
            raise ValueError

    assert record({"log_failure": Broken(ValueError())})["traceback"] == "no traceback: ValueError()"


def test_an_old_event() -> None:
    """What `twisted.python.log` is told has the same form, without what only that module needs."""
    found: list[LogEvent] = []

    @provider(ILogObserver)
    def note(event: LogEvent) -> None:
        found.append(event)

    globalLogPublisher.addObserver(note)
    log.msg("as ever")
    globalLogPublisher.removeObserver(note)
    made = record(found[0])
    assert made["message"] == "as ever"
    assert set(made) == {"time", "level", "logger", "message"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (2**63 - 1, 2**63 - 1),
        (2**63, hex(2**63)),
        ("\x7f\u2028\ud800", "\x7f\u2028\ud800"),
        (b"\x00a", "b'\\x00a'"),
        ({"a": 1, 2: b"x"}, {"a": 1, "2": "b'x'"}),
        ((1, "two"), [1, "two"]),
        ([[1]], ["[1]"]),
        (LogLevel.info, "<LogLevel=info>"),
    ],
)
def test_values(value: object, shown: object) -> None:
    """What JSON can hold is itself, and of anything else it has a text."""
    assert record(event("x", value=value))["value"] == shown


def test_fields_that_have_names_of_ours() -> None:
    """They get another one, and names of Twisted's are left out."""
    made = event("x", logger="me", traceback="none", omitted=1) | {"level": 3, "isError": 0, "log_trace": []}
    found = record(made)
    assert (found["level"], found["level_"]) == ("info", 3)
    assert (found["logger"], found["logger_"]) == ("echod.here", "me")
    assert (found["traceback_"], found["omitted_"]) == ("none", 1)
    assert not {"isError", "log_trace"} & set(found)


@pytest.mark.parametrize(
    "value",
    ["\u2028" * 10**6, b"\xff" * 10**6, 10**6000, ["x" * 900] * 900, {"k" * 9000: 1}],
    ids=["text", "bytes", "number", "list", "mapping"],
)
def test_a_long_value(value: object) -> None:
    """Its beginning and its end are there."""
    made = event("x{value}", value=value)
    line = as_json(made)
    assert line is not None
    assert len(line) < LONGEST
    found = record(made)
    assert len(found["message"]) <= MESSAGE + 3
    shown = found.get("value", "")
    assert len(shown) <= VALUE + 3


def test_many_fields() -> None:
    """So many are there as have room, and how many are not is said."""
    found = record(event("x", **{f"field{number}": number for number in range(ITEMS + 7)}))
    assert found["omitted"] == 7
    assert found[f"field{ITEMS - 1}"] == ITEMS - 1
    found = record(event("x", **{f"field{number}": "y" * VALUE for number in range(40)}))
    assert 40 - found["omitted"] == FIELDS // (VALUE + 2)


def test_what_cannot_be_shown() -> None:
    """It is said that it cannot."""
    found = record(event("{nasty}", nasty=Nasty()))
    assert "Nasty instance" in found["nasty"]
    assert found["message"]


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()


@given(
    st.text(),
    st.dictionaries(
        st.text(min_size=1), scalars | st.lists(scalars, max_size=5) | st.dictionaries(scalars, scalars, max_size=5)
    ),
)
def test_whatever_is_logged(text: str, fields: dict[str, Any]) -> None:
    """It is one line of ASCII, which can be read back."""
    made = event("{said}", said=text) | {name: value for name, value in fields.items() if not name.startswith("log_")}
    if as_json(made) is not None:
        assert record(made)["level"] == "info"
