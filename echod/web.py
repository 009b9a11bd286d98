"""
A small HTTP server that stays small, whoever talks to it; the metrics and the console are served by it.

`BoundedSite` bounds the connections, and by `echod.web_channel` what each of them may cost. What is wrong it says in
plain sentences, and it logs only faults of ours, the first few of them.
"""

from __future__ import annotations

from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger
from twisted.web.error import UnsupportedMethod
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from echod.guard.admission import SIDE_CONNECTIONS
from echod.tally import TRACEBACKS, EscapedFailure
from echod.web_channel import BoundedChannel

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IAddress, IReactorTime
    from twisted.python.failure import Failure

CONNECTIONS = SIDE_CONNECTIONS
"""Connections that a site has at most."""

BODY = 65_536
"""Bytes that the body of a request may have."""


class BoundedRequest(Request):
    """One request: its body is in memory, and what is wrong with it is said plainly."""

    defaultContentType = b"text/plain; charset=utf-8"
    channel: BoundedChannel
    content: BytesIO

    def gotLength(self, length: int | None) -> None:  # noqa: ARG002 - the channel has judged it
        """Make room for the body. Called by the channel."""
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        """Take a part of the body. Called by the channel."""
        if self.channel.bodyReceived(self.content.tell() + len(data)):
            self.content.write(data)

    def render(self, resrc: Any) -> None:
        """Answer by a resource. Called by Twisted."""
        try:
            body = resrc.render(self)
        except UnsupportedMethod as problem:
            allowed = b", ".join(sorted(problem.allowedMethods))
            self.setHeader(b"Allow", allowed)
            body = say(self, HTTPStatus.METHOD_NOT_ALLOWED, f"The method must be one of {allowed.decode('ascii')}.")
        if body is not NOT_DONE_YET:
            send(self, body)

    def processingFailed(self, reason: Failure) -> Failure:
        """Say that we failed, not how. Called by Twisted, and by klein."""
        assert isinstance(self.site, BoundedSite)
        self.site.failed(reason)
        if self.finished or self._disconnected:
            return reason
        if self.startedWriting:
            self.channel.abort()
        else:
            send(self, say(self, HTTPStatus.INTERNAL_SERVER_ERROR, "This request failed by a fault of echod's own."))
        return reason


class BoundedSite(Site):
    """
    A site of at most `most` connections.

    When there are as many, a new one takes the place of the one that has waited longest for a request; none is let
    in while all of them are being answered.

    :param resource: its root.
    :param clock: gives the time, and calls later.
    :param most: connections.
    :param body: bytes of a request's body.
    :ivar failures: how many requests failed by a fault of ours.
    """

    protocol = BoundedChannel  # type: ignore[assignment]  # it is what Twisted's would choose, but for HTTP/2
    noisy = False
    _log = Logger()

    def __init__(self, resource: Any, clock: IReactorTime, *, most: int = CONNECTIONS, body: int = BODY) -> None:
        super().__init__(
            resource, requestFactory=BoundedRequest, reactor=clock, timeout=None, parsePOSTFormSubmission=False
        )
        self.most = most
        self.body = body
        self.failures = 0
        # Dictionaries for their order: the first has waited longest.
        self._waiting: dict[BoundedChannel, None] = {}
        self._answering: dict[BoundedChannel, None] = {}

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return len(self._waiting) + len(self._answering)

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Make a connection's protocol, or None when there is no room. Called by Twisted."""
        if self.connections >= self.most:
            if not self._waiting:
                return None
            next(iter(self._waiting)).abort()
        return super().buildProtocol(addr)

    def waits(self, channel: BoundedChannel) -> None:
        """Note that a connection waits for a request."""
        self.gone(channel)
        self._waiting[channel] = None

    def answers(self, channel: BoundedChannel) -> None:
        """Note that a request is being answered."""
        self.gone(channel)
        self._answering[channel] = None

    def gone(self, channel: BoundedChannel) -> None:
        """Forget a connection."""
        self._waiting.pop(channel, None)
        self._answering.pop(channel, None)

    def failed(self, reason: Failure) -> None:
        """Count a fault of ours, and log the first few whole."""
        self.failures += 1
        if self.failures <= TRACEBACKS:
            escaped = EscapedFailure(reason.value, reason.type, reason.getTracebackObject())
            self._log.failure("a request over HTTP failed", escaped)

    def acceptableProtocols(self) -> list[bytes]:
        """Offer no HTTP/2, whose bounds would be others. Called by Twisted's TLS."""
        return [b"http/1.1"]

    def startFactory(self) -> None:
        """Open no log of requests, which whoever asks often would fill, and keep no time for it. Called by Twisted."""

    def stopFactory(self) -> None:
        """Close none. Called by Twisted."""


class Plain(Resource):
    """A resource without children but those that are put there; 404 in a sentence for all others."""

    def getChild(self, path: bytes, request: Any) -> Resource:  # noqa: ARG002 - it is not there, whatever it is
        """Return what says that there is nothing. Called by Twisted."""
        return Missing()


class Missing(Plain):
    """Says that there is nothing, whatever the method."""

    def render(self, request: Any) -> bytes:
        """Say it. Called by Twisted."""
        return say(request, HTTPStatus.NOT_FOUND, "Nothing is served under this path.")


class Sentence(Plain):
    """
    Says one sentence.

    :param current: returns the status and the sentence, each time that somebody asks.
    """

    def __init__(self, current: Callable[[], tuple[HTTPStatus, str]]) -> None:
        super().__init__()
        self._current = current

    def render_GET(self, request: Any) -> bytes:
        """Say it. Called by Twisted."""
        return say(request, *self._current())


def say(request: Any, status: HTTPStatus, sentence: str) -> bytes:
    """Set the status, and return the body that says a sentence."""
    request.setResponseCode(status.value, status.phrase.encode("ascii"))
    request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
    return f"{sentence}\n".encode()


def send(request: Any, body: bytes) -> None:
    """Send the whole of an answer; Twisted leaves the body out if only the headers are asked for (HEAD)."""
    request.setHeader(b"Content-Length", b"%d" % len(body))
    request.write(body)
    request.finish()
