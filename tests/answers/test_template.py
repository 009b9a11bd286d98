"""Replies with variables: what is taken for one, what it becomes, and how the client knows it again."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from echod.answers.exam import Match
from echod.answers.template import VARIABLES, Template, TemplateError

plain = st.binary(max_size=60).map(lambda data: data.replace(b"{", b"").replace(b"}", b""))


def escaped(data: bytes) -> bytes:
    """Write bytes so that a template takes them literally."""
    return data.replace(b"{", b"{{").replace(b"}", b"}}")


@given(st.binary(max_size=100))
def test_any_bytes_can_be_written(data: bytes) -> None:
    """With doubled braces every byte string is a template of itself."""
    template = Template.parse(escaped(data))
    assert template.render({}) == data
    assert not template.names


@given(st.lists(st.one_of(plain, st.sampled_from(sorted(VARIABLES))), max_size=8), st.data())
def test_values_stand_where_their_names_stood(parts: list[bytes | str], data: st.DataObject) -> None:
    """Values are put in as they are, braces in them mean nothing, and text around them stays."""
    text = b"".join([part if isinstance(part, bytes) else b"{%b}" % part.encode() for part in parts])
    template = Template.parse(text)
    names = {part for part in parts if isinstance(part, str)}
    values = {name: data.draw(st.one_of(st.binary(max_size=8), st.just(b"{message}"))) for name in sorted(names)}

    assert template.names == names
    assert template.render(values) == b"".join([p if isinstance(p, bytes) else values[p] for p in parts])


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_by_name(data: bytes) -> None:
    """A text from a file never raises anything but the error that has a sentence, and is never rendered in part."""
    try:
        template = Template.parse(data, ("0", "1"))
    except TemplateError:
        return
    assert template.names <= set(VARIABLES) | {"0", "1"}
    template.render(dict.fromkeys(template.names, b""))


@pytest.mark.parametrize(
    ("text", "groups", "sentence"),
    [
        (b"{nobody}", (), "unknown variable {nobody}; known are count, hostname"),
        (b"{}", (), "unknown variable {}"),
        (b"{message!r}", (), "unknown variable {message!r}"),
        (b"{message:>9}", (), "unknown variable {message:>9}"),
        (b"{message.__class__}", (), "unknown variable {message.__class__}"),
        (b"{peer}", (), "unknown variable {peer}"),
        (b"{1}", (), "uses the group {1}, but its rule has no regex"),
        (b"{2}", ("0", "1", "who"), "uses the group {2}, but its rule has 1 groups"),
        (b"{why}", ("0", "1", "who"), "uuid, who;"),
        (b"a { b", (), "has a { without its }"),
        (b"{message", (), "has a { without its }"),
        (b"\xff{\xff}", (), "unknown variable {\ufffd}"),
    ],
)
def test_what_is_no_variable(text: bytes, groups: tuple[str, ...], sentence: str) -> None:
    """No format specification, no attribute, no group that is not there; the sentence helps."""
    with pytest.raises(TemplateError) as caught:
        Template.parse(text, groups)
    assert sentence in str(caught.value)


def test_a_lone_closing_brace_is_itself() -> None:
    """JSON's end is no reason to refuse a text; groups are taken by number and name."""
    assert Template.parse(b"} }").render({}) == b"} }"
    template = Template.parse(b"{1}{who}", ("0", "1", "who"))
    assert template.render({"1": b"a", "who": b"b"}) == b"ab"


def test_literal_has_no_variables() -> None:
    """Bytes that are no template stay as they are."""
    assert Template.literal(b"{message} {{").render({}) == b"{message} {{"


@given(plain, st.binary(max_size=20), plain)
def test_the_client_knows_what_it_can_know(before: bytes, message: bytes, after: bytes) -> None:
    """Only the very bytes are right where every value is known, also where they look like a pattern."""
    template = Template.parse(before + b"{message}" + after)
    values = {"message": message}
    right = template.render(values)
    matcher = template.matcher(values)

    assert matcher.match(right) is Match.YES
    assert matcher.match(right + b"x") is not Match.YES
    for end in range(len(right)):
        assert matcher.match(right[:end]) is Match.PARTIAL


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("peer.host", [b"192.0.2.1", b"2001:db8::1", b"fe80::1%eth0", b"/run/a.sock", b""], [b"\n"]),
        ("peer.port", [b"0", b"65535"], [b"", b"123456", b"x"]),
        ("count", [b"1", b"1234567"], [b"", b"-1"]),
        ("time", [b"2026-01-31T12:00:00.000000Z"], [b"2026-01-31T12:00:00Z", b"now"]),
        ("uuid", [b"12345678-1234-4abc-8def-1234567890ab"], [b"12345678-1234-4ABC-8DEF-1234567890AB", b""]),
        ("hostname", [b"a-b.example", b"my_box"], [b"", b"a b"]),
    ],
)
def test_the_client_knows_what_the_others_look_like(name: str, right: list[bytes], wrong: list[bytes]) -> None:
    """Values of the server alone are judged by their form."""
    matcher = Template.parse(b"<{%b}>" % name.encode()).matcher({})
    for value in right:
        assert matcher.match(b"<%b>" % value) is Match.YES, value
    for value in wrong:
        assert matcher.match(b"<%b>" % value) is not Match.YES, value


@given(plain, st.binary(max_size=30))
def test_a_wrong_beginning_is_told_at_once(head: bytes, heard: bytes) -> None:
    """The client need not wait when what stands before the first unknown value is wrong."""
    assume(not heard.startswith(head) and not head.startswith(heard))
    assert Template.parse(head + b"{time}").matcher({}).match(heard) is Match.NO


def test_describe_shows_the_text_of_the_file() -> None:
    """A report names variables as the file does."""
    assert Template.parse(b"hi {peer.host}\r\n").matcher({}).describe() == r"'hi {peer.host}\r\n'"
