"""The batched way when the kernel says no: in each place, with each error, nobody else of the batch is lost."""

from __future__ import annotations

import errno
import socket
from collections import Counter

import pytest
from twisted.internet.task import Clock

from echod.transport.mmsg import SIZE, Batch, Shape
from echod.transport.reflect import ReflectingPort

CODES = [
    *(errno.EPERM, errno.ENETUNREACH, errno.EINVAL, errno.EACCES, errno.EMSGSIZE, errno.ENOBUFS),
    *(errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.EINTR, errno.ENOMEM),
]


class FailingBatch(Batch):
    """A batch in which one call fails: the n-th `receive`, or the `send` which begins with the n-th datagram."""

    def __init__(self, method: str, number: int, code: int) -> None:
        super().__init__()
        self._fails: tuple[str, int] | None = (method, number)
        self._problem = OSError(code, errno.errorcode[code])
        self._calls = 0

    def receive(self, descriptor: int, shape: Shape) -> int:
        """Receive, or fail."""
        if self._fails == ("receive", self._calls):
            self._fails = None
            raise self._problem
        self._calls += 1
        return super().receive(descriptor, shape)

    def send(self, descriptor: int, start: int, end: int) -> int:
        """Send up to the one that fails, as sendmmsg(2) does; then fail once."""
        method, number = self._fails or ("", 0)
        if method == "send" and start <= number < end:
            if start < number:
                return super().send(descriptor, start, number)
            self._fails = None
            raise self._problem
        return super().send(descriptor, start, end)


class Welcomes:
    """A screen that lets everyone pass, and counts."""

    def __init__(self) -> None:
        self.counts = (0, 0)
        self.refused = 0

    def makeConnection(self, transport: object) -> None:
        """Do nothing."""

    def screen(self, *_: object, **__: object) -> str:
        """Let it pass this time."""
        return ""

    def reflected(self, received: int, received_bytes: int, sent: int, sent_bytes: int) -> None:
        """Count; sizes are one byte each here."""
        assert (received, sent) == (received_bytes, sent_bytes)
        self.counts = (self.counts[0] + received, self.counts[1] + sent)

    def dropped(self, reason: str, count: int = 1) -> None:
        """Never: nothing is refused here."""
        raise AssertionError((reason, count))

    def connectionRefused(self) -> None:
        """Count it."""
        self.refused += 1

    def doStop(self) -> None:
        """Do nothing."""


class Reactor(Clock):
    """Watches nothing: the tests call `doRead`."""

    def addReader(self, _: object) -> None:
        """Do nothing."""

    def removeReader(self, _: object) -> None:
        """Do nothing."""

    removeWriter = removeReader


@pytest.mark.parametrize("code", CODES, ids=errno.errorcode.get)
@pytest.mark.parametrize(("method", "number"), [("receive", 0), ("receive", 1), ("send", 0), ("send", 5), ("send", 9)])
def test_a_call_that_fails_once(method: str, number: int, code: int) -> None:
    """It is counted by its name, costs at most the one datagram that could not leave, and the next are answered."""
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    where = sock.getsockname()
    screen, errors = Welcomes(), Counter[str]()
    port = ReflectingPort(sock, screen, Reactor(), FailingBatch(method, number, code), None, errors)
    port.startListening()
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        client.connect(where)
        heard = []
        for first in (0, 10):
            for each in range(first, first + 10):
                client.send(bytes([each]))
            for _ in range(2):
                port.doRead()
            lost = method == "send" and first == 0
            heard += [client.recv(10)[0] for _ in range(9 if lost else 10)]
        expected = [each for each in range(20) if not (method == "send" and each == number)]
        assert heard == expected
        assert screen.counts == (20, len(expected))
    assert errors == {errno.errorcode[code]: 1}
    assert screen.refused == (code == errno.ECONNREFUSED)
    port.stopListening()


def test_a_full_send_buffer_loses_the_rest() -> None:
    """Those behind would not leave either: all are counted, none is tried."""
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    screen, errors = Welcomes(), Counter[str]()
    port = ReflectingPort(sock, screen, Reactor(), FailingBatch("send", 3, errno.EAGAIN), None, errors)
    port.startListening()
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.connect(sock.getsockname())
        for each in range(SIZE):
            client.send(bytes([each]))
        assert port.read(SIZE) == SIZE
        assert [client.recv(10)[0] for _ in range(3)] == [0, 1, 2]
    assert errors == {"EAGAIN": SIZE - 3}
    assert screen.counts == (SIZE, 3)
    port.stopListening()
