"""Conditions: bytes in, yes or no out; and regular expressions which nobody can make slow."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echod.answers.when import PATTERN_BUDGET, PATTERN_LIMIT, Compares, HasLength, PatternError, Regex, When

MEANING = {
    "equals": lambda message, text: message == text,
    "prefix": lambda message, text: message[: len(text)] == text,
    "suffix": lambda message, text: message[len(message) - len(text) :] == text and len(message) >= len(text),
    "contains": lambda message, text: any(
        message[at : at + len(text)] == text for at in range(len(message) - len(text) + 1)
    ),
}


@given(st.sampled_from(sorted(MEANING)), st.binary(max_size=6), st.binary(max_size=3))
def test_comparisons_mean_what_they_say(how: str, message: bytes, text: bytes) -> None:
    """Each comparison agrees with its definition written out."""
    assert (Compares(how, text).match(message) is not None) == MEANING[how](message, text)


@given(st.sampled_from(sorted(MEANING)), st.binary(max_size=3), st.binary(max_size=3), st.binary(max_size=3))
def test_comparisons_find_what_is_there(how: str, before: bytes, text: bytes, after: bytes) -> None:
    """Random messages seldom match, so this builds some that do."""
    message = (b"" if how in ("equals", "prefix") else before) + text + (b"" if how in ("equals", "suffix") else after)
    assert Compares(how, text).match(message) == {}


@given(st.integers(0, 100), st.binary(max_size=100))
def test_length(length: int, message: bytes) -> None:
    """The length of the message in bytes, exactly."""
    assert (HasLength(length).match(message) is not None) == (len(message) == length)


@pytest.mark.parametrize("how", sorted(MEANING))
@given(text=st.binary(max_size=20))
def test_the_example_of_a_comparison_fulfils_it(how: str, text: bytes) -> None:
    """The client proves a rule with a message that the rule itself takes."""
    when: When = Compares(how, text)
    assert when.example is not None
    assert when.match(when.example) is not None


def test_the_example_of_a_length_has_it() -> None:
    """Also an empty one."""
    for length in (0, 1, 1000):
        example = HasLength(length).example
        assert example is not None
        assert len(example) == length
    assert Regex("x").example is None


def test_regex_groups_by_number_and_name() -> None:
    """What a reply may use: the whole, numbers and names; a group that took no part is empty."""
    when = Regex(r"^(?i:EHLO) (?P<who>\S+)( now)?")
    assert when.groups == {"0", "1", "2", "who"}
    assert when.match(b"ehlo me") == {"0": b"ehlo me", "1": b"me", "who": b"me", "2": b""}
    assert when.match(b"HELO me") is None
    assert when.match(b"x EHLO me") is None
    assert Regex("b+").match(b"abbc") == {"0": b"bb"}


@given(st.binary(max_size=50))
def test_regex_sees_bytes(message: bytes) -> None:
    """Any byte can be matched, whether the message is UTF-8 or not, line ends and NUL included."""
    found = Regex(r"(?s)^(.*)$").match(message)
    assert found is not None
    assert found["1"] == message


def test_regex_text_is_utf8() -> None:
    """A letter in the file matches its UTF-8 bytes."""
    assert Regex("^ü$").match("ü".encode()) is not None
    assert Regex("^ü$").match(b"\xfc") is None


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("(", "is no regular expression that can be used: missing )"),
        (r"(a)\1", "no look-around and no back-references"),
        ("(?=a)", "no look-around and no back-references"),
        ("a{1001}", "is no regular expression that can be used"),
        ("x" * (PATTERN_LIMIT + 1), f"is {PATTERN_LIMIT + 1} characters long; at most {PATTERN_LIMIT} are taken"),
        ("((a{100}){100}){100}", "is no regular expression that can be used"),
    ],
)
def test_regex_refused(pattern: str, sentence: str) -> None:
    """What RE2 does not take, or takes too much for, is refused when the file is read, in a sentence."""
    with pytest.raises(PatternError) as caught:
        Regex(pattern)
    assert sentence in str(caught.value)


def test_regex_longest_message_is_bounded_by_the_budget() -> None:
    """The larger the pattern, the shorter the messages it may search."""
    small, large = Regex("a"), Regex("(x+x+)+y" * 40)
    assert small.longest > large.longest > 0
    assert large.longest <= PATTERN_BUDGET // 40


@pytest.mark.parametrize("pattern", ["(x+x+)+y", "(a|a)*b", "(.*)*=.*", "(x?){50}x{50}y"])
def test_regex_is_linear(pattern: str) -> None:
    """Patterns that take a backtracking engine centuries take a moment on the longest message they may search."""
    when = Regex(pattern)
    message = b"xa" * (min(when.longest, 65_536) // 2)
    start = time.process_time()
    assert when.match(message) is None
    assert time.process_time() - start < 1.0


def test_descriptions_are_the_words_of_the_file() -> None:
    """A report names a rule as its author wrote it."""
    assert Compares("prefix", b"a\n").describe() == r"prefix b'a\n'"
    assert HasLength(3).describe() == "length 3"
    assert Regex("^a$").describe() == "regex ^a$"
