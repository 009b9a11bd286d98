"""Datagrams: one message each, answered or not, with a bounded memory of who asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, UNIXAddress

from echod import udp
from echod.answers.answer import Peer, Said, World
from echod.answers.echo import Echo
from echod.answers.exam import Ending
from echod.answers.own import OwnAnswer
from echod.answers.reply import Reply, Rule
from echod.answers.template import Template
from echod.answers.when import Compares
from echod.tally import Tally
from echod.udp import DatagramClient, DatagramClientFactory, DatagramServer

if TYPE_CHECKING:
    from echod.answers.answer import Answer, Path

PEER = ("192.0.2.1", 4711)
WORLD = World(lambda: 0.0, lambda: "", lambda: 0.5)


class Port:
    """A datagram port without a socket."""

    arrived_at = "192.0.2.9"
    unicast = True

    def __init__(self, host: Any = None, *, takes: bool = True) -> None:
        self._host = IPv4Address("UDP", "192.0.2.9", 7007) if host is None else host
        self._takes = takes
        self.written: list[tuple[bytes, Any]] = []
        self.stopped = 0

    def getHost(self) -> Any:
        """Return the own address."""
        return self._host

    def write(self, datagram: bytes, addr: Any = None) -> bool:
        """Note it."""
        self.written.append((datagram, addr))
        return self._takes

    def stopListening(self) -> None:
        """Count."""
        self.stopped += 1


class Served:
    """A server on such a port, with its counts."""

    def __init__(self, answer: Answer, port: Port | None = None, **settings: Any) -> None:
        self.port = Port() if port is None else port
        self.tally = Tally()
        self.server = DatagramServer(answer, self.tally, **settings)
        self.server.transport = self.port
        self.server.startProtocol()

    def ask(self, datagram: bytes, addr: Any = PEER) -> bytes | None:
        """Send a datagram and return the answer, which must go back to where it came from."""
        self.server.datagramReceived(datagram, addr)
        if not self.port.written:
            return None
        ((said, to),) = self.port.written
        self.port.written.clear()
        assert to == addr
        return said


def reply(*texts: bytes, to: bytes | None = None) -> Reply:
    """Make an answer with a list of texts."""
    when = None if to is None else Compares("equals", to)
    return Reply("x", [Rule(when, tuple(Template.parse(text) for text in texts))], None, WORLD)


@given(st.lists(st.binary(max_size=50)))
def test_echo(datagrams: list[bytes]) -> None:
    """Each datagram comes back as one, also an empty one."""
    served = Served(Echo())
    assert [served.ask(datagram) for datagram in datagrams] == datagrams
    assert served.tally.messages_received == served.tally.messages_sent == len(datagrams)
    assert served.tally.received_bytes == served.tally.sent_bytes == sum(map(len, datagrams))


def test_silence() -> None:
    """No answer is no datagram, not an empty one; an empty answer is one."""
    served = Served(reply(b"", to=b"hello"))
    assert served.ask(b"hello") == b""
    assert served.ask(b"other") is None
    assert (served.tally.messages_received, served.tally.messages_sent) == (2, 1)


def test_the_peer_and_the_address_it_hit() -> None:
    """The answer hears them; a link-local peer keeps its scope for the way back."""
    peers: list[Peer] = []

    class Noted(OwnAnswer):
        """Notes its peer."""

        def __init__(self, peer: Peer) -> None:
            super().__init__(peer)
            peers.append(peer)

        def message(self, data: bytes) -> Said:
            """Echo."""
            return Said(data)

    served = Served(Noted.answer())
    served.ask(b"x")
    assert served.ask(b"x", ("fe80::1", 9999, 0, 3)) == b"x"
    assert [(p.host, p.port, p.local_host, p.local_port) for p in peers] == [
        ("192.0.2.1", 4711, "192.0.2.9", 7007),
        ("fe80::1", 9999, "192.0.2.9", 7007),
    ]


@pytest.mark.parametrize("nobody", [None, "", b""])
def test_unnamed_unix_peers_cannot_be_answered(nobody: Any) -> None:
    """A Unix datagram socket without a name has nowhere to send to: counted, not raised."""
    served = Served(Echo(), Port(UNIXAddress("/run/s")))
    assert served.ask(b"x", nobody) is None
    assert served.tally.dropped == {"unnamed": 1}


@pytest.mark.parametrize(("name", "host"), [("/run/c", "/run/c"), (b"\0abc", "\0abc"), (b"\0\xff", "\0\\xff")])
def test_named_unix_peers(name: Any, host: str) -> None:
    """Paths and abstract names are answered, and can be shown."""
    served = Served(reply(b"{peer.host}|{peer.port}"), Port(UNIXAddress("/run/s")))
    assert served.ask(b"x", name) == b"%b|0" % host.encode()


def test_a_datagram_over_the_limit_is_dropped() -> None:
    """The limit of a message holds here too, exactly."""
    served = Served(Echo(), longest=10)
    assert served.ask(bytes(10)) == bytes(10)
    assert served.ask(bytes(11)) is None
    assert served.tally.dropped == {"frame": 1}


def test_what_the_kernel_refused_is_not_counted_as_sent() -> None:
    """Received and sent must differ by what was lost."""
    served = Served(Echo(), Port(takes=False))
    served.ask(b"x")
    assert (served.tally.messages_received, served.tally.messages_sent, served.tally.sent_bytes) == (1, 0, 0)


def test_a_peer_is_remembered_by_its_address() -> None:
    """Lists and counts go on for each peer of its own."""
    served = Served(reply(b"1", b"2", b"{count}"))
    other = ("192.0.2.1", 4712)
    assert [served.ask(b"", PEER), served.ask(b"", other), served.ask(b"", PEER)] == [b"1", b"1", b"2"]
    assert [served.ask(b"", PEER), served.ask(b"", other)] == [b"3", b"2"]


def test_memory_is_bounded_and_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever spoke last is remembered longest, however many forged addresses there are."""
    monkeypatch.setattr(udp, "REMEMBERED", 3)
    served = Served(reply(b"{count}"))
    for port in (1, 2, 3, 1, 4):
        served.ask(b"", ("192.0.2.1", port))
    assert [served.ask(b"", ("192.0.2.1", port)) for port in (1, 3, 4)] == [b"3", b"2", b"2"]
    assert served.ask(b"", ("192.0.2.1", 2)) == b"1"
    for port in range(1000, 2000):
        served.ask(b"", ("192.0.2.1", port))
    assert len(served.server._conversations) == 3


