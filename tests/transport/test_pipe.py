"""Large echoes through the pipe: nothing is copied, lost, or sent to another peer, and without splice all goes on."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echod.tally import Tally
from echod.transport import echoing, pipe
from tests.transport.wires import Notes, Wire, numbered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

UNABLE = [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM]
LOST = [errno.ECONNRESET, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENOMEM, errno.EPIPE]


class Reflected:
    """What a transport keeps up to date."""

    def __init__(self) -> None:
        self.active = 0.0
        self.patience = self
        self.now = 7.0
        self.tally = Tally()


class Splice:
    """
    The system call, counted.

    :ivar calls: how often it was asked.
    :ivar fails: what the coming calls do: raise this code, or 0 for the call itself.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.fails: list[int] = []
        self._real = os.splice
        monkeypatch.setattr(os, "splice", self)

    def __call__(self, *args: Any, **kwargs: Any) -> int:
        """Count, and fail or do it."""
        self.calls += 1
        code = self.fails.pop(0) if self.fails else 0
        if code:
            raise OSError(code, errno.errorcode[code])
        return self._real(*args, **kwargs)


@pytest.fixture(name="splice")
def count_splice(monkeypatch: pytest.MonkeyPatch) -> Splice:
    """Count the calls of splice."""
    return Splice(monkeypatch)


@pytest.fixture(name="wire")
def make_wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """Make a reflecting connection whose echoes count as large from 8 bytes on: its sockets are small."""
    monkeypatch.setattr(echoing, "LARGE", 8)
    wire = Wire("tcp", Notes())
    wire.ours.reflect(Reflected())
    yield wire
    wire.close()


def echo(wire: Wire, data: bytes) -> bytes:
    """Send a message, and return what comes back."""
    wire.peer.sendall(data)
    return wire.read(len(data))


def test_large_echoes_pass_and_small_ones_are_copied(wire: Wire, splice: Splice) -> None:
    """After a large echo the next goes through the pipe, after a small one it is copied; all are counted."""
    told: Any = wire.ours._reflected
    assert echo(wire, b"first large") == b"first large"
    assert splice.calls == 0
    for number in range(1, 4):
        told.active = 0.0
        assert echo(wire, b"large %06d" % number) == b"large %06d" % number
        assert splice.calls == 2 * number
        assert told.active == 7.0
    assert echo(wire, b"small") == b"small"
    assert splice.calls == 8
    assert echo(wire, b"copied") == b"copied"
    assert splice.calls == 8
    assert told.tally.messages_received == 6
    assert told.tally.received_bytes == told.tally.sent_bytes == 11 + 3 * 12 + 5 + 6
    assert told.tally.messages_sent == 6
    wire.ours.reflect(None)
    wire.peer.sendall(b"for the protocol")
    wire.turn()
    assert wire.protocol.heard == b"for the protocol"


def test_the_end_of_the_stream(wire: Wire, splice: Splice) -> None:
    """A peer that ends its direction after large echoes is heard."""
    for _ in range(2):
        assert echo(wire, b"large echo") == b"large echo"
    wire.peer.shutdown(1)
    wire.turn()
    assert splice.calls == 3
    assert wire.protocol.events == ["read lost"]


def test_the_pipe_is_open_only_while_anything_is_watched(wire: Wire) -> None:
    """A paused connection leaves no descriptor, and goes on with a pipe of its own."""
    for _ in range(2):
        assert echo(wire, b"large echo") == b"large echo"
    assert wire.poller.pipe._ends is not None
    wire.ours.pauseProducing()
    assert wire.poller.pipe._ends is None
    wire.ours.resumeProducing()
    assert echo(wire, b"large again") == b"large again"


STEPS = st.lists(
    st.tuples(st.sampled_from(["send", "send", "read", "turn"]), st.integers(0, 1), st.integers(1, 9_000)), max_size=60
)


