"""Watching a connection changes nothing else: the same bytes, the same back-pressure, and nothing left afterwards."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from echod.answers.exam import Then
from echod.connection import StreamLimits
from echod.transport.stream import READ_SIZE
from echod.watch import PREVIEW, Event
from tests.served import fill
from tests.transport.wires import numbered
from tests.watched import NOW, WatchedServer

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
        # Small windows between kernels may open late: the peer is waited for, each time for a moment.
        self.wire.peer.settimeout(0.01)
        for _ in range(2_000):
            self.wire.turn()
            with suppress(TimeoutError):
                piece = self.wire.peer.recv(65_536)
                self.heard += piece
                if not piece:
                    return
        raise AssertionError("no end")


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
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
    assert (vars(server)["witness"], vars(server)["tap"]) == (None, None)
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
    assert not hand.events
