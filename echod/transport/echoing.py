"""
Reading a stream, and sending back what was read without showing it to anyone: the fast path of an echo.

Small echoes are read into one buffer and sent from there, and no Python object is made of them. Large ones are not even
copied by the kernel (`echod.transport.pipe`).

Between two messages the kernel works for microseconds and drives Python's code out of the processor's caches, so what
an echo costs beside its two system calls is about the number of Python's instructions. A connection that reflects
therefore has for its `doRead` a function made for it, which finds all that it needs in its own variables and does one
thing; when that is not the thing to do any more, the connection gets another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Union

from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST

from echod.transport.pipe import UnableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.error import ConnectionDone, ConnectionLost
    from twisted.internet.interfaces import IProtocol
    from twisted.python.failure import Failure

    from echod.transport.pipe import Pipe

READ_SIZE = 65_536
"""Bytes asked for by one read: what a message can be at most where a stream has no framing."""

LARGE = 16_384
"""
Bytes of an echo from which on the next one of the connection goes through the pipe.

Passing pages along and copying them cost the same at about this size.
"""

_BUFFER = memoryview(bytearray(READ_SIZE))
"""Where reflected bytes are while they are in Python: between two system calls only, so all connections share it."""


Ending = Union["ConnectionDone", "ConnectionLost", None]
"""What `doRead` returns: why the connection ends, or None while it goes on."""


class CoarseClock(Protocol):
    """Gives a time that is moved on now and then."""

    now: float


class Counts(Protocol):
    """What is counted of a reflected stream."""

    received_bytes: int
    sent_bytes: int
    messages_received: int
    messages_sent: int


class Reflected(Protocol):
    """What is kept up to date while a connection reflects; `active` is when it last read, by the clock `patience`."""

    active: float

    @property
    def patience(self) -> CoarseClock:
        """The clock."""

    @property
    def tally(self) -> Counts:
        """The counts."""


class Echoing:
    """
    The reading half of a write-through connection; the writing half is `echod.transport.stream.WriteThrough`.

    :ivar waiting: whether bytes wait here because the kernel did not take them.
    :ivar error: the errno with which reading failed; 0 as long as it has not.
    """

    socket: Any
    protocol: IProtocol
    reactor: Any
    connected: bool
    waiting = False
    error = 0
    _reflected: Reflected | None = None
    _copy: Callable[[], Ending] | None = None
    _pipe: Pipe | None = None

    def reflect(self, reflected: Reflected | None) -> None:
        """
        Send everything back from now on, without passing it to the protocol; None ends that.

        A connection that is lost does not reflect any more.
        """
        if not self.connected:
            reflected = None
        self._reflected = reflected
        self._copy = None if reflected is None else self._copying(reflected)
        self._pass_along(None)

    def _pass_along(self, pipe: Pipe | None) -> None:
        """Send the coming echoes through the pipe, or copy them."""
        self._pipe = pipe
        self._choose()

    def _choose(self) -> None:
        """Read from now on in the cheapest way that will do."""
        ways = vars(self)
        if self._copy is None or self.waiting:
            ways.pop("doRead", None)
        elif self._pipe is None:
            ways["doRead"] = self._copy
        else:
            assert self._reflected is not None
            ways["doRead"] = self._passing(self._reflected, self._pipe)
        # Other reactors than our poller look it up each time.
        renewed = getattr(self.reactor, "renewed", None)
        if renewed is not None:
            renewed(self)

    def doRead(self) -> ConnectionDone | ConnectionLost | None:
        """Read once, and pass it on, or send it back behind what waits; the poller asks again when there is more."""
        try:
            size = self.socket.recv_into(_BUFFER)
        except BlockingIOError:
            return None
        except OSError as problem:
            return self._lost(problem)
        if not size:
            return CONNECTION_DONE
        data = bytes(_BUFFER[:size])
        reflected = self._reflected
        if reflected is None:
            self.protocol.dataReceived(data)
        else:
            reflected.active = reflected.patience.now
            tally = reflected.tally
            tally.received_bytes += size
            tally.sent_bytes += size
            tally.messages_received += 1
            tally.messages_sent += 1
            self._keep(data)
        return None

    def connectionLost(self, reason: Failure) -> None:
        """End. Whatever was made for this connection refers to it."""
        self.reflect(None)
        super().connectionLost(reason)  # type: ignore[misc]

    def _lost(self, problem: OSError) -> ConnectionLost:
        """Note why reading failed."""
        self.error = problem.errno or 0
        return CONNECTION_LOST

    def _keep(self, data: bytes) -> None:
        """Send what the kernel did not take when it takes more; Twisted's buffer reports errors, too."""
        super().write(data)  # type: ignore[misc]

    def _large_pipe(self) -> Pipe | None:
        """Return the pipe for large echoes, or None where they are copied."""
        return None

    def _copying(self, reflected: Reflected) -> Callable[[], Ending]:
        """Make what reads small echoes, which are copied in and out, while nothing waits to be sent."""
        receive, send = self.socket.recv_into, self.socket.send
        clock, tally = reflected.patience, reflected.tally
        # Most peers send messages of one length, so the last one's view of the buffer does for the next.
        length, piece = 0, _BUFFER[:0]

        def copy() -> Ending:
            nonlocal length, piece
            try:
                size = receive(_BUFFER)
            except BlockingIOError:
                return None
            except OSError as problem:
                return self._lost(problem)
            if not size:
                return CONNECTION_DONE
            if size != length:
                length, piece = size, _BUFFER[:size]
            reflected.active = clock.now
            tally.received_bytes += size
            tally.sent_bytes += size
            tally.messages_received += 1
            tally.messages_sent += 1
            try:
                sent = send(piece)
            except OSError:
                sent = 0
            if sent == size < LARGE:
                return None
            if sent < size:
                self._keep(bytes(_BUFFER[sent:size]))
                return None
            pipe = self._large_pipe()
            if pipe is not None and pipe.able:
                self._pass_along(pipe)
            return None

        return copy

    def _passing(self, reflected: Reflected, pipe: Pipe) -> Callable[[], Ending]:
        """Make what reads large echoes, which go through the pipe, until one is not large: the next is copied again."""
        turn_back, descriptor = pipe.turn_back, self.socket.fileno()
        clock, tally = reflected.patience, reflected.tally
        large = LARGE

        def pass_along() -> Ending:
            try:
                size = turn_back(descriptor, READ_SIZE)
            except BlockingIOError:
                return None
            except UnableError:
                self._pass_along(None)
                return None
            except OSError as problem:
                return self._lost(problem)
            if not size:
                return CONNECTION_DONE
            reflected.active = clock.now
            tally.received_bytes += size
            tally.sent_bytes += size
            tally.messages_received += 1
            tally.messages_sent += 1
            if size < large:
                self._pass_along(None)
            if pipe.rest:
                self._keep(pipe.take_rest())
            return None

        return pass_along
