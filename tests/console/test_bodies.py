"""The bodies of requests: strict JSON objects of sane size, in UTF-8."""

from __future__ import annotations

import json

import pytest

from echod.console.bodies import MOST_BYTES, read
from echod.console.refusal import Refusal

JSON = "application/json"


@pytest.mark.parametrize(
    "content_type", [JSON, "Application/JSON", "application/json; charset=utf-8", 'application/json;charset="UTF8"']
)
def test_objects_are_read(content_type: str) -> None:
    """Settings come as they are written, in their order."""
    raw = '{"listen": "udp:7", "n": 1, "f": 1.5, "t": true, "x": null, "é": ["😀", {"hex": "00"}]}'.encode()
    expected = {"listen": "udp:7", "n": 1, "f": 1.5, "t": True, "x": None, "é": ["😀", {"hex": "00"}]}
    assert read(content_type, raw) == expected
    assert list(read(content_type, raw)) == list(expected)


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin-1",
        "application/jsonx",
    ],
)
def test_other_types_are_refused(content_type: str | None) -> None:
    """A form of another site could send those without asking."""
    with pytest.raises(Refusal) as caught:
        read(content_type, b"{}")
    assert caught.value.status == 415


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting"),
        (b"[]", "a list"),
        (b'"x"', '"x"'),
        (b"null", "nothing"),
        (b"\xff{}", "utf-8"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b"{} {}", "Extra data"),
        (b'{"listen": 1, "listen": 2}', '"listen" is there twice'),
        (b'{"a": [{"b": 1, "b": 1}]}', '"b" is there twice'),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": 1e400}', "too large"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "digits"),
        (b'{"a": ' + b"[" * 20_000 + b"]" * 20_000 + b"}", "deep"),
        (b'{"a": ' + b"[" * 17 + b"]" * 17 + b"}", "levels"),
    ],
    ids=range(16),
)
def test_what_is_no_object_is_refused(raw: bytes, word: str) -> None:
    """The sentence says why it cannot be read."""
    with pytest.raises(Refusal) as caught:
        read(JSON, raw)
    assert caught.value.status == 400
    assert word in caught.value.detail


def test_size_is_bounded() -> None:
    """In bytes, and in values."""
    fits = b'{"a": "' + b"x" * (MOST_BYTES - 9) + b'"}'
    assert len(fits) == MOST_BYTES
    read(JSON, fits)
    many = json.dumps({"a": list(range(5_000))}).encode()
    for raw in (fits + b" ", many):
        with pytest.raises(Refusal) as caught:
            read(JSON, raw)
        assert caught.value.status == 413
    read(JSON, json.dumps({"a": list(range(4_999))}).encode())


def test_halves_of_characters_are_problems_of_their_settings() -> None:
    """They cannot be written to a file, nor sent."""
    with pytest.raises(Refusal) as caught:
        read(JSON, rb'{"reply": ["x", "\ud800"], "rules": [{"when": {"equals": "\udc00"}}], "\ud800": 1}')
    assert caught.value.status == 422
    assert [each.path for each in caught.value.findings] == ["reply[1]", "rules[0].when.equals", ""]
    assert read(JSON, rb'{"reply": "\ud83d\ude00"}') == {"reply": "😀"}
