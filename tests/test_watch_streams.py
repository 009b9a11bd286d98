"""What is told of connections, from their beginning to their end, and of those that are not let in."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import ISSLTransport
from twisted.python.failure import Failure
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
from echod.watch import PREVIEW
from tests.served import THERE, Hand, fill
from tests.transport.wires import Wire, numbered
from tests.watched import NOW, WatchedServer

if TYPE_CHECKING:
    from ipaddress import IPv4Network

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


def test_a_reset_is_the_peers_although_the_answer_had_ended(serve: Serve) -> None:
    """Whoever resets is named: what the answer said last may be lost."""
    served = serve(saying(b"bye", Then.CLOSE), NONE)
    wire = served.wire()
    wire.peer.send(b"QUIT")
    wire.turn(2)
    wire.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.peer.close()
    served.until_gone(wire)
    assert served.story == ["opened", "received 4", "sent 3", "half-closed answer", "reset peer"]


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
    hand, late, failed = (SecureHand(served.factory.buildProtocol(THERE)) for _ in range(3))
    hand.protocol.handshakeCompleted()
    hand.feed(b"secret")
    failed.protocol.connectionLost(Failure(ConnectionLost()))
    assert hand.written == b"secret"
    for _ in range(60):
        served.host.advance(HANDSHAKE / 50)
    assert hand.events == []
    assert late.events == ["abort"]
    assert served.story == ["opened", "#2 opened", "#3 opened", "received 6", "sent 6", "#3 reset handshake"]
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
