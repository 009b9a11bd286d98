"""One batch for sockets of every kind, whose datagrams bring names and control blocks of different sizes."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echod.transport.mmsg import SIZE, Batch
from echod.transport.reflect import ReflectingPort
from tests.transport.datagrams import LARGEST_4
from tests.transport.test_reflect_errors import Reactor, Welcomes
from tests.transport.wires import numbered

if TYPE_CHECKING:
    from collections.abc import Iterator

V4, V6 = socket.AF_INET, socket.AF_INET6
KINDS = [
    (V4, "127.0.0.1", V4, "127.0.0.1"),
    (V4, "", V4, "127.0.0.1"),
    (V4, "", V4, "127.0.0.9"),
    (V6, "::1", V6, "::1"),
    (V6, "::", V6, "::1"),
    (V6, "::", V4, "127.0.0.1"),
]
"""Family and address that a port is bound to, and family and address that a client sends to."""


class Screen(Welcomes):
    """Lets everyone pass, always; sizes are not one byte each here."""

    def screen(self, *_: object, **__: object) -> str:
        """Let it pass."""
        return ""

    def reflected(self, received: int, received_bytes: int, sent: int, sent_bytes: int) -> None:
        """Check that all left."""
        assert (received, received_bytes) == (sent, sent_bytes)
        self.counts = (received, received_bytes)


class Pair:
    """A port, and a client that hears only what comes from the address that it sends to."""

    def __init__(self, batch: Batch, kind: tuple[int, str, int, str], option: int | None = None) -> None:
        family, bound, client_family, address = kind
        sock = socket.socket(family, socket.SOCK_DGRAM)
        if option is not None:
            sock.setsockopt(socket.SOL_SOCKET, option, 1)
        sock.bind((bound, 0))
        port = sock.getsockname()[1]
        self.screen = Screen()
        self.port = ReflectingPort(sock, self.screen, Reactor(), batch)
        self.port.startListening()
        self.client = socket.socket(client_family, socket.SOCK_DGRAM)
        self.client.settimeout(1)
        self.client.connect((address, port))

    def exchange(self, datagrams: list[bytes]) -> list[bytes]:
        """Send datagrams, let the port serve a batch, and return what comes back."""
        for datagram in datagrams:
            self.client.send(datagram)
        self.port.doRead()
        assert self.screen.counts == (len(datagrams), sum(map(len, datagrams)))
        return [self.client.recv(65_536) for _ in datagrams]

    def close(self) -> None:
        """Leave nothing."""
        self.port.stopListening()
        self.client.close()


@pytest.fixture(name="pairs", scope="module")
def make_pairs() -> Iterator[list[Pair]]:
    """Make a pair of each kind, on one batch."""
    batch = Batch()
    pairs = [Pair(batch, kind) for kind in KINDS]
    yield pairs
    for pair in pairs:
        pair.close()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(KINDS) - 1), st.lists(st.integers(0, 2_000), min_size=1, max_size=SIZE)),
        max_size=12,
    )
)
def test_batches_of_all_kinds_in_any_order(pairs: list[Pair], steps: list[tuple[int, list[int]]]) -> None:
    """Each comes back whole, in order, from the address that was hit, whatever the batch held before."""
    for turn, (which, sizes) in enumerate(steps):
        datagrams = [numbered(turn + size)[turn:] for size in sizes]
        assert pairs[which].exchange(datagrams) == datagrams


@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_the_largest_in_each_place(pairs: list[Pair], kind: int) -> None:
    """No datagram is cut, nor reaches into the next."""
    for size in (1, LARGEST_4, 2, LARGEST_4, 3):
        datagrams = [numbered(size), numbered(LARGEST_4)[1:], b""]
        assert pairs[kind].exchange(datagrams) == datagrams


SO_TIMESTAMP, SO_TIMESTAMPNS = 29, 35


@pytest.mark.parametrize("option", [SO_TIMESTAMP, SO_TIMESTAMPNS])
@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_a_passed_socket_that_brings_timestamps(kind: int, option: int) -> None:
    """They would come before the packet information, and the kernel refuses to send them back."""
    pair = Pair(Batch(), KINDS[kind], option)
    assert pair.exchange([b"a", b"b"]) == [b"a", b"b"]
    pair.close()
