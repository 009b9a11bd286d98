"""What is told of datagrams, on the batched way and on the plain one, and that watching changes nothing else."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echod.answers.answer import Said, World
from echod.answers.echo import Echo
from echod.answers.own import OwnAnswer
from echod.answers.reply import Reply, Rule
from echod.answers.template import Template
from echod.answers.when import Compares
from echod.guard.datagrams import DatagramGuard
from echod.guard.sources import Permit
from echod.tally import Tally
from echod.transport.datagram import DatagramPort
from echod.transport.mmsg import SIZE, Batch
from echod.transport.reflect import ReflectingPort
from echod.udp import DatagramServer, ReflectingServer
from echod.watch import PREVIEW, SUM_UP, Event, Hub
from tests.transport.datagrams import LARGEST_4
from tests.transport.test_reflect_errors import FailingBatch
from tests.transport.wires import Host, numbered

if TYPE_CHECKING:
    from pathlib import Path

    from twisted.python.failure import Failure

    from echod.answers.answer import Answer

NOW = 1_700_000_000.5
WORLD = World(lambda: 0.0, lambda: "", lambda: 0.5)


class Watched:
    """
    A datagram service on a real socket, in a hub.

    :param where: the name that it is bound to.
    :param batch: room for datagrams that are sent back unseen; None for the plain way.
    :ivar own_ports: the ports of services of ours, whose datagrams are never answered.
    """

    def __init__(
        self,
        answer: Answer | None = None,
        where: Any = ("127.0.0.1", 0),
        batch: Batch | None = None,
        *,
        watching: bool = True,
        messages: bool = True,
    ) -> None:
        family = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET6 if ":" in where[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind(where)
        self.host = Host()
        self.tally = Tally()
        self.own_ports: set[int] = set()
        guard = None
        if family != socket.AF_UNIX:
            guard = DatagramGuard(self.own_ports, Permit(), None, self.host.seconds)
        self.server: DatagramServer
        self.port: DatagramPort
        answer = Echo() if answer is None else answer
        if batch is None:
            self.server = DatagramServer(answer, self.tally, 65_536, guard)
            self.port = DatagramPort(self.socket, self.server, self.host, None, self.tally.dropped)
        else:
            self.server = ReflectingServer(answer, self.tally, 65_536, guard)
            self.port = ReflectingPort(self.socket, self.server, self.host, batch, None, self.tally.dropped)
        self.hub = Hub(self.host, lambda: NOW)
        self.hub.add("x", self.server)
        self.heard: list[Event] = []
        self.subscription = self.hub.subscribe(self.heard.append, messages=messages) if watching else None
        self.port.startListening()
        self.clients: list[socket.socket] = []

    def client(self, where: Any = None, at: Any = None) -> socket.socket:
        """Make a client, bound to a name, and connected to where the service is reached."""
        client = socket.socket(self.socket.family, socket.SOCK_DGRAM)
        self.clients.append(client)
        client.settimeout(2)
        if at is not None:
            client.bind(at)
        client.connect(self.socket.getsockname() if where is None else where)
        return client

    @property
    def story(self) -> list[tuple[str, bytes, str]]:
        """What was told, in short."""
        return [(each.kind, each.preview, each.reason) for each in self.heard]

    def close(self) -> None:
        """Leave nothing."""
        self.hub.close()
        self.port.stopListening()
        for client in self.clients:
            client.close()


Serve = Callable[..., Watched]


@pytest.fixture(name="serve")
def server_maker() -> Iterator[Serve]:
    """Make watched services, and close them at the end."""
    made: list[Watched] = []

    def serve(*args: Any, **more: Any) -> Watched:
        made.append(Watched(*args, **more))
        return made[-1]

    yield serve
    for watched in made:
        watched.close()


def written(name: Any) -> str:
    """Write a socket name."""
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_echo(serve: Serve, host: str, batched: bool) -> None:
    """Each datagram and its answer, in order, with both addresses; an empty one too; the beginning of a long one."""
    watched = serve(None, (host, 0), Batch() if batched else None)
    one, two = watched.client(), watched.client()
    long = numbered(LARGEST_4)
    for client, data in ((one, b"hello"), (two, b""), (one, long)):
        client.send(data)
    watched.port.read(9)
    assert [one.recv(99_999), two.recv(9), one.recv(99_999)] == [b"hello", b"", long]
    assert [(each.kind, each.size, each.preview) for each in watched.heard] == [
        *[("received", 5, b"hello"), ("sent", 5, b"hello")],
        *[("received", 0, b""), ("sent", 0, b"")],
        *[("received", LARGEST_4, long[:PREVIEW]), ("sent", LARGEST_4, long[:PREVIEW])],
    ]
    names = [written(each.getsockname()) for each in (one, one, two, two, one, one)]
    assert [each.peer for each in watched.heard] == [each.connection for each in watched.heard] == names
    local = written(watched.socket.getsockname())
    assert {(each.service, each.at, each.transport, each.local) for each in watched.heard} == {("x", NOW, "udp", local)}


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("anywhere", ["0.0.0.0", "::"])
def test_the_address_that_was_hit(serve: Serve, anywhere: str, batched: bool) -> None:
    """A service on all addresses is told by the one that its peer knows."""
    hit = "127.0.0.9" if anywhere == "0.0.0.0" else "::1"
    watched = serve(None, (anywhere, 0), Batch() if batched else None)
    port = watched.socket.getsockname()[1]
    client = watched.client((hit, port))
    client.send(b"x")
    watched.port.read(9)
    assert {each.local for each in watched.heard} == {written((hit, port))}


def test_unix(serve: Serve, tmp_path: Path) -> None:
    """Paths, which are escaped: a peer chooses its own; one without a name is dropped."""
    watched = serve(None, str(tmp_path / "s"))
    client = watched.client(None, str(tmp_path / "c\x1b[31m"))
    client.send(b"named")
    watched.client().send(b"unnamed")
    watched.port.read(9)
    assert watched.story == [("received", b"named", ""), ("sent", b"named", ""), ("dropped", b"unnamed", "unnamed")]
    assert [each.peer for each in watched.heard] == [f"{tmp_path}/c\\x1b[31m"] * 2 + [""]
    assert {(each.transport, each.local) for each in watched.heard} == {("unixgram", f"{tmp_path}/s")}


class Own(OwnAnswer):
    """An answer of somebody's own, with a fault in it."""

    def message(self, data: bytes) -> Said:
        """Divide."""
        return Said(b"%d" % (100 // int(data)))


def test_answers_and_silence(serve: Serve, logged_failures: list[Failure]) -> None:
    """What was asked and what was said; silence is told as that, what may not be said or fails as dropped."""
    rules = [
        Rule(Compares("equals", b"long"), (Template.literal(b"x" * 99),)),
        Rule(Compares("equals", b"hello"), (Template.literal(b"hi"),)),
    ]
    watched = serve(Reply("x", rules, None, WORLD), ("127.0.0.1", 0))
    client = watched.client()
    for data in (b"hello", b"other", b"long"):
        client.send(data)
    watched.port.read(9)
    expected = [("received", b"hello", ""), ("sent", b"hi", ""), ("received", b"other", "")]
    assert watched.story == [*expected, ("received", b"long", ""), ("sent", b"x" * 99, "")]

    failing = serve(Own.answer())
    failing.client().send(b"0")
    failing.port.read(9)
    assert failing.story == [("dropped", b"0", "error")]
    logged_failures.clear()


def test_an_answer_that_is_too_long_is_dropped() -> None:
    """Its peer is not trusted with more than it sent: here, the datagram is said to come from elsewhere."""
    watched = Watched(Reply("x", [Rule(None, (Template.literal(b"longer"),))], None, WORLD))
    watched.server.datagramReceived(b"short", ("192.0.2.1", 4711))
    watched.close()
    assert watched.story == [("dropped", b"short", "amplification")]
    assert (watched.heard[0].peer, watched.tally.dropped) == ("192.0.2.1:4711", {"amplification": 1})


@pytest.mark.parametrize("batched", [True, False])
def test_drops_among_others(serve: Serve, batched: bool) -> None:
    """In the order in which they came, each with its reason, as it is counted."""
    watched = serve(None, ("127.0.0.1", 0), Batch() if batched else None)
    good, own = watched.client(), watched.client()
    watched.own_ports.add(own.getsockname()[1])
    for client, data in ((good, b"1"), (own, b"2"), (own, b"3"), (good, b"4")):
        client.send(data)
    watched.port.read(9)
    assert [good.recv(9), good.recv(9)] == [b"1", b"4"]
    assert watched.story == [
        *[("received", b"1", ""), ("sent", b"1", "")],
        *[("dropped", b"2", "own-port"), ("dropped", b"3", "own-port")],
        *[("received", b"4", ""), ("sent", b"4", "")],
    ]
    good.send(b"5")
    watched.port.read(9)
    assert watched.story[6:] == [("received", b"5", ""), ("sent", b"5", "")]
    assert watched.tally.dropped == {"own-port": 2}


def test_drops_alone(serve: Serve) -> None:
    """Whoever wants no messages hears of drops all the same."""
    for batch in (None, Batch()):
        watched = serve(None, ("127.0.0.1", 0), batch, messages=False)
        good, own = watched.client(), watched.client()
        watched.own_ports.add(own.getsockname()[1])
        good.send(b"1")
        own.send(b"2")
        watched.port.read(9)
        assert watched.story == [("dropped", b"2", "own-port")]


@pytest.mark.parametrize(("code", "lost"), [(errno.EPERM, [1]), (errno.EAGAIN, [1, 2])])
def test_what_the_kernel_does_not_send(serve: Serve, code: int, lost: list[int]) -> None:
    """It is dropped by the name of the error; of the next batch, nothing of this one is told again."""
    watched = serve(None, ("127.0.0.1", 0), FailingBatch("send", 1, code))
    client = watched.client()
    for data in (b"0", b"1", b"2"):
        client.send(data)
    watched.port.read(9)
    client.send(b"next")
    watched.port.read(9)
    name = errno.errorcode[code]
    story: list[tuple[str, bytes, str]] = []
    for number in range(3):
        data = b"%d" % number
        story += [("dropped", data, name)] if number in lost else [("received", data, ""), ("sent", data, "")]
    assert watched.story == [*story, ("received", b"next", ""), ("sent", b"next", "")]
    assert watched.tally.dropped == {name: len(lost)}


def test_what_the_kernel_does_not_send_on_the_plain_way() -> None:
    """It is dropped by the name of the error here too."""
    watched = Watched()
    # An echo to port 0 is refused by the kernel (EINVAL); no peer can have it.
    watched.server._guard = None
    watched.server.datagramReceived(b"x", ("127.0.0.1", 0))
    watched.close()
    assert watched.story == [("dropped", b"x", "EINVAL")]
    assert watched.tally.dropped == {"EINVAL": 1}


@settings(max_examples=30)
@given(
    batched=st.booleans(),
    bursts=st.lists(st.tuples(st.booleans(), st.lists(st.binary(max_size=40), max_size=70)), max_size=6),
)
def test_the_same_datagrams_whoever_watches_and_when(batched: bool, bursts: list[tuple[bool, list[bytes]]]) -> None:
    """Each comes back as it was, and counts are the same; while somebody watches, each is told."""
    watched = Watched(None, ("127.0.0.1", 0), Batch() if batched else None, watching=False)
    client = watched.client()
    subscription = None
    count = 0
    try:
        for watching, burst in bursts:
            watched.heard.clear()
            if watching and subscription is None:
                subscription = watched.hub.subscribe(watched.heard.append)
            elif not watching and subscription is not None:
                subscription.close()
                subscription = None
            for data in burst:
                client.send(data)
            watched.port.read(SIZE * 2)
            assert [client.recv(99) for _ in burst] == burst
            count += len(burst)
            told = [text for data in burst for text in (("received", data, ""), ("sent", data, ""))]
            assert watched.story == (told if watching else [])
            watched.host.advance(3)
        tally = watched.tally
        assert tally.messages_received == tally.messages_sent == count
        assert not tally.dropped
    finally:
        watched.close()


def test_nobody_watching_leaves_nothing(serve: Serve) -> None:
    """Neither before nor after is anything attached to the port, also one that opens or closes meanwhile."""
    watched = serve(None, ("127.0.0.1", 0), Batch(), watching=False)
    port: Any = watched.port
    assert port.onlooker is None
    subscription = watched.hub.subscribe(watched.heard.append)
    assert port.onlooker is not None
    subscription.close()
    assert port.onlooker is None
    assert watched.server._witness is None
    watched.port.stopListening()
    watched.hub.subscribe(watched.heard.append)
    assert watched.server._witness is None


def test_a_flood_is_sampled_from_all_places() -> None:
    """Of 25,600 datagrams in batches, a few hundred are told, from every place in a batch, and the others counted."""
    watched = Watched(None, ("127.0.0.1", 0), Batch())
    client = watched.client()
    for _ in range(400):
        for place in range(SIZE):
            client.send(bytes([place]))
        assert watched.port.read(SIZE) == SIZE
        for _ in range(SIZE):
            client.recv(9)
        watched.host.advance(0.01)
    watched.host.advance(SUM_UP)
    watched.close()
    messages = [each for each in watched.heard if each.kind != "sampled"]
    left_out = sum(each.count for each in watched.heard if each.kind == "sampled")
    assert 1_000 <= len(messages) <= 3_000
    assert [each.kind for each in messages] == ["received", "sent"] * (len(messages) // 2)
    assert len(messages) + left_out == 2 * 25_600
    told = [each.preview[0] for each in messages[-1_000:]]
    assert set(told) == set(range(SIZE))


def test_who_was_welcome_is_asked_for_again() -> None:
    """At a reload, a port may become one of ours: what comes from it is not answered any more."""
    watched = Watched(None, ("127.0.0.1", 0), Batch())
    client = watched.client()
    client.send(b"before")
    watched.port.read(9)
    assert client.recv(9) == b"before"
    watched.own_ports.add(client.getsockname()[1])
    assert isinstance(watched.port, ReflectingPort)
    watched.port.forget()
    client.send(b"after")
    watched.port.read(9)
    watched.close()
    assert watched.tally.dropped == {"own-port": 1}
