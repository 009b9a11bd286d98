"""YAML bytes to a tree: what is read, what is refused, in what time, and that nothing else can happen."""

import time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from echod.config.nodes import Ambiguous, Node, plain
from echod.config.problems import ProblemList, TooManyProblems
from echod.config.text import MOST_BYTES, read

LOADERS = [yaml.SafeLoader, yaml.CSafeLoader]


def lines(text: str | bytes, loader: object = yaml.CSafeLoader) -> list[str]:
    """Return the problem lines of a text; the file is called `f`."""
    problems = ProblemList()
    try:
        node = read(text.encode() if isinstance(text, str) else text, "f", problems, loader)
    except TooManyProblems:
        node = None
    assert (node is None) == (len(problems) > 0)
    return str(problems.error()).splitlines()


def tree(text: str, loader: object = yaml.CSafeLoader) -> Node:
    """Return the tree of a text that must be right."""
    problems = ProblemList()
    node = read(text.encode(), "f", problems, loader)
    assert node is not None, str(problems.error())
    return node


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7),
        ("-7", -7),
        ("+7", 7),
        ("0", 0),
        ("123456789012345678", 123456789012345678),
        ("7.0", 7.0),
        ("-0.5", -0.5),
        ("true", True),
        ("false", False),
        ("", None),
        ("~", None),
        ("null", None),
        ("hi", "hi"),
        ("'010'", "010"),
        ('"no"', "no"),
        ('"\\x00\\u00e9"', "\0é"),
        ("tcp:7007", "tcp:7007"),
        ("tcp:7007:interface=127.0.0.1", "tcp:7007:interface=127.0.0.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("::1", "::1"),
        ("10s", "10s"),
        ("64KiB", "64KiB"),
        ("-", [None]),
        ("[1, [a, {b: c}]]", [1, ["a", {"b": "c"}]]),
        ("!!str 010", "010"),
        ("!!int 7", 7),
        ("!!float 7.5", 7.5),
        ("!!bool true", True),
        ("!!binary aGk=", b"hi"),
        ("!!binary |\n  aG\n  k=", b"hi"),
        ("!!seq [1]", [1]),
        ("!!map {a: 1}", {"a": 1}),
        ("|\n  two\n  lines\n", "two\nlines\n"),
        ("1:75", "1:75"),
        ("+", "+"),
        ("...x", "...x"),
    ],
)
def test_values(text: str, value: object, loader: object) -> None:
    """Only what all readers of YAML read alike has a type; both parsers agree on it."""
    got = plain(tree(f"a: {text}" if text != "-" else "a:\n  -", loader))
    assert got == {"a": value}
    assert type(got["a"]) is type(value)


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("010", '"010" without quotes is octal'),
        ("08", '"08" without quotes is octal'),
        ("0o10", '"0o10" without quotes is octal'),
        ("0x1F", '"0x1F" without quotes is hexadecimal'),
        ("0b111", '"0b111" without quotes is binary'),
        ("1_000", '"1_000" without quotes is a number to some'),
        ("1e3", '"1e3" without quotes is a number to some'),
        ("1.5e+3", '"1.5e+3" without quotes is a number to some'),
        ("7.", '"7." without quotes is a number to some'),
        (".5", '".5" without quotes is a number to some'),
        ("22:22", '"22:22" without quotes is a number to base 60'),
        ("1:30", '"1:30" without quotes is a number to base 60'),
        (".inf", '".inf" without quotes is not a finite number'),
        ("-.INF", '"-.INF" without quotes is not a finite number'),
        (".nan", '".nan" without quotes is not a finite number'),
        ("2026-01-01", '"2026-01-01" without quotes is a date'),
        ("2026-01-01 10:00:00", '"2026-01-01 10:00:00" without quotes is a date'),
        ("1234567890123456789", '"1234567890123456789" without quotes is a number of more than 18 digits'),
        ("True", 'True is not written the one way: write true, or "True" for the text'),
        ("FALSE", "FALSE is not written the one way: write false"),
        ("NULL", "NULL is not written the one way: write null"),
        ("=", "= means something else"),
        ("<<", "<< means something else"),
        ("!!python/object:os.system x", 'the tag "tag:yaml.org,2002:python/object'[:9]),
        ("!!timestamp 2026-01-01", 'the tag "!!timestamp" is not known here'),
        ("!mine x", 'the tag "!mine" is not known here'),
        ("! x", 'the tag "!" is not known here'),
        ("!!set {a}", 'the tag "tag:yaml.org,2002:set" is not known here'),
        ("!!int 010", '"010" without quotes is octal'),
        ("!!int x", '"x" is not a value of !!int'),
        ("!!int true", '"true" is not a value of !!int'),
        ("!!bool no", '"no" is not a value of !!bool'),
        ("!!binary '*'", '"*" is not base64'),
        ("!!binary é", '"é" is not base64'),
    ],
)
def test_refused_values(text: str, start: str, loader: object) -> None:
    """Every trap is one problem at the value's own place, and names its setting."""
    (line,) = lines(f"ok: 1\na: {text}\n", loader)
    assert line.startswith(f"f:2:4: a: {start}")


