"""A browser without sockets: a site's connection in a test's hand, with a clock that the test moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

if TYPE_CHECKING:
    from echod.web import BoundedSite
    from echod.web_channel import BoundedChannel


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


class Turns(Clock):
    """A clock whose turns are those of a reactor: what a call makes due comes in the next one."""

    def turn(self) -> None:
        """Do what is due now."""
        due: list[Any] = [call for call in self.getDelayedCalls() if call.getTime() <= self.seconds()]
        for call in due:
            if call.active():
                self.calls.remove(call)
                call.called = 1
                call.func(*call.args, **call.kw)


class _Wire(StringTransport):
    """A transport that remembers how it was ended."""

    aborting = False

    def abortConnection(self) -> None:
        """Note it."""
        self.aborting = True


class Browser:
    """One connection to a site."""

    def __init__(self, site: BoundedSite) -> None:
        self.channel: BoundedChannel = site.buildProtocol(None)
        self.transport = _Wire()
        self.channel.makeConnection(self.transport)

    @property
    def cut(self) -> bool:
        """Whether it was aborted."""
        return self.transport.aborting

    @property
    def closing(self) -> bool:
        """Whether it is being closed, or was aborted."""
        return self.transport.disconnecting or self.cut

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.channel.dataReceived(data)

    def gone(self) -> None:
        """End it, as a transport does in the end."""
        self.channel.connectionLost(Failure(ConnectionDone()))

    def get(self, path: str, method: str = "GET", headers: str = "", body: bytes = b"") -> Answer:
        """Ask for a path, and return the answer, which must be the only one."""
        self.send(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode() + body)
        (answer,) = self.answers(head=method == "HEAD")
        return answer

    def answers(self, *, head: bool = False) -> list[Answer]:
        """Return what came since it was last asked; `head` says that answers have no body."""
        raw = self.transport.value()
        self.transport.clear()
        found = []
        while raw:
            first, _, raw = raw.partition(b"\r\n\r\n")
            status, *lines = first.decode("ascii").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            size = 0 if head else int(headers.get("content-length", "0"))
            found.append(Answer(int(status.split()[1]), headers, raw[:size]))
            raw = raw[size:]
        return found
