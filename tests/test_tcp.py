"""The server half of streams: messages in, answers out, in order, while the peer takes them; and how talks end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echod.answers.answer import Peer, Said, World
from echod.answers.chargen import PATTERN, Chargen
from echod.answers.exam import Then
from echod.answers.own import OwnAnswer
from echod.answers.reply import Reply, Rule
from echod.answers.template import Template
from echod.answers.when import Compares
from echod.connection import StreamLimits
from echod.framing import Delimited, Fixed, Framing, Netstring, Prefixed, Stream
from tests.served import HERE, THERE, Hand, Served

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twisted.python.failure import Failure

WORLD = World(lambda: 0.0, lambda: "", lambda: 0.5)


def reply(text: bytes, then: Then = Then.KEEP, *, quit_by: Then = Then.CLOSE, greeting: bytes | None = None) -> Reply:
    """Make an answer that says a text to anything but QUIT, to which it says `bye` and ends."""
    rules = [
        Rule(Compares("equals", b"QUIT"), (Template.literal(b"bye"),), quit_by),
        Rule(None, (Template.parse(text),), then),
    ]
    return Reply("x", rules, None if greeting is None else Template.parse(greeting), WORLD)


def pieces(raw: bytes, sizes: Iterable[int]) -> list[bytes]:
    """Cut bytes into pieces of these sizes, and a rest."""
    found, at = [], 0
    for size in sizes:
        found.append(raw[at : at + size])
        at += size
    return [piece for piece in [*found, raw[at:]] if piece]


@given(st.binary(max_size=300), st.lists(st.integers(1, 60)))
def test_echo_is_its_input(raw: bytes, sizes: list[int]) -> None:
    """Whatever the pieces, the same bytes in the same order, and nothing else."""
    served = Served()
    hand = served.hand()
    for piece in pieces(raw, sizes):
        hand.feed(piece)
    assert hand.written == raw
    assert not hand.events
    assert served.tally.received_bytes == served.tally.sent_bytes == len(raw)


FRAMINGS: list[Framing] = [Delimited(), Delimited(b"::"), Fixed(3), Netstring(), Prefixed(1), Prefixed(4)]


@pytest.mark.parametrize("framing", FRAMINGS, ids=repr)
@settings(max_examples=40)
@given(
    words=st.lists(st.sampled_from([b"abc", b"QUX", b"123"]), max_size=12),
    sizes=st.lists(st.integers(1, 9)),
    room=st.integers(0, 40),
)
def test_answers_do_not_depend_on_the_pieces(framing: Framing, words: list[bytes], sizes: list[int], room: int) -> None:
    """Nor on how often the peer takes what waits: each message gets its answer, once, in order, framed as promised."""
    served = Served(reply(b"<{message} {count}>"), None, framing)
    hand = served.hand()
    waiting = pieces(b"".join([framing.encode(word) for word in words]), sizes)
    for _ in range(1000):
        hand.room = room
        while waiting and hand.reading:
            hand.feed(waiting.pop(0))
        if hand.reading:
            break
        hand.take()
    said = [b"<%b %d>" % (word, number) for number, word in enumerate(words, 1)]

    assert bytes(hand.written) == b"".join([framing.encode(s) if framing.symmetric else s for s in said])
    assert served.tally.messages_received == served.tally.messages_sent == len(words)
    assert served.tally.sent_bytes == len(hand.written)
    assert not hand.events


def test_messages_wait_while_the_peer_does_not_read() -> None:
    """One read may hold thousands of messages: they are answered as the peer takes the answers, and none is read."""
    served = Served(reply(b"0123456789"), None, Delimited(b"\n"))
    hand = served.hand()
    hand.room = 25
    hand.feed(b"x\n" * 1000)
    assert hand.written == b"0123456789" * 3
    assert not hand.reading
    assert served.tally.messages_received == 3
    hand.room = 15
    assert hand.producer is not None
    hand.producer.resumeProducing()
    assert hand.written == b"0123456789" * 5
    assert not hand.reading
    hand.take()
    assert hand.written == b"0123456789" * 1000
    assert hand.reading


def test_messages_that_wait_are_answered_after_the_peers_end() -> None:
    """The peer's end of its direction comes behind its messages."""
    served = Served(reply(b"0123456789"), None, Delimited(b"\n"))
    hand = served.hand()
    hand.room = 5
    hand.feed(b"x\n" * 10 + b"unfinished")
    hand.protocol.readConnectionLost()
    assert hand.events == []
    hand.take()
    assert hand.written == b"0123456789" * 10
    assert hand.events == ["close"]
    assert not hand.reading


def test_messages_that_wait_are_dropped_with_the_connection() -> None:
    """Nobody answers into the void."""
    served = Served(reply(b"0123456789"), None, Delimited(b"\n"))
    hand = served.hand()
    hand.room = 5
    hand.feed(b"x\n" * 10)
    hand.producer.stopProducing()
    hand.take()
    assert hand.written == b"0123456789"


@pytest.mark.parametrize(
    ("then", "event"), [(Then.CLOSE, "half-close"), (Then.HALF_CLOSE, "half-close"), (Then.RESET, "abort")]
)
def test_nothing_is_answered_after_the_end(then: Then, event: str) -> None:
    """Messages behind the one that ends the talk are dropped, in the same read and later."""
    served = Served(reply(b"no", quit_by=then), None, Delimited(b"\n"))
    hand = served.hand()
    hand.feed(b"a\nQUIT\nb\n")
    hand.feed(b"c\n")
    assert hand.written == b"nobye"
    assert hand.events == [event]
    assert hand.producer is None
    assert served.tally.messages_received == 2


