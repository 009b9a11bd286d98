"""What is told of connections, and that watching changes nothing else."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import ISSLTransport
from zope.interface import directlyProvides

from echod.answers.answer import Said, World
from echod.answers.chargen import Chargen
from echod.answers.exam import Then
from echod.answers.own import OwnAnswer
from echod.answers.reply import Reply, Rule
from echod.answers.template import Template
from echod.connection import LINGER, QUIET_LOOKS, StreamLimits
from echod.framing import Delimited, Prefixed
from echod.guard.admission import Admission, Room
from echod.guard.sources import Permit
from echod.limits import HANDSHAKE
from echod.transport.proxied import ProxiedFactory
from echod.transport.stream import READ_SIZE
from echod.watch import PREVIEW, Event
from tests.served import HERE, THERE, Hand, fill
from tests.transport.wires import Wire, numbered
from tests.watched import NOW, WatchedServer

if TYPE_CHECKING:
    from ipaddress import IPv4Network

    from twisted.python.failure import Failure

NONE = StreamLimits(idle=0, stall=0, lifetime=0)

Serve = Callable[..., WatchedServer]


@pytest.fixture(name="serve")
def server_maker() -> Iterator[Serve]:
    """Make watched servers, and close their connections at the end."""
    made: list[WatchedServer] = []

    def serve(*args: Any, **more: Any) -> WatchedServer:
        made.append(WatchedServer(*args, **more))
        return made[-1]

    yield serve
    for served in made:
        served.close()
        served.hub.close()


def saying(text: bytes, then: Then = Then.KEEP, greeting: bytes | None = None) -> Reply:
    """Make an answer that says a text to anything."""
    world = World(lambda: 0.0, lambda: "", lambda: 0.0)
    rules = [Rule(None, (Template.literal(text),), then)]
    return Reply("x", rules, None if greeting is None else Template.literal(greeting), world)


# --- what is told -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_an_echo(serve: Serve, kind: str) -> None:
    """From beginning to end, with both addresses, and the bytes in both directions."""
    served = serve()
    wire = served.wire(kind)
    local = wire.ours.socket.getsockname()
    wire.peer.send(b"hello")
    assert wire.read(5) == b"hello"
    wire.peer.shutdown(socket.SHUT_WR)
    assert wire.read(1) == b""
    served.until_gone(wire)
    assert served.story == ["opened", "received 5", "sent 5", "half-closed peer", "closed peer"]
    assert served.heard[2].preview == b"hello"
    if kind == "tcp":
        ends = [f"127.0.0.1:{name[1]}" for name in (wire.peer.getsockname(), local)]
        told = {("x", NOW, "tcp", ends[0], ends[1])}
    else:
        told = {("x", NOW, "unix", "", "")}
    assert {(each.service, each.at, each.transport, each.peer, each.local) for each in served.heard} == told


def test_answers(serve: Serve) -> None:
    """What one read brought, and each reply as it is sent; the greeting comes before."""
    served = serve(saying(b"<ok>", greeting=b"220 hi"), None, Delimited(b"\n"))
    hand = served.hand()
    hand.feed(b"one\ntwo\nthr")
    hand.feed(b"ee\n")
    expected = ["opened", "sent 6", "received 11", "sent 4", "sent 4", "received 3", "sent 4"]
    assert served.story == expected
    assert [each.preview for each in served.heard[1:4]] == [b"220 hi", b"one\ntwo\nthr", b"<ok>"]
    assert {(each.peer, each.local) for each in served.heard} == {("192.0.2.1:4711", "192.0.2.2:55555")}


def test_an_endless_talk(serve: Serve) -> None:
    """Each piece that the peer takes, and what it says although nobody listens."""
    served = serve(Chargen(World(lambda: 0.0, lambda: "", lambda: 0.0)))
    hand = served.hand()
    hand.feed(b"enough")
    hand.take()
    size = len(hand.written) // 2
    assert served.story == ["opened", f"sent {size}", "received 6", f"sent {size}"]
    assert all(len(each.preview) <= PREVIEW for each in served.heard)


@pytest.mark.parametrize(
    ("then", "ends"),
    [
        (Then.CLOSE, ["half-closed answer", "half-closed peer", "closed answer"]),
        (Then.HALF_CLOSE, ["half-closed answer", "half-closed peer", "closed peer"]),
        (Then.RESET, ["reset answer"]),
    ],
)
def test_ends_that_an_answer_makes(serve: Serve, then: Then, ends: list[str]) -> None:
    """The answer is named; after its half-close, the end is the peer's."""
    served = serve(saying(b"bye", then), NONE)
    wire = served.wire()
    wire.step = 0.002
    wire.peer.send(b"QUIT")
    wire.turn(5)
    assert wire.peer.recv(3) == b"bye"
    wire.turn(5)
    with suppress(OSError):
        wire.peer.shutdown(socket.SHUT_WR)
    served.until_gone(wire)
    assert served.story == ["opened", "received 4", "sent 3", *ends]


