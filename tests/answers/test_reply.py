"""Reply: rules in order, lists in turn, variables; and exams that prove each rule by the answer itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echod.answers.answer import Path, Peer, Said, World
from echod.answers.exam import RIGHT, Ending, Exam, Then
from echod.answers.reply import ANY_REQUEST, Reply, Rule, iso_time
from echod.answers.template import Template
from echod.answers.when import Compares, HasLength, Regex, When

WORLD = World(lambda: 1.5, lambda: "12345678-1234-4abc-8def-1234567890ab", lambda: 0.0, "box.example")
PEER = Peer("192.0.2.1", 4711, "192.0.2.2", 55555)


def rule(
    when: When | None,
    *replies: bytes,
    then: Then = Then.KEEP,
    example: bytes | None = None,
) -> Rule:
    """Make a rule as the file does."""
    groups = when.groups if isinstance(when, Regex) else ()
    return Rule(when, tuple(Template.parse(reply, groups) for reply in replies), then, example)


def answer(*rules: Rule, greeting: bytes | None = None) -> Reply:
    """Make the answer of a service named `a-service`."""
    return Reply("a-service", rules, None if greeting is None else Template.parse(greeting), WORLD)


def test_first_match_wins() -> None:
    """Rules are tried in order; the default comes into play when none matches."""
    talk = answer(rule(Compares("prefix", b"he"), b"1"), rule(Compares("equals", b"hello"), b"2"), rule(None, b"3"))
    opened = talk.open(PEER)
    assert [opened.message(m).data for m in (b"hello", b"help", b"yes", b"")] == [b"1", b"1", b"3", b"3"]


def test_silence_without_a_match() -> None:
    """No match and no default: nothing is sent, and the connection stays."""
    said = answer(rule(Compares("equals", b"a"), b"b")).open(PEER).message(b"x")
    assert said == Said(None, Then.KEEP)


def test_a_rule_without_reply_only_ends() -> None:
    """Silence may still close."""
    assert answer(rule(None, then=Then.RESET)).open(PEER).message(b"x") == Said(None, Then.RESET)


@given(st.lists(st.binary(max_size=4), min_size=1, max_size=4), st.integers(0, 8))
def test_lists_in_turn(replies: list[bytes], count: int) -> None:
    """A list is said from its beginning to each peer, and the last repeats."""
    texts = [reply.replace(b"{", b"{{").replace(b"}", b"}}") for reply in replies]
    made = answer(rule(None, *texts))
    for _ in range(2):
        talk = made.open(PEER)
        heard = [talk.message(b"").data for _ in range(count)]
        assert heard == (replies + [replies[-1]] * count)[:count]


def test_lists_of_two_rules_are_counted_apart() -> None:
    """Each rule has a turn of its own."""
    talk = answer(rule(Compares("equals", b"a"), b"1", b"2"), rule(None, b"3", b"4")).open(PEER)
    assert [talk.message(m).data for m in (b"a", b"b", b"a", b"b")] == [b"1", b"3", b"2", b"4"]


def test_every_variable() -> None:
    """The values of section 3 of the design, each in its form."""
    text = b"{message}|{peer.host}|{peer.port}|{local.host}|{local.port}|{service}|{count}|{time}|{uuid}|{hostname}"
    talk = answer(rule(None, text)).open(PEER)
    talk.message(b"first")
    assert talk.message(b"\xff{count}").data == (
        b"\xff{count}|192.0.2.1|4711|192.0.2.2|55555|a-service|2|1970-01-01T00:00:01.500000Z"
        b"|12345678-1234-4abc-8def-1234567890ab|box.example"
    )


def test_groups_and_their_precedence() -> None:
    """A regex may name its groups as it likes: in its own reply, its group hides a variable of that name."""
    when = Regex(r"^(?P<count>\d+) (?P<message>\w+)")
    talk = answer(rule(when, b"{2} {message} {count} {1}")).open(PEER)
    assert talk.message(b"7 seven!").data == b"seven seven 7 7"


def test_greeting_is_rendered_before_any_message() -> None:
    """It knows the peer and the service; the message is empty and the count 0."""
    talk = answer(rule(None, b"x"), greeting=b"220 {service} [{message}] {count} {peer.host}\r\n").open(PEER)
    assert talk.opened() == Said(b"220 a-service [] 0 192.0.2.1\r\n")
    assert answer(rule(None, b"x")).open(PEER).opened() == Said(None)


@pytest.mark.parametrize(
    ("rules", "remembers"),
    [
        ([rule(None, b"x")], False),
        ([rule(None, b"{message}{time}")], False),
        ([rule(None, b"{count}")], True),
        ([rule(None, b"a", b"b")], True),
        ([rule(Compares("equals", b"q"), b"a"), rule(None, b"{{count}}", b"{count}")], True),
    ],
)
def test_remembers_only_what_needs_memory(rules: list[Rule], remembers: bool) -> None:
    """Datagram peers are kept only for answers that depend on what was said before."""
    assert answer(*rules).remembers == remembers
    assert not answer(*rules).reflects


def test_time_is_iso_8601_in_utc() -> None:
    """Also in the far past and future, always with microseconds."""
    assert iso_time(0) == "1970-01-01T00:00:00.000000Z"
    assert iso_time(1_769_860_800.25) == "2026-01-31T12:00:00.250000Z"


def passes(made: Reply, exam: Exam, path: Path) -> bool:
    """Hold an exam between the answer and its own client, without a transport in between."""
    talk = made.open(Peer("::1", 1, "::1", 2, path))
    if path is not Path.DATAGRAM:
        greeting = talk.opened().data
        if greeting is not None:
            assert exam.received(greeting) is None
    assert exam.ready
    if exam.request is None:
        return exam.silent() == RIGHT
    said = talk.message(exam.request)
    verdict = None if said.data is None else exam.received(said.data, whole=path is Path.DATAGRAM)
    if verdict is None:
        kept = said.then is Then.KEEP or path is Path.DATAGRAM
        reset = said.then is Then.RESET
        verdict = exam.silent() if kept else exam.ended(Ending.RESET if reset else Ending.CLEAN)
    return verdict == RIGHT


RULES = {
    "tutorial": [rule(None, b"hi", then=Then.CLOSE)],
    "comparisons": [
        rule(Compares("equals", b"QUIT"), b"bye", then=Then.CLOSE),
        rule(Compares("prefix", b"{"), b"{{{message}}}"),
        rule(Compares("suffix", b"\n"), b"", then=Then.HALF_CLOSE),
        rule(HasLength(3), b"three", then=Then.RESET),
        rule(None, b"?"),
    ],
    "variables": [
        rule(
            None,
            b"{message} {peer.host} {peer.port} {local.host} {local.port} {service} {count} {time} {uuid} {hostname}",
        )
    ],
    "regex": [rule(Regex(r"^(?P<verb>\w+) (\w+)"), b"{verb}={2}/{0}", example=b"say hello")],
    "groups named as variables": [
        rule(Regex(r"^(?P<count>\d+) (?P<message>\w+)"), b"{message}{count}", example=b"7 x")
    ],
    "silence": [rule(Compares("equals", b"a")), rule(None, b"b")],
    "lists": [rule(None, b"1", b"2")],
}


@pytest.mark.parametrize("path", list(Path))
@pytest.mark.parametrize("greeting", [None, b"220 {service} {time}\r\n"])
@pytest.mark.parametrize("name", sorted(RULES))
def test_the_answer_passes_its_own_exams(name: str, greeting: bytes | None, path: Path) -> None:
    """Server and client are made from the same settings, so they must agree about every rule."""
    made = answer(*RULES[name], greeting=greeting)
    exams = made.exams(path)
    assert len(exams) == len(RULES[name])
    for exam in exams:
        if path is Path.DATAGRAM or exam.name != "suffix b'\\n'":
            assert passes(made, exam, path), exam.name


def test_unreachable_rules_have_no_exam() -> None:
    """A rule behind one that takes its example, and a regex without example, cannot be proven, and that is said."""
    hidden, regex = rule(Compares("prefix", b"hello"), b"1"), rule(Regex("x"), b"2")
    made = answer(rule(Compares("prefix", b"he"), b"0"), hidden, regex, rule(None, b"3"))
    assert made.unproven() == [hidden, regex, made.rules[-1]]
    assert [exam.request for exam in made.exams(Path.STREAM)] == [b"he"]
    assert ANY_REQUEST == b"hello"


def test_there_is_always_an_exam() -> None:
    """With nothing else to prove, the greeting, or the silence, is."""
    unproven = rule(Regex("x"), b"2")
    for greeting in (None, b"hi"):
        made = answer(unproven, greeting=greeting)
        (exam,) = made.exams(Path.STREAM)
        assert exam.ready == (greeting is None)
        assert passes(made, exam, Path.STREAM)


@pytest.mark.parametrize("then", [Then.KEEP, Then.CLOSE])
def test_an_empty_reply_is_silence_only_where_messages_have_no_bounds(then: Then) -> None:
    """In a plain stream an empty text sends nothing, so waiting for it is in vain; as a frame or datagram it is one."""
    for whole in (False, True):
        (exam,) = answer(rule(None, b"", then=then)).exams(Path.STREAM)
        exam.asked(whole=whole)
        verdict = exam.silent() if then is Then.KEEP else exam.ended(Ending.CLEAN)
        assert verdict.right != whole
        assert exam.received(b"", whole=True) is None or not whole


def test_anything_may_have_to_fit_a_framing() -> None:
    """A default rule is proven by what its service's framing can carry."""
    reply = Reply("s", [Rule(None, (Template.literal(b"x"),))], None, WORLD, b"hellohel")
    (exam,) = reply.exams(Path.STREAM)
    assert exam.request == b"hellohel"
