"""Framing against Twisted's own receivers, which define the wire formats: as client and as server."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.protocol import Protocol
from twisted.protocols import basic
from twisted.test import iosim

from echod.framing import Delimited, Framing, Netstring, Prefixed
from tests.test_framing import LIMIT, fed, messages_of


class Ours(Protocol):
    """Decodes what comes with our framing, and answers each message with itself if `echoes`."""

    def __init__(self, framing: Framing, *, echoes: bool) -> None:
        self._framing = framing
        self._decoder = framing.decoder(LIMIT)
        self._echoes = echoes
        self.heard: list[bytes] = []

    def dataReceived(self, data: bytes) -> None:
        """Decode."""
        for message in self._decoder.feed(data):
            self.heard.append(message)
            if self._echoes:
                self.say(message)

    def say(self, message: bytes) -> None:
        """Encode."""
        assert self.transport is not None
        self.transport.write(self._framing.encode(message))


def theirs(receiver: Any, *, echoes: bool) -> Any:
    """Make one of Twisted's receivers that answers each message with itself if `echoes`."""
    made = receiver()
    made.heard = []
    say = made.sendLine if isinstance(made, basic.LineReceiver) else made.sendString

    def received(message: bytes) -> None:
        made.heard.append(message)
        if echoes:
            say(message)

    made.say, made.lineReceived, made.stringReceived = say, received, received
    return made


RECEIVERS: list[tuple[Framing, Any]] = [
    (Delimited(), basic.LineReceiver),
    (Netstring(), basic.NetstringReceiver),
    (Prefixed(1), basic.Int8StringReceiver),
    (Prefixed(2), basic.Int16StringReceiver),
    (Prefixed(4), basic.Int32StringReceiver),
]


@pytest.mark.parametrize(("framing", "receiver"), RECEIVERS)
@pytest.mark.parametrize("our_side", ["server", "client"])
@settings(max_examples=15)
@given(data=st.data())
def test_twisted_talks_with_us(framing: Framing, receiver: Any, our_side: str, data: st.DataObject) -> None:
    """Every message of ours comes through Twisted's receiver and back, whichever of us is the server."""
    messages = data.draw(messages_of(framing))
    ours, other = Ours(framing, echoes=our_side == "server"), theirs(receiver, echoes=our_side == "client")
    server, client = (ours, other) if our_side == "server" else (other, ours)
    pump = iosim.connect(server, iosim.makeFakeServer(server), client, iosim.makeFakeClient(client))
    for message in messages:
        client.say(message)
    pump.flush()

    assert ours.heard == messages
    assert other.heard == messages


@pytest.mark.parametrize("raw", [b"x", b":", b"01:a,", b"-1:", b"1:ab", b"21:", b"0:,", b"3:abc,", b"100000:"])
def test_twisted_judges_netstrings_as_we_do(raw: bytes) -> None:
    """What one refuses the other refuses, so that neither can be fooled by the other."""
    receiver = theirs(basic.NetstringReceiver, echoes=False)
    receiver.MAX_LENGTH = LIMIT
    transport = iosim.makeFakeClient(receiver)
    receiver.makeConnection(transport)
    receiver.dataReceived(raw)
    found, fault = fed(Netstring().decoder(LIMIT), [raw])

    assert found == receiver.heard
    assert (fault is not None) == transport.disconnecting
