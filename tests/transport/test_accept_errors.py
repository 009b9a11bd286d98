"""Accepting when the kernel says no: nothing spins, nothing ends, and nobody else in the queue is lost."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

import pytest

from echod.transport.accept import ACCEPTS_PER_TURN
from tests.transport.listeners import Listening
from tests.transport.wires import FailsOnce

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(name="listening")
def make_listening() -> Iterator[Listening]:
    """Listen on a loopback port."""
    listening = Listening(socket.create_server(("127.0.0.1", 0)))
    yield listening
    listening.close()


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS], ids=errno.errorcode.get)
def test_exhaustion_waits_and_goes_on(listening: Listening, code: int) -> None:
    """Without a descriptor the port asks twice a second, not a million times, and serves when there is one."""
    sock = listening.port.socket = FailsOnce(listening.port.socket, "accept", *[code] * 3)  # type: ignore[assignment]
    listening.connect()
    while not listening.maker.made:
        # The waiting connection would wake any reactor for as long as the port reads.
        if listening.port in listening.host.readers:
            listening.port.doRead()
        listening.host.advance(0.01)
        assert sock.asked <= 5
    assert 1.4 < listening.host.seconds() < 1.7
    assert not listening.host.getDelayedCalls()


def test_exhaustion_and_the_end(listening: Listening) -> None:
    """A port that is closed, or held, while it waits leaves no timer and does not wake up."""
    listening.port.socket = FailsOnce(listening.port.socket, "accept", *[errno.EMFILE] * 9)  # type: ignore[assignment]
    listening.connect()
    listening.port.doRead()
    listening.port.hold()
    listening.host.advance(0.6)
    assert listening.port not in listening.host.readers
    listening.port.release()
    listening.port.doRead()
    listening.port.release()
    listening.port.doRead()
    assert len(listening.host.getDelayedCalls()) == 1
    listening.port.stopListening()
    assert not listening.host.getDelayedCalls()


CODES = [
    *(errno.EPERM, errno.ENETUNREACH, errno.EINVAL, errno.EACCES, errno.EMSGSIZE, errno.ECONNRESET),
    *(errno.ECONNREFUSED, errno.ECONNABORTED, errno.EPROTO, errno.EINTR),
]


@pytest.mark.parametrize("code", CODES, ids=errno.errorcode.get)
def test_an_error_of_one_connection_costs_no_other(listening: Listening, code: int) -> None:
    """Broken connections in the queue are passed over, also when the daemon drains the queue for the last time."""
    listening.port.socket = FailsOnce(listening.port.socket, "accept", code)  # type: ignore[assignment]
    listening.connect(3)
    listening.port.accept(99)
    assert len(listening.maker.made) == 3
    assert listening.port in listening.host.readers


def test_an_error_that_stays_does_not_spin(listening: Listening) -> None:
    """Even a socket that can only fail gives the reactor its turn."""
    sock = listening.port.socket = FailsOnce(listening.port.socket, "accept", *[errno.EINVAL] * 10_000)  # type: ignore[assignment]
    listening.port.doRead()
    assert sock.asked <= ACCEPTS_PER_TURN