def test_a_peer_that_stays_is_left(serve: Serve) -> None:
    """It had its answer, and the time to end the connection."""
    served = serve(saying(b"bye", Then.CLOSE), NONE)
    wire = served.wire()
    wire.peer.send(b"QUIT")
    wire.turn()
    served.run(wire, LINGER + 0.5)
    assert served.story == ["opened", "received 4", "sent 3", "half-closed answer", "closed answer"]


class Own(OwnAnswer):
    """An answer of somebody's own, with a fault in it."""

    def message(self, data: bytes) -> Said:
        """Divide."""
        return Said(b"%d" % (100 // int(data)))


def test_faults(serve: Serve, logged_failures: list[Failure]) -> None:
    """A frame that is too long, an answer that cannot be framed, and one that fails, are named as they are counted."""
    for answer, framing, data, reason in (
        (saying(b"ok"), Delimited(b"\n"), b"123456789", "frame"),
        (saying(b"x" * 300), Prefixed(1), b"\1a", "frame"),
        (Own.answer(), Delimited(b"\n"), b"0\n", "error"),
    ):
        served = serve(answer, StreamLimits(idle=0, frame=8), framing)
        wire = served.wire()
        wire.peer.send(data)
        wire.turn(3)
        wire.peer.close()
        served.until_gone(wire)
        story = [line for line in served.story if not line.startswith(("received", "sent"))]
        assert story == ["opened", f"half-closed {reason}", "half-closed peer", f"closed {reason}"]
        assert served.tally.dropped == {reason: 1}
    logged_failures.clear()


@pytest.mark.parametrize("reason", ["idle", "stall", "lifetime"])
@pytest.mark.parametrize("reflecting", [True, False])
def test_limits(serve: Serve, reason: str, reflecting: bool) -> None:
    """A limit that cuts a connection is named as it is counted, although messages are not told of here."""
    limits = {"idle": StreamLimits(idle=1), "stall": StreamLimits(stall=1), "lifetime": StreamLimits(lifetime=1)}
    served = serve(None if reflecting else saying(numbered(50_000)), limits[reason])
    served.watch_ends()
    wire = served.wire()
    if reason == "stall":
        fill(wire)
    served.until_gone(wire)
    assert served.story == ["opened", f"reset {reason}"]
    assert served.tally.dropped == {reason: 1}


def test_resets(serve: Serve) -> None:
    """The peer's own, and the kernel's for a peer that vanished; nothing more is known of either."""
    served = serve()
    wire = served.wire()
    wire.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.peer.close()
    served.until_gone(wire)
    other = served.wire()
    other.fail("recv_into", errno.ETIMEDOUT)
    other.peer.send(b"x")
    other.turn()
    assert served.story == ["opened", "reset peer", "#2 opened", "#2 reset vanished"]


def test_stops(serve: Serve) -> None:
    """The daemon, or a service that was taken away, ends its connections; at the end of the grace it cuts them."""
    served = serve(None, NONE)
    served.watch_ends()
    left, stuck, cut = served.wire(), served.wire(), served.wire()
    fill(stuck)
    cut.ours.protocol.abort()
    done = Deferred.fromCoroutine(served.factory.drain(3))
    left.step = 0.05
    left.turn(QUIET_LOOKS + 2)
    assert left.peer.recv(1) == b""
    left.peer.close()
    left.turn(61)
    assert done.called
    ends = ["#3 reset stop", "half-closed stop", "half-closed peer", "closed stop", "#2 reset grace"]
    assert served.story[3:] == ends
    assert served.tally.dropped == {"grace": 1}


class SecureHand(Hand):
    """A TLS transport above one of others."""

    transport = None

    def __init__(self, protocol: Any) -> None:
        directlyProvides(self, ISSLTransport)
        super().__init__(protocol)


def test_tls(serve: Serve) -> None:
    """It is named, its bytes are the ones within, and a handshake that is not done in time is too."""
    served = serve()
    hand, late = (SecureHand(served.factory.buildProtocol(THERE)) for _ in range(2))
    hand.protocol.handshakeCompleted()
    hand.feed(b"secret")
    assert hand.written == b"secret"
    for _ in range(60):
        served.host.advance(HANDSHAKE / 50)
    assert hand.events == []
    assert late.events == ["abort"]
    assert served.story == ["opened", "#2 opened", "received 6", "sent 6"]
    assert {each.transport for each in served.heard} == {"tls"}


# --- who is not let in --------------------------------------------------------------------------------------


def network(text: str) -> IPv4Network:
    """Make a network."""
    from ipaddress import IPv4Network

    return IPv4Network(text)


def test_connections_that_are_not_let_in(serve: Serve) -> None:
    """Each is dropped for its reason, with its address as far as there is one."""
    served = serve()
    served.factory.admission = Admission(Permit(deny=[network("192.0.2.9/32")]), Room(100), 2, 1)
    build = served.factory.buildProtocol
    assert build(IPv4Address("TCP", "192.0.2.9", 1)) is None
    assert build(THERE) is not None
    assert build(THERE) is None
    assert build(UNIXAddress("/run/\x1b[31mc")) is not None
    assert build(IPv6Address("TCP", "2001:db8::1", 2)) is None
    assert [(each.kind, each.transport, each.peer, each.local, each.reason) for each in served.heard] == [
        ("dropped", "tcp", "192.0.2.9:1", "", "denied"),
        ("dropped", "tcp", "192.0.2.1:4711", "", "per-source"),
        ("dropped", "tcp", "[2001:db8::1]:2", "", "full"),
    ]
    assert len({each.connection for each in served.heard}) == 3


def proxied(served: WatchedServer, *trusted: str, required: bool = True) -> ProxiedFactory:
    """Let balancers send headers."""
    permit = Permit(allow=[network(each) for each in trusted])
    return ProxiedFactory(served.factory, permit, served.host, served.factory, required=required)


def test_the_client_behind_a_balancer(serve: Serve) -> None:
    """Its addresses are those that the header names; before the header there is nothing to be told."""
    served = serve()
    wire = Wire("tcp", proxied(served, "127.0.0.0/8").buildProtocol(IPv4Address("TCP", "127.0.0.1", 1)), served.host)
    served._wires.append(wire)
    served.toggle(watching=False)
    served.toggle(watching=True)
    assert served.heard == []
    wire.peer.send(b"PROXY TCP4 203.0.113.7 198.51.100.1 56324 443\r\nhello")
    assert wire.read(5) == b"hello"
    assert served.story == ["opened", "received 5", "sent 5"]
    assert {(each.peer, each.local) for each in served.heard} == {("203.0.113.7:56324", "198.51.100.1:443")}


def test_headers_that_are_refused(serve: Serve) -> None:
    """One who may not send any, and one who sends nonsense: told with the address that connected."""
    served = serve()
    assert proxied(served, "192.0.2.200/32").buildProtocol(THERE) is None
    wire = Wire("tcp", proxied(served, "127.0.0.0/8").buildProtocol(IPv4Address("TCP", "127.0.0.1", 1)), served.host)
    served._wires.append(wire)
    wire.peer.send(b"GET / HTTP/1.0\r\n\r\n")
    name = wire.peer.getsockname()
    wire.turn(3)
    assert [(each.kind, each.peer, each.reason) for each in served.heard] == [
        ("dropped", "192.0.2.1:4711", "proxy-untrusted"),
        ("dropped", f"127.0.0.1:{name[1]}", "proxy-header"),
    ]


# --- watching changes nothing -------------------------------------------------------------------------------

steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 20_000)),
        st.tuples(st.just("read"), st.integers(1, 20_000)),
        st.tuples(st.just("turn"), st.just(1)),
        st.tuples(st.just("watch"), st.booleans()),
    ),
    max_size=40,
)


