"""Streams whose system calls fail, and streams that are reflected without a protocol."""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echod.tally import Tally
from tests.transport.wires import Notes, Wire, numbered

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(name="wire", params=["unix", "tcp"])
def make_wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    """Make a connection over each kind of socket."""
    wire = Wire(request.param, Notes())
    yield wire
    wire.close()


CODES = [
    *(errno.EPERM, errno.ENETUNREACH, errno.EINVAL, errno.EACCES, errno.EAGAIN, errno.EMSGSIZE),
    *(errno.ENOBUFS, errno.ECONNRESET, errno.ECONNREFUSED, errno.ENOMEM, errno.EPIPE, errno.ETIMEDOUT),
]


@pytest.mark.parametrize("code", CODES, ids=errno.errorcode.get)
def test_a_send_that_fails_once(wire: Wire, code: int) -> None:
    """No traceback; the buffered path asks the kernel again, and the message still arrives."""
    wire.fail("send", code)
    wire.ours.write(b"first ")
    wire.ours.write(b"second")
    assert wire.read(12) == b"first second"
    assert wire.protocol.events == []


@pytest.mark.parametrize("reflecting", [False, True])
@pytest.mark.parametrize("code", CODES, ids=errno.errorcode.get)
def test_a_read_that_fails(wire: Wire, code: int, reflecting: bool) -> None:
    """No traceback: nothing to read is not an error, and any other error ends this connection."""
    wire.fail("recv_into", code)
    if reflecting:
        wire.ours.reflect(Reflected())
    wire.peer.sendall(b"x")
    wire.turn()
    assert wire.protocol.events == ([] if code == errno.EAGAIN else ["ConnectionLost"])


class Reflected:
    """What a transport keeps up to date."""

    def __init__(self) -> None:
        self.active = 0.0
        self.patience = self
        self.now = 7.0
        self.tally = Tally()


def test_reflecting(wire: Wire) -> None:
    """The transport sends back what comes, counts it, and stops when told."""
    reflected = Reflected()
    wire.fail("send", errno.EAGAIN)
    wire.ours.reflect(reflected)
    heard = b""
    for at in range(0, 90_000, 3_000):
        wire.peer.sendall(numbered(90_000)[at : at + 3_000])
        heard += wire.read(3_000)
    assert heard == numbered(90_000)
    assert reflected.active == 7.0
    assert reflected.tally.received_bytes == 90_000
    assert 0 < reflected.tally.messages_received <= 90_000
    wire.ours.reflect(None)
    wire.peer.sendall(b"x")
    wire.turn()
    assert wire.protocol.heard == b"x"


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["unix", "tcp"]),
    st.lists(st.tuples(st.sampled_from(["send", "read", "turn"]), st.integers(1, 9_000)), max_size=40),
)
def test_reflected_order_whatever_the_kernel_takes(kind: str, steps: list[tuple[str, int]]) -> None:
    """Bytes that come while others wait queue behind them, also where the kernel has room again."""
    wire = Wire(kind, Notes())
    wire.ours.reflect(Reflected())
    wire.peer.setblocking(False)
    said = numbered(400_000)
    at, heard = 0, b""
    for what, count in [*steps, ("turn", 0)]:
        with suppress(BlockingIOError):
            if what == "send":
                at += wire.peer.send(said[at : at + count])
            elif what == "read":
                heard += wire.peer.recv(count)
            else:
                wire.turn()
    wire.peer.settimeout(2)
    heard += wire.read(at - len(heard))
    assert heard == said[:at]
    wire.close()