@pytest.mark.parametrize("word", ["yes", "no", "on", "off", "y", "n", "Yes", "NO", "oN", "Y"])
def test_ambiguous_words(word: str) -> None:
    """`no` is kept with its history as a value, is a text in quotes, and is refused as a key."""
    assert isinstance(plain(tree(f"a: {word}"))["a"], Ambiguous)
    assert not isinstance(plain(tree(f"a: '{word}'"))["a"], Ambiguous)
    assert plain(tree(f"'{word}': 1")) == {word: 1}
    (line,) = lines(f"{word}: 1")
    assert line == (
        f'f:1:1: the key {word} without quotes means true or false to some readers: write "{word}" in quotes'
    )


TABLE = [
    (b"", "f:1:1: the file is empty: it should hold services:"),
    (b"# nothing\n", "f:1:1: the file is empty: it should hold services:"),
    (b"\xef\xbb\xbf", "f:1:1: the file is empty: it should hold services:"),
    (b"---\n", "f:1:1: the file is empty: it should hold services:"),
    (b"a: 1\nbc: \xff\n", "f:2:5: the byte 0xff is not UTF-8: save the file as UTF-8"),
    (
        b"a: 1\nbc: \x07\n",
        "f:2:5: the character U+0007 cannot be printed: write it as an escape in double quotes",
    ),
    (
        "a: x\ufeff".encode(),
        "f:1:5: the character U+FEFF cannot be printed: write it as an escape in double quotes",
    ),
    (b"a: 1\n---\nb: 1\n", "f:2:1: a second document begins here: one file holds one document"),
    (b"a: 1\nb: 2\na: 3\n", 'f:3:1: the key "a" is already in line 1: keep one of the two'),
    (b"x:\n  a: 1\n  a: 3\n", 'f:3:3: x: the key "a" is already in line 2: keep one of the two'),
    (b"a: &x 1\n", 'f:1:4: a: anchors ("&x") are not used here: remove it'),
    (b"a: *x\n", 'f:1:4: a: aliases ("*x") are not used here: write the value out'),
    (
        b"<<: {a: 1}\n",
        "f:1:1: merge keys (<<) are not used here: write the settings out, or put them under defaults",
    ),
    (b"7: 1\n", 'f:1:1: the key 7 is not a text: write "7" in quotes'),
    (b"true: 1\n", 'f:1:1: the key true is not a text: write "true" in quotes'),
    (b"? [a]\n: 1\n", "f:1:3: a key must be a text, not a list or mapping"),
    (b"?\n: 1\n", "f:1:2: a key is missing before the colon"),
    (b"!!int 7: 1\n", "f:1:1: a key must be a text without a tag"),
    (
        b"%YAML 1.1\n---\na: 1\n",
        "f:1:1: a line may not begin with %: directives are not used here, and a text can be indented",
    ),
    (
        b"a: b: c\n",
        ('f:1:5: a ":" followed by a space cannot stand here: put the text in quotes, or check the indentation'),
    ),
    (b"a: 'x\n", "f:2:1: a: the file ends inside a quoted text: close the quotes"),
    (
        b'a: "\\q"\n',
        "f:1:5: a: this escape is not known: write \\\\ for a backslash, or use single quotes",
    ),
]


@pytest.mark.parametrize(("raw", "line"), TABLE)
def test_problem_lines(raw: bytes, line: str) -> None:
    """The whole line: place, path, sentence."""
    assert lines(raw) == [line]


def test_all_problems_at_once() -> None:
    """Reading goes on after a problem, with the right index in lists."""
    got = lines("a:\n  - 1\n  - 010\n  - [1, 08]\nb: 0x1\nb: True\nc: &x {d: 1e3}\n")
    assert [line.split(": ")[0] + " " + line.split(": ")[1] for line in got] == [
        "f:3:5 a[1]",
        "f:4:9 a[2][1]",
        "f:5:4 b",
        'f:6:1 the key "b" is already in line 5',
        "f:6:4 b",
        "f:7:4 c",
        "f:7:11 c.d",
    ]


