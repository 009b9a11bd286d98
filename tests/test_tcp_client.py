"""The client half of streams: what it tells, in which order, and that it does not take itself for a server."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
import pytest_twisted
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from zope.interface import directlyProvides

from echod.answers.exam import Ending
from echod.framing import Delimited, Framing, Netstring, Prefixed, Stream
from echod.talk import address_of
from echod.tcp import SelfConnectionError, StreamClient, StreamClientFactory
from tests.served import HERE, THERE, Hand, Served

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

in_reactor: Callable[[Callable[..., Coroutine[Any, Any, None]]], Callable[..., Any]] = pytest_twisted.ensureDeferred


class Heard:
    """Writes down what a client tells."""

    def __init__(self) -> None:
        self.told: list[bytes | Ending] = []

    def received(self, data: bytes) -> None:
        """Note a piece."""
        self.told.append(data)

    def ended(self, ending: Ending) -> None:
        """Note the end."""
        self.told.append(ending)


def connected(framing: Framing | None = None) -> tuple[Hand, StreamClient, Heard]:
    """Make a client on a transport in the hand, with a listener."""
    client = StreamClientFactory(framing, 20).buildProtocol(THERE)
    hand, heard = Hand(client), Heard()
    client.listen(heard)
    return hand, client, heard


@pytest.mark.parametrize("framing", [None, Stream(), Delimited()])
def test_replies_without_bounds_are_told_as_they_come(framing: Framing | None) -> None:
    """Where the server sends replies as written, the client cannot know where one ends."""
    hand, client, heard = connected(framing)
    assert not client.whole
    hand.feed(b"a\r\nb")
    hand.feed(b"c")
    assert heard.told == [b"a\r\nb", b"c"]


@pytest.mark.parametrize("framing", [Netstring(), Prefixed(1), Prefixed(4)], ids=repr)
def test_framed_replies_are_told_whole(framing: Framing) -> None:
    """And requests are framed the same way."""
    hand, client, heard = connected(framing)
    assert client.whole
    raw = framing.encode(b"one") + framing.encode(b"") + framing.encode(b"two")
    for at in range(len(raw)):
        hand.feed(raw[at : at + 1])
    assert heard.told == [b"one", b"", b"two"]
    client.send(b"request")
    assert hand.written == framing.encode(b"request")


def test_a_broken_reply_ends_the_talk() -> None:
    """What was whole before is told, then that the rest is none; a reply over the limit is not kept."""
    hand, _, heard = connected(Prefixed(1))
    hand.feed(b"\1a\xff" + b"x" * 9)
    assert heard.told == [b"a", Ending.GARBLED]
    assert hand.events == ["abort"]


def test_what_came_early_is_told_first() -> None:
    """A greeting or an end that arrives before anyone listens is not lost."""
    client = StreamClientFactory(None, 20).buildProtocol(THERE)
    hand, heard = Hand(client), Heard()
    hand.feed(b"220 ready")
    client.readConnectionLost()
    client.connectionLost(Failure(ConnectionDone()))
    assert hand.events == ["close"]
    client.listen(heard)
    assert heard.told == [b"220 ready", Ending.CLEAN, Ending.CLEAN]


@pytest.mark.parametrize(
    ("reason", "ending"),
    [(ConnectionDone(), Ending.CLEAN), (ConnectionLost(), Ending.RESET), (ConnectionAborted(), Ending.RESET)],
)
def test_endings(reason: Exception, ending: Ending) -> None:
    """A clean end and a reset are told apart."""
    hand, client, heard = connected()
    client.end()
    client.close()
    client.connectionLost(Failure(reason))
    assert hand.events == ["half-close", "abort"]
    assert heard.told == [ending]


def test_addresses() -> None:
    """Host and port, or the path of a Unix socket, which may be none."""
    assert address_of(HERE) == ("192.0.2.2", 55555)
    assert address_of(object()) == ("", 0)


def test_a_client_knows_itself() -> None:
    """A transport whose two ends are one is no connection with a server."""
    client = StreamClientFactory().buildProtocol(THERE)
    hand = Hand.__new__(Hand)
    directlyProvides(hand, ITCPTransport)
    hand.getHost = hand.getPeer  # type: ignore[method-assign]
    hand.events = []
    client.makeConnection(hand)
    assert client.joined_itself
    assert hand.events == ["abort"]


@in_reactor
async def test_tcp_joined_with_itself() -> None:
    """The kernel really does this: a client bound to the port which it asks for would hear its own words."""
    from twisted.internet import reactor
    from twisted.internet.endpoints import TCP4ClientEndpoint

    from echod.client import connect
    from echod.failures import TalkError

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        name = sock.getsockname()
    client: Any = await TCP4ClientEndpoint(reactor, name[0], name[1], bindAddress=name).connect(StreamClientFactory())
    assert client.joined_itself
    await deferLater(reactor, 0.01)
    assert issubclass(SelfConnectionError, ConnectionRefusedError)
    with pytest.raises(TalkError) as caught:
        await connect(reactor, f"tcp:127.0.0.1:{name[1]}:bindAddress=127.0.0.1")
    assert caught.value.word == "refused"


def test_both_halves_understand_each_other() -> None:
    """What the client frames, the server reads, and the other way round."""
    for framing in (Netstring(), Prefixed(2), Stream()):
        served = Served(None, None, framing)
        server = served.hand()
        hand, client, heard = connected(framing)
        client.send(b"every byte")
        server.feed(bytes(hand.written))
        hand.feed(bytes(server.written))
        assert heard.told == [b"every byte"]