class Talk:
    """A client of an echo that is watched now and then; the bytes can be told by their places."""

    def __init__(self, kind: str, *, watching: bool) -> None:
        self.served = WatchedServer(None, StreamLimits(buffer=16_384), watching=watching)
        self.wire = self.served.wire(kind)
        self.wire.peer.setblocking(False)
        self.sent = 0
        self.said = numbered(400_000)
        self.heard = bytearray()
        self.seen: list[tuple[int, list[Event]]] = []

    def step(self, what: str, count: int) -> None:
        """Do one thing."""
        if what == "watch":
            self.watch(watching=bool(count))
        elif what == "turn":
            self.wire.turn()
        else:
            with suppress(BlockingIOError):
                if what == "send":
                    self.sent += self.wire.peer.send(self.said[self.sent : self.sent + count])
                else:
                    self.heard += self.wire.peer.recv(count)

    def watch(self, *, watching: bool) -> None:
        """Begin or end; note at which byte of the stream it was."""
        if watching != (self.served.subscription is not None):
            self.served.heard = []
            self.served.toggle(watching=watching)
            if watching:
                self.seen.append((self.served.tally.received_bytes, self.served.heard))

    def finish(self) -> None:
        """Say no more, and hear all."""
        self.wire.peer.shutdown(socket.SHUT_WR)
        for _ in range(10_000):
            self.wire.turn()
            with suppress(BlockingIOError):
                piece = self.wire.peer.recv(65_536)
                self.heard += piece
                if not piece:
                    return
        raise AssertionError("no end")


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(kind=st.sampled_from(["tcp", "unix"]), watching=st.booleans(), plan=steps)
def test_the_same_bytes_whoever_watches_and_when(kind: str, watching: bool, plan: list[tuple[str, int]]) -> None:
    """In the middle of a stream, with bytes waiting or not: none is lost, doubled or moved; what is seen is told."""
    talk = Talk(kind, watching=watching)
    try:
        if watching:
            talk.seen.append((0, talk.served.heard))
        for what, count in plan:
            talk.step(what, count)
        talk.finish()
        assert bytes(talk.heard) == talk.said[: talk.sent]
        assert talk.served.tally.received_bytes == talk.sent
        assert not talk.served.tally.dropped
        for at, events in talk.seen:
            place = at
            messages = [each for each in events if each.kind in ("received", "sent")]
            for received, sent in zip(messages[::2], messages[1::2], strict=True):
                assert (received.kind, sent.kind) == ("received", "sent")
                assert (received.size, received.preview) == (sent.size, sent.preview)
                assert received.preview == talk.said[place : place + min(PREVIEW, received.size)]
                place += received.size
    finally:
        talk.served.toggle(watching=False)
        talk.served.close()