def test_byte_order_mark_and_size() -> None:
    """A BOM is dropped; a file of exactly 1 MiB is read, one byte more is not."""
    assert plain(tree("\ufeffa: 1")) == {"a": 1}
    full = b"a: " + b"x" * (MOST_BYTES - 3)
    assert lines(full) == []
    assert lines(full + b"x") == ["f:1:1: the file has 1,048,577 bytes; at most 1 MiB is read: split it with include"]


def test_depth() -> None:
    """Twenty levels are read, and the twenty-first is named."""
    assert lines("[" * 20 + "]" * 20) == []
    (line,) = lines("[" * 21 + "]" * 21)
    assert line.startswith("f:1:21: [0][0]")
    assert line.endswith("more than 20 levels of nesting: no setting is that deep")


@pytest.mark.parametrize("escape", ["\\ud800", "\\UFFFFFFFF", "\\U00110000"])
@pytest.mark.parametrize("loader", LOADERS)
def test_escapes_that_name_no_character(escape: str, loader: object) -> None:
    """PyYAML's own parser makes surrogates and raises ValueError; libyaml refuses them."""
    assert len(lines(f'a: "{escape}"', loader)) == 1


def hostile() -> dict[str, str]:
    """Return texts that stop or kill other readers, each at most 1 MiB."""
    most = MOST_BYTES
    merge = "a: &a0 {x: 1}\n"
    merge += "".join(f"b{i}: &a{i + 1} {{<<: [*a{i}, *a{i}]}}\n" for i in range(25))
    alias = "a: &a [x,x,x,x,x,x,x,x,x]\n"
    for one, other in zip("abcdefgh", "bcdefghi", strict=True):
        alias += f"{other}: &{other} [" + ",".join([f"*{one}"] * 9) + "]\n"
    return {
        "flow sequences": "[" * 50_000,
        "flow mappings": "{" * 50_000,
        "named flow mappings": "{a: " * 50_000,
        "block sequences": "- " * 50_000,
        "complex keys": "? " * 50_000,
        "digits": "a: " + "1" * (most - 3),
        "hexadecimal": "a: 0x" + "f" * (most - 5),
        "underscores": "a: 1" + "_" * (most - 4),
        "base 60": "a: 1" + ":1" * (most // 2 - 2),
        "merge bomb": merge,
        "alias bomb": alias,
        "directives": "%TAG !a! x\n" * 95_000,
        "late directives": "a: 1\n...\n" + "%TAG !a! x\n" * 95_000,
        "flat list": "a:\n" + "- 1\n" * 262_000,
        "duplicate keys": "a: 1\n" * 200_000,
        "escapes": 'a: "' + "\\x41" * 262_000 + '"',
        "indentation": "\n".join(" " * i + "a:" for i in range(1400)),
        "line breaks": "\n" * most,
        "anchors": "a: [" + "&a 1," * 200_000 + "]",
    }


@pytest.mark.parametrize("name", hostile())
def test_hostile_texts_take_no_time(name: str) -> None:
    """Each is refused in less than a second, and so is the longest text, which is right."""
    raw = hostile()[name].encode()
    start = time.process_time()
    assert bool(lines(raw)) == (name != "escapes")
    assert time.process_time() - start < 1


@pytest.mark.parametrize("name", hostile())
def test_hostile_texts_end_without_libyaml(name: str) -> None:
    """PyYAML's own parser is slow and ends all the same; a tenth of each text must do here."""
    text = hostile()[name]
    assert lines(text[: max(len(text) // 10, 3000)], yaml.SafeLoader)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes(raw: bytes) -> None:
    """Whatever the bytes, there is a tree or a problem; with either parser."""
    for loader in LOADERS:
        for line in lines(raw, loader):
            assert line.startswith("f:")
            assert line.isprintable()


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="-:{}[]?!&*|>'\"%@`#, \nab01.\\", max_size=60))
def test_any_punctuation(text: str) -> None:
    """YAML's own signs in any order make a tree or a problem; with either parser."""
    for loader in LOADERS:
        lines(text, loader)


@given(st.recursive(st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=8))
def test_round_trip(value: object) -> None:
    """What PyYAML writes in quotes, we read back."""
    written = yaml.dump({"a": value}, default_style='"', allow_unicode=False)
    assert plain(tree(written)) == {"a": value}