@settings(max_examples=60)
@given(STEPS)
def test_two_connections_on_one_pipe(steps: list[tuple[str, int, int]]) -> None:
    """Whatever their kernels take, and when: each peer gets its own bytes, in order, once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(echoing, "LARGE", 8)
        wires = [Wire("tcp", Notes()) for _ in range(2)]
        wires[1].poller.pipe = wires[0].poller.pipe
        said = [numbered(600_000), numbered(600_000)[3:]]
        at, heard = [0, 0], [b"", b""]
        for wire in wires:
            wire.ours.reflect(Reflected())
            wire.peer.setblocking(False)
        for what, which, count in steps:
            wire = wires[which]
            with suppress(BlockingIOError):
                if what == "send":
                    at[which] += wire.peer.send(said[which][at[which] : at[which] + count])
                elif what == "read":
                    heard[which] += wire.peer.recv(count)
                else:
                    wire.turn()
        for which, wire in enumerate(wires):
            wire.peer.settimeout(2)
            heard[which] += wire.read(at[which] - len(heard[which]))
            assert heard[which] == said[which][: at[which]]
            wire.close()


@pytest.mark.parametrize("code", LOST, ids=errno.errorcode.get)
def test_a_read_that_fails(wire: Wire, splice: Splice, code: int) -> None:
    """An error of the connection ends it, as an error of recv does."""
    assert echo(wire, b"large echo") == b"large echo"
    splice.fails = [code]
    wire.peer.sendall(b"x")
    wire.turn()
    assert wire.protocol.events == ["ConnectionLost"]
    assert wire.ours.error == code


def test_nothing_to_read(wire: Wire, splice: Splice) -> None:
    """A false alarm costs nothing."""
    assert echo(wire, b"large echo") == b"large echo"
    splice.fails = [errno.EAGAIN]
    assert echo(wire, b"large again") == b"large again"
    assert wire.protocol.events == []


@pytest.mark.parametrize("code", [*LOST, errno.EAGAIN, errno.ENOBUFS], ids=errno.errorcode.get)
def test_a_send_that_fails_once(wire: Wire, splice: Splice, code: int) -> None:
    """What did not leave the pipe is sent by the buffered path."""
    assert echo(wire, b"large echo") == b"large echo"
    splice.fails = [0, code]
    assert echo(wire, b"not taken at once") == b"not taken at once"
    assert wire.protocol.events == []


@pytest.mark.parametrize("code", UNABLE, ids=errno.errorcode.get)
def test_a_kernel_that_does_not_splice(wire: Wire, splice: Splice, code: int) -> None:
    """The echo is copied, and splice not asked again."""
    splice.fails = [code]
    for number in range(4):
        assert echo(wire, b"large %d echo" % number) == b"large %d echo" % number
    assert splice.calls == 1
    assert wire.protocol.events == []


def failing(*args: object) -> int:
    """Be a system call that is not allowed."""
    raise PermissionError(errno.EPERM, str(args))


def full(*args: object) -> tuple[int, int]:
    """Be a pipe2 without a free descriptor."""
    raise OSError(errno.EMFILE, str(args))


@pytest.mark.parametrize(("place", "name", "call"), [(os, "pipe2", full), (fcntl, "fcntl", failing)])
def test_no_pipe_or_a_small_one(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, place: object, name: str, call: Callable[..., object]
) -> None:
    """Without a descriptor to spare echoes are copied; a pipe that may not grow does as well."""
    monkeypatch.setattr(place, name, call)
    for number in range(4):
        assert echo(wire, b"large %d echo" % number) == b"large %d echo" % number
    assert wire.protocol.events == []


def test_a_python_without_splice(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Echoes are copied."""
    monkeypatch.delattr(os, "splice")
    wire.poller.pipe = pipe.Pipe()
    for number in range(4):
        assert echo(wire, b"large %d echo" % number) == b"large %d echo" % number


def test_bytes_never_stay_in_the_pipe(wire: Wire, splice: Splice, monkeypatch: pytest.MonkeyPatch) -> None:
    """When they can be neither sent nor taken out, for want of memory, that connection ends, and no peer gets them."""
    assert echo(wire, b"large echo") == b"large echo"
    other = Wire("tcp", Notes())
    other.poller.pipe = wire.poller.pipe
    other.ours.reflect(Reflected())
    assert echo(other, b"other echo") == b"other echo"

    def starved(*args: object) -> bytes:
        raise MemoryError(args)

    splice.fails = [0, errno.EAGAIN]
    with monkeypatch.context() as patch:
        patch.setattr(os, "read", starved)
        wire.peer.sendall(b"secret of the first")
        with pytest.raises(MemoryError):
            wire.ours.doRead()
    assert echo(other, b"of the other") == b"of the other"
    other.close()
