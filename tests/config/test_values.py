"""The single values: what each takes, what it makes of it, and the sentence when it does not."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echod.config import values
from echod.config.framing import Framing, framing
from echod.config.nodes import Ambiguous, Substituted


@pytest.mark.parametrize(
    ("given_value", "seconds"),
    [
        (0, 0.0),
        (10, 10.0),
        (0.5, 0.5),
        ("500ms", 0.5),
        ("10s", 10.0),
        ("1.5 s", 1.5),
        ("5m", 300.0),
        ("1h", 3600.0),
        (Substituted("10"), 10.0),
        (Substituted("0.5"), 0.5),
        (Substituted("10s"), 10.0),
    ],
)
def test_duration(given_value: object, seconds: float) -> None:
    """Numbers are seconds; units are ms, s, m and h."""
    got = values.duration(given_value)
    assert got == pytest.approx(seconds)
    assert type(got) is float


@pytest.mark.parametrize(
    "wrong",
    [
        *("10", "10 min", "10S", "-1s", "", "s", "1d", "٣s", "1e3s"),
        True,
        None,
        [],
        {},
        b"1",
        Substituted("x"),
    ],
)
def test_no_duration(wrong: object) -> None:
    """Everything else says what would be right; digits in quotes are a text."""
    with pytest.raises(ValueError, match="is no duration: write seconds as a number, or 500ms, 10s, 5m, 1h"):
        values.duration(wrong)


@pytest.mark.parametrize("wrong", [-1, -0.1, float("inf"), float("nan"), "90000h", 315_576_001])
def test_duration_range(wrong: object) -> None:
    """Negative, endless and more than ten years."""
    with pytest.raises(ValueError, match="is not between 0 and ten years"):
        values.duration(wrong)


@pytest.mark.parametrize(
    ("given_value", "size"),
    [(1, 1), ("7B", 7), ("64KiB", 65536), ("1 MiB", 1 << 20), ("1GiB", 1 << 30), (Substituted("9"), 9)],
)
def test_size(given_value: object, size: int) -> None:
    """Bytes, or powers of 1024 with their right names."""
    assert values.size(given_value) == size


@pytest.mark.parametrize("wrong", ["64", "64KB", "64K", "1.5MiB", 1.5, True, None, Substituted("1.5")])
def test_no_size(wrong: object) -> None:
    """A thousand is not 1024, and half a byte is none."""
    with pytest.raises(ValueError, match="is no size"):
        values.size(wrong)


@pytest.mark.parametrize("wrong", [0, -1, "0B", "2000GiB"])
def test_size_range(wrong: object) -> None:
    """At least a byte."""
    with pytest.raises(ValueError, match="is not between 1 byte and 1024GiB"):
        values.size(wrong)


@pytest.mark.parametrize("wrong", [0, -1, True, 1.0, "7", None, 10**12, Substituted("-7"), Substituted("1.0")])
def test_no_count(wrong: object) -> None:
    """Booleans are no numbers, and neither are digits in quotes."""
    with pytest.raises(ValueError, match="is not a whole number from 1 to 1000000000"):
        values.whole(1)(wrong)


def test_count_from_a_variable() -> None:
    """Digits that a variable brought are a number, as they cannot be written otherwise."""
    assert values.whole(1)(Substituted("7")) == 7


@pytest.mark.parametrize(
    ("given_value", "raw"),
    [
        ("hi", b"hi"),
        ("é", b"\xc3\xa9"),
        ("", b""),
        (b"\xff", b"\xff"),
        ({"hex": "00 01 ff"}, b"\x00\x01\xff"),
        ({"hex": "0001FF"}, b"\x00\x01\xff"),
        ({"hex": ""}, b""),
    ],
)
def test_text(given_value: object, raw: bytes) -> None:
    """A text is UTF-8; exact bytes come from !!binary or hex."""
    assert values.text(given_value) == raw


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (220, '220 is not a text: write "220" in quotes'),
        (True, 'true is not a text: write "true" in quotes'),
        (Ambiguous("no"), 'no without quotes means false to some readers: write "no" in quotes'),
        (Ambiguous("Yes"), 'Yes without quotes means true to some readers: write "Yes" in quotes'),
        (
            {"hex": 12},
            'a mapping is not a text: write the text in quotes, or exact bytes as {hex: "00 01 ff"}',
        ),
        ({"hex": "00", "a": "b"}, "a mapping is not a text: write the text in quotes, or exact bytes as"),
        ({"hex": "0"}, '"0" is not hexadecimal: write pairs of digits, as in "00 01 ff"'),
        ({"hex": "zz"}, '"zz" is not hexadecimal'),
        (["a"], "a list stands where a text is needed"),
        ("\ud800", "half a surrogate pair"),
    ],
)
def test_no_text(wrong: object, sentence: str) -> None:
    """Every sentence quotes the value and says how to write it."""
    with pytest.raises(ValueError) as caught:
        values.text(wrong)
    assert sentence in str(caught.value)


@given(st.binary(max_size=64))
def test_hex_is_exact(raw: bytes) -> None:
    """Any bytes can be written as hex, with and without spaces."""
    assert values.text({"hex": raw.hex()}) == values.text({"hex": raw.hex(" ")}) == raw


@given(st.text(max_size=64))
def test_text_is_utf8(text: str) -> None:
    """Any characters become their UTF-8."""
    assert values.text(text).decode("utf-8") == text


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (Ambiguous("no"), "no without quotes means false to some readers: write true or false"),
        (Ambiguous("on"), "on without quotes means true to some readers: write true or false"),
        (1, "1 is neither true nor false: write one of these, without quotes"),
        ("true", '"true" is neither true nor false: write one of these, without quotes'),
        (Substituted("yes"), '"yes" is neither true nor false'),
    ],
)
def test_no_switch(wrong: object, sentence: str) -> None:
    """Only true and false are booleans."""
    with pytest.raises(ValueError) as caught:
        values.switch(wrong)
    assert str(caught.value).startswith(sentence)


def test_switch() -> None:
    """The two booleans, and what a variable brings."""
    assert values.switch(True) is True
    assert values.switch(Substituted("false")) is False


@pytest.mark.parametrize("word", ["off", Ambiguous("off"), Substituted("off")])
def test_one_of(word: str) -> None:
    """`off` is a word of this setting, and so not ambiguous; a plain str comes out."""
    got = values.one_of("off", "on")(word)
    assert got == "off"
    assert type(got) is str


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("of", '"of" is not one of off, on, auto: did you mean "off"?'),
        (Ambiguous("no"), '"no" is not one of off, on, auto: known are auto, off, on'),
        (False, "false is not one of off, on, auto: write off, on or auto"),
    ],
)
def test_not_one_of(wrong: object, sentence: str) -> None:
    """Another word is answered with the nearest."""
    with pytest.raises(ValueError) as caught:
        values.one_of("off", "on", "auto")(wrong)
    assert str(caught.value) == sentence


def test_network() -> None:
    """Addresses are ranges of one."""
    assert values.network("192.0.2.1") == ip_network("192.0.2.1/32")
    assert values.network("2001:db8::/32") == ip_network("2001:db8::/32")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("10.0.0.1/8", '"10.0.0.1/8" has bits set after the length of the range: write 10.0.0.0/8'),
        (
            "2001:db8::1/32",
            '"2001:db8::1/32" has bits set after the length of the range: write 2001:db8::/32',
        ),
        (
            "localhost",
            '"localhost" is no IP address or range: write for example 192.0.2.0/24 or 2001:db8::/32',
        ),
        ("10.0.0.0/33", '"10.0.0.0/33" is no IP address or range'),
        ("fe80::1%eth0", '"fe80::1%eth0" is no IP address or range'),
        (1, "1 is no IP address or range"),
        (b"\x7f\0\0\1", "the bytes 7f 00 00 01 is no IP address or range"),
        (None, "nothing is no IP address or range"),
    ],
)
def test_no_network(wrong: object, sentence: str) -> None:
    """Integers and bytes, which ipaddress would take, are refused; the right range is named."""
    with pytest.raises(ValueError) as caught:
        values.network(wrong)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("given_value", "made"),
    [
        ("stream", Framing()),
        ("line", Framing("line")),
        ("int32", Framing("int32")),
        ({"delimiter": "\r\n"}, Framing("delimiter", delimiter=b"\r\n")),
        ({"delimiter": {"hex": "00"}}, Framing("delimiter", delimiter=b"\0")),
        ({"fixed": 16}, Framing("fixed", size=16)),
    ],
)
def test_framing(given_value: object, made: Framing) -> None:
    """Words, and two mappings of one key."""
    assert framing(given_value) == made


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("lines", '"lines" is no framing: did you mean "line"?'),
        ("fixed", '"fixed" is no framing: did you mean "fixed"?'),
        ({"delimiter": ""}, "the delimiter is empty"),
        ({"fixed": 0}, "0 is not a whole number from 1"),
        ({"fixed": 1, "delimiter": "x"}, "a mapping is no framing: write one of stream, line"),
        (7, "7 is no framing: write one of stream, line"),
        (Ambiguous("no"), "no without quotes means false"),
    ],
)
def test_no_framing(wrong: object, sentence: str) -> None:
    """Everything else says what would be right."""
    with pytest.raises(ValueError) as caught:
        framing(wrong)
    assert str(caught.value).startswith(sentence)


@given(st.text(min_size=200, max_size=300) | st.integers(10**80, 10**90))
def test_sentences_are_bounded(value: object) -> None:
    """However long the value, the sentence is one printable line of bounded length."""
    with pytest.raises(ValueError) as caught:
        values.size(value)
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()