def test_a_never_reader_is_held_back_while_it_is_watched(serve: Serve) -> None:
    """What waits for it stays below the limit and one read, and comes whole at last."""
    limits = StreamLimits(idle=0, stall=0, buffer=16_384)
    served = serve(None, limits)
    wire = served.wire()
    sent = fill(wire)
    waiting = len(wire.ours.dataBuffer) - wire.ours.offset + wire.ours._tempDataLen
    assert limits.buffer < waiting <= limits.buffer + READ_SIZE
    assert wire.ours not in wire.poller.getReaders()
    served.toggle(watching=False)
    assert wire.ours not in wire.poller.getReaders()
    assert len(wire.read(sent)) == sent
    wire.peer.send(b"more")
    assert wire.read(4) == b"more"


def test_nobody_watching_leaves_nothing(serve: Serve) -> None:
    """Before, the echo goes its short way; afterwards again, with nothing attached that was not there before."""
    served = serve(watching=False)
    wire = served.wire()
    server: Any = wire.ours.protocol
    before = dict(vars(server))
    assert wire.ours._reflected is server
    served.toggle(watching=True)
    assert wire.ours._reflected is None
    assert server.tap is not None
    later = served.wire()
    assert later.ours._reflected is None
    served.toggle(watching=False)
    assert wire.ours._reflected is server
    assert later.ours._reflected is later.ours.protocol
    assert (server.witness, server.tap) == (None, None)
    assert set(vars(server)) - set(before) == {"witness", "tap", "_number"}
    assert served.factory._sink is None


