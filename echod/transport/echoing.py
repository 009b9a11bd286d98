"""
Reading a stream, and sending back what was read without showing it to anyone: the fast path of an echo.

Small echoes are read into one buffer and sent from there, and no Python object is made of them. Large ones are not even
copied by the kernel (`echod.transport.pipe`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST

from echod.transport.pipe import UnableError

if TYPE_CHECKING:
    from twisted.internet.error import ConnectionDone, ConnectionLost
    from twisted.internet.interfaces import IProtocol

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
    waiting = False
    error = 0
    _reflected: Reflected | None = None
    _pipe: Pipe | None = None

    def reflect(self, reflected: Reflected | None) -> None:
        """Send everything back from now on, without passing it to the protocol; None ends that."""
        self._reflected = reflected
        self._pipe = None

    def doRead(self) -> ConnectionDone | ConnectionLost | None:
        """Read once, and pass it on or send it back; the poller asks again when there is more."""
        if self._pipe is not None and not self.waiting:
            return self._turn_back(self._pipe)
        try:
            size = self.socket.recv_into(_BUFFER)
        except BlockingIOError:
            return None
        except OSError as problem:
            self.error = problem.errno or 0
            return CONNECTION_LOST
        if not size:
            return CONNECTION_DONE
        reflected = self._reflected
        if reflected is None:
            self.protocol.dataReceived(bytes(_BUFFER[:size]))
            return None
        # As `_count`, whose call would cost the small echoes a twentieth of what Python costs them.
        reflected.active = reflected.patience.now
        tally = reflected.tally
        tally.received_bytes += size
        tally.sent_bytes += size
        tally.messages_received += 1
        tally.messages_sent += 1
        sent = 0
        if not self.waiting:
            try:
                sent = self.socket.send(_BUFFER[:size])
            except OSError:
                # It is left to the buffered path, which reports it.
                sent = 0
            if sent == size:
                if size >= LARGE:
                    self._pipe = self._large_pipe()
                return None
        super().write(bytes(_BUFFER[sent:size]))  # type: ignore[misc]
        return None

    def _turn_back(self, pipe: Pipe) -> ConnectionDone | ConnectionLost | None:
        """Read once and send it back through the pipe. After an echo that is not large, the next is copied again."""
        try:
            size, rest = pipe.turn_back(self.socket.fileno(), READ_SIZE)
        except BlockingIOError:
            return None
        except UnableError:
            self._pipe = None
            return self.doRead()
        except OSError as problem:
            self.error = problem.errno or 0
            return CONNECTION_LOST
        if not size:
            return CONNECTION_DONE
        assert self._reflected is not None
        self._count(self._reflected, size)
        if size < LARGE:
            self._pipe = None
        if rest:
            super().write(rest)  # type: ignore[misc]
        return None

    @staticmethod
    def _count(reflected: Reflected, size: int) -> None:
        reflected.active = reflected.patience.now
        tally = reflected.tally
        tally.received_bytes += size
        tally.sent_bytes += size
        tally.messages_received += 1
        tally.messages_sent += 1

    def _large_pipe(self) -> Pipe | None:
        """Return the pipe for large echoes, or None where they are copied."""
        return None