def test_answers_without_memory_keep_none() -> None:
    """Nothing is stored for echo and single replies."""
    served = Served(reply(b"hi"))
    for port in range(1000, 1100):
        served.ask(b"", ("192.0.2.1", port))
    assert not served.server._conversations


def test_an_answer_that_fails_costs_its_datagram(logged_failures: list[Any]) -> None:
    """The next one is answered; only the first failures are logged, all are counted."""

    class Own(OwnAnswer):
        """Divides."""

        def message(self, data: bytes) -> Said:
            """Divide."""
            return Said(b"%d" % (100 // int(data)))

    served = Served(Own.answer())
    assert [served.ask(data) for data in (b"0", b"50")] == [None, b"2"]
    for _ in range(50):
        served.ask(b"0")
    assert served.tally.dropped == {"error": 51}
    assert 1 <= len(logged_failures) <= 20
    logged_failures.clear()


def test_exams_are_passed_over_datagrams() -> None:
    """The client's exams hold for what the server really sends, answer by answer."""
    from echod.answers.answer import Path as Paths
    from echod.answers.exam import RIGHT

    path: Path = Paths.DATAGRAM
    for answer in (Echo(), reply(b"{peer.host} {local.port} {count}"), reply(b"1", b"2")):
        for exam in answer.exams(path):
            assert exam.request is not None
            said = Served(answer).ask(exam.request)
            assert said is not None
            assert exam.received(said, whole=True) is None
            assert exam.silent() == RIGHT


class Heard:
    """Writes down what a client tells."""

    def __init__(self) -> None:
        self.told: list[bytes | Ending] = []

    def received(self, data: bytes) -> None:
        """Note a message."""
        self.told.append(data)

    def ended(self, ending: Ending) -> None:
        """Note the end."""
        self.told.append(ending)


def test_client() -> None:
    """It sends, tells whole messages and refusals, ignores what came before anyone asked, and closes."""
    client: DatagramClient = DatagramClientFactory().buildProtocol(None)
    port, heard = Port(), Heard()
    client.makeConnection(port)  # type: ignore[arg-type]
    assert client.whole
    client.datagramReceived(b"early", PEER)
    client.connectionRefused()
    client.listen(heard)
    client.send(b"hello")
    client.datagramReceived(b"", PEER)
    client.connectionRefused()
    client.datagramReceived(b"late", PEER)
    client.end()
    client.close()
    assert port.written == [(b"hello", None)]
    assert heard.told == [b"", Ending.REFUSED, b"late"]
    assert port.stopped == 1