def test_beginnings_and_ends_alone_leave_the_echo_its_short_way(serve: Serve) -> None:
    """The access log does not ask for messages, and costs them nothing."""
    served = serve(watching=False)
    wire = served.wire()
    quiet = served.hub.subscribe(served.heard.append, messages=False)
    assert wire.ours._reflected is wire.ours.protocol
    served.toggle(watching=True)
    assert wire.ours._reflected is None
    served.toggle(watching=False)
    assert wire.ours._reflected is wire.ours.protocol
    wire.peer.send(b"hello")
    assert wire.read(5) == b"hello"
    wire.peer.close()
    served.until_gone(wire)
    assert served.story == ["half-closed peer", "closed peer"]
    # It was named when the first of these was told.
    assert served.heard[-1].local.startswith("127.0.0.1:")
    quiet.close()


def test_an_end_is_told_of_a_connection_that_nobody_knew(serve: Serve) -> None:
    """Cut before anything was told of it: its peer is known, its own address is not any more."""
    served = serve(None, StreamLimits(idle=1), watching=False)
    wire = served.wire()
    peer = wire.peer.getsockname()
    served.toggle(watching=True)
    served.until_gone(wire)
    assert served.story == ["reset idle"]
    assert (served.heard[0].peer, served.heard[0].local) == (f"127.0.0.1:{peer[1]}", "")


def test_an_end_of_ours_is_no_echo_again(serve: Serve) -> None:
    """Whoever stops watching a connection that is being ended does not wake the echo: input is still dropped."""
    served = serve(None, NONE)
    wire = served.wire()
    wire.ours.protocol.end(Then.CLOSE)
    served.toggle(watching=False)
    wire.peer.send(b"late")
    wire.turn(3)
    assert wire.ours._reflected is None
    assert wire.peer.recv(9) == b""


def test_a_flood_is_sampled_and_summed_up(serve: Serve) -> None:
    """50,000 messages: a few hundred are told, each with its answer, and the others are counted; ends are told."""
    served = serve()
    hand = served.hand()
    for _ in range(50_000):
        hand.feed(b"x")
    assert len(hand.written) == 50_000
    served.host.advance(1)
    messages = [each.kind for each in served.heard if each.kind in ("received", "sent")]
    assert 400 <= len(messages) <= 1_000
    assert messages == ["received", "sent"] * (len(messages) // 2)
    assert served.heard[0].kind == "opened"
    assert served.heard[-1] == Event("sampled", "x", NOW, count=100_000 - len(messages))
    assert (HERE.host, hand.events) == ("192.0.2.2", [])
