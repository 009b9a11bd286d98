"""If-Match and If-None-Match."""

from __future__ import annotations

import pytest

from echod.console.conditions import Conditions
from echod.console.refusal import Refusal

TAG = '"6f1c"'


@pytest.mark.parametrize(
    ("match", "none_match", "etag"),
    [
        (None, None, None),
        (None, None, TAG),
        (TAG, None, TAG),
        (f'"a", {TAG}', None, TAG),
        ("*", None, TAG),
        (None, "*", None),
        (None, TAG, None),
        (None, '"other"', TAG),
        (TAG, '"other"', TAG),
    ],
)
def test_what_holds(match: str | None, none_match: str | None, etag: str | None) -> None:
    """The change goes on."""
    Conditions(match, none_match).check(etag)


@pytest.mark.parametrize(
    ("match", "none_match", "etag"),
    [
        ('"old"', None, TAG),
        (f"W/{TAG}", None, TAG),
        (TAG, None, None),
        ("*", None, None),
        (None, "*", TAG),
        (None, TAG, TAG),
        (None, f"W/{TAG}", TAG),
        (TAG, TAG, TAG),
    ],
)
def test_what_does_not(match: str | None, none_match: str | None, etag: str | None) -> None:
    """Somebody else was faster; weak tags are not enough to change something, and enough to know it."""
    with pytest.raises(Refusal) as caught:
        Conditions(match, none_match).check(etag)
    assert caught.value.status == 412


@pytest.mark.parametrize("value", ["", "6f1c", '"a" "b"', '"a', "**", '"a",'])
def test_what_is_no_tag(value: str) -> None:
    """A tag without its quotes is said to be none; nothing is changed by who did not say what was seen."""
    for conditions in (Conditions(match=value), Conditions(none_match=value)):
        with pytest.raises(Refusal, match="holds no ETags") as caught:
            conditions.check(TAG)
        assert caught.value.status == 412