def test_an_end_while_the_peer_does_not_read_lets_input_through() -> None:
    """What comes after the end is read and dropped; left in the kernel, it would turn the close into a reset."""
    hand = Served(reply(b"no"), None, Delimited(b"\n")).hand()
    hand.room = 3
    hand.feed(b"a\nb\nQUIT\n")
    assert not hand.reading
    hand.take()
    assert hand.written == b"nonobye"
    assert hand.reading


@pytest.mark.parametrize("framing", [Delimited(b"\n"), Netstring(), Prefixed(2)], ids=repr)
def test_a_framing_fault_ends_after_what_was_right(framing: Framing) -> None:
    """Messages before the fault are answered, then the connection ends and is counted once."""
    served = Served(reply(b"ok"), StreamLimits(frame=20), framing)
    hand = served.hand()
    hand.feed(framing.encode(b"1") + framing.encode(b"2") + b"x" * 60)
    hand.feed(framing.encode(b"3"))
    said = framing.encode(b"ok") if framing.symmetric else b"ok"
    assert hand.written == said * 2
    assert hand.events == ["half-close"]
    assert served.tally.dropped == {"frame": 1}


def test_nothing_is_read_into_a_stream_that_is_broken() -> None:
    """While answers before the fault wait for the peer, bytes behind the fault are not taken for messages."""
    served = Served(reply(b"0123456789"), StreamLimits(frame=20), Netstring())
    hand = served.hand()
    hand.room = 5
    hand.feed(b"1:a,1:b,?")
    # TLS hands on what it has already decrypted although reading is paused.
    hand.feed(b"1:c,1:d,")
    hand.take()
    assert hand.written == b"10:0123456789," * 2
    assert served.tally.dropped == {"frame": 1}


def test_an_answer_that_cannot_be_framed_ends() -> None:
    """Rather than be sent in a form which the peer would misread."""
    served = Served(reply(b"x" * 256), None, Prefixed(1))
    hand = served.hand()
    hand.feed(b"\1a\1b")
    assert not hand.written
    assert hand.events == ["half-close"]
    assert served.tally.dropped == {"frame": 1}


def test_greeting_comes_first() -> None:
    """Before any message, framed like a reply, and with the peer's names in it."""
    greeting = b"{peer.host}:{peer.port} at {local.host}:{local.port}"
    said = b"192.0.2.1:4711 at 192.0.2.2:55555"
    assert Served(reply(b"x", greeting=greeting)).hand().written == said
    assert Served(reply(b"x", greeting=greeting), None, Netstring()).hand().written == b"33:%b," % said
    assert (THERE.host, HERE.port) == ("192.0.2.1", 55555)


class Own(OwnAnswer):
    """An answer of somebody's own, with a fault in it."""

    def message(self, data: bytes) -> Said:
        """Divide."""
        return Said(b"%d" % (100 // int(data)))


def test_an_answer_that_fails_costs_its_connection(logged_failures: list[Failure]) -> None:
    """It is logged and counted, what was answered before is flushed, and others live on."""
    served = Served(Own.answer(), None, Delimited(b"\n"))
    hand, other = served.hand(), served.hand()
    hand.feed(b"50\n0\n25\n")
    other.feed(b"10\n")
    assert (bytes(hand.written), hand.events) == (b"2", ["half-close"])
    assert (bytes(other.written), other.events) == (b"10", [])
    assert served.tally.dropped == {"error": 1}
    assert [failure.type for failure in logged_failures] == [ZeroDivisionError]
    logged_failures.clear()


def test_an_endless_talk_is_paced_and_ignores_input() -> None:
    """One piece whenever all before has left; what the peer sends is thrown away (RFC 864)."""
    served = Served(Chargen(WORLD))
    hand = served.hand()
    piece = len(hand.written)
    hand.feed(b"hello")
    assert len(hand.written) == piece
    hand.take()
    assert len(hand.written) == 2 * piece
    assert hand.written == (PATTERN * 100)[: 2 * piece]
    assert served.tally.received_bytes == 5
    assert served.tally.sent_bytes == 2 * piece


def test_an_endless_talk_is_over_when_the_daemon_stops() -> None:
    """There is nothing left to answer, so nobody waits for its peer to have enough."""
    served = Served(Chargen(WORLD))
    hand = served.hand()
    hand.protocol.leave(urgent=False)
    assert hand.events == ["half-close"]


def test_transports_that_cannot_half_close_are_closed() -> None:
    """An endpoint plugin's transport may have no such thing."""

    class Bare:
        """A transport with what `ITransport` and `IConsumer` promise, and nothing else."""

        def __init__(self, hand: Hand) -> None:
            self._hand = hand

        def __getattr__(self, name: str) -> object:
            if name == "loseWriteConnection":
                raise AttributeError(name)
            return getattr(self._hand, name)

    hand = Served(reply(b"no"), None, Delimited(b"\n")).hand()
    hand.protocol.transport = Bare(hand)
    hand.feed(b"a\nQUIT\nb\n")
    assert hand.written == b"nobye"
    assert hand.events == ["close"]


def test_reflecting_answers_get_the_short_way() -> None:
    """And all others the long one; both know who talks."""
    peers: list[Peer] = []

    class Noted(OwnAnswer):
        """Notes its peer."""

        def __init__(self, peer: Peer) -> None:
            super().__init__(peer)
            peers.append(peer)

    Served(Noted.answer()).hand()
    assert peers == [Peer("192.0.2.1", 4711, "192.0.2.2", 55555)]
    hand = Served(reply(b"{message}"), None, Stream()).hand()
    hand.feed(b"any bytes")
    assert hand.written == b"any bytes"
