"""
One connection of a small HTTP server: what HTTP/1.1 is on it is Twisted's, how much and how long is ours.

Twisted's channel bounds the number and the size of headers. It does not bound how long a request may trickle in, how
large its body is, nor how long a client may take over reading its last answer; and it logs what clients do.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IDelayedCall
    from twisted.web.http_headers import Headers

LINE = 8_192
"""Bytes that the request line may have, and each header."""

HEADERS = 16_384
"""Bytes that the request line and all headers may have together."""

FIRST = 10.0
"""Seconds until the first request of a connection must have begun; a TLS handshake is within them."""

REQUEST = 10.0
"""Seconds that a request may take to arrive, from its first byte to its last."""

IDLE = 75.0
"""Seconds that a connection is kept for another request: Prometheus asks every minute, or more often."""

LINGER = 2.0
"""Seconds in which a client may read why its request was refused; what it still sends is thrown away."""

LEAVE = 10.0
"""Seconds in which a client must take the rest of its answer once the connection is being closed."""

_DEFAULT_HEADERS = (
    (b"Cache-Control", b"no-store"),
    (b"Content-Security-Policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
    (b"Referrer-Policy", b"no-referrer"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"X-Frame-Options", b"DENY"),
)
"""What each answer has unless its resource says otherwise."""

_LENGTH_DIGITS = 20


class Seats(Protocol):
    """What a connection tells its site, which counts connections."""

    body: int
    """Bytes that the body of a request may have."""

    def waits(self, channel: BoundedChannel) -> None:
        """Note that a connection waits for a request."""

    def answers(self, channel: BoundedChannel) -> None:
        """Note that a request is being answered."""

    def gone(self, channel: BoundedChannel) -> None:
        """Forget a connection."""

    def failed(self, reason: Failure) -> None:
        """Count a fault of ours."""


class BoundedChannel(HTTPChannel):
    """A connection with one deadline at any time, and an end to what it takes."""

    MAX_LENGTH = LINE
    totalHeadersSize = HEADERS
    maxHeaders = 100
    site: Seats
    transport: Any
    _receiving = False
    _refused = False
    _leaving = False
    _deadline: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Wait for the first request. Called by Twisted."""
        super().connectionMade()
        self.site.waits(self)
        self._within(FIRST, self.loseConnection)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Let go. Called by Twisted."""
        self._disarm()
        self.site.gone(self)
        super().connectionLost(reason)

    def dataReceived(self, data: bytes) -> None:
        """Take what came, unless no more is wanted. Called by Twisted."""
        if self._refused:
            return
        if not self._receiving:
            self._receiving = True
            self._within(REQUEST, self._too_slow)
        try:
            super().dataReceived(data)
        except Exception:  # noqa: BLE001 - a fault costs this connection, and must not fill the log
            self.site.failed(Failure())
            self.abort()

    def rawDataReceived(self, data: bytes) -> None:
        """Take a part of the body, or of later requests. Called by Twisted."""
        if not self._refused:
            super().rawDataReceived(data)

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: ARG002 - it is Twisted's to call
        """Refuse a request line or header that is too long. Called by Twisted."""
        self.refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"No line may have more than {LINE} bytes.")

    def headerReceived(self, line: bytes) -> bool:
        """Take a header. Called by Twisted."""
        name, _, value = line.partition(b":")
        # Python refuses to make an integer of some thousand digits, with an exception that nobody expects there.
        if name.strip().lower() == b"content-length" and len(value.strip()) > _LENGTH_DIGITS:
            self._refuse_body()
        return not self._refused and bool(super().headerReceived(line))

    def allHeadersReceived(self) -> None:
        """Look at the headers before the body comes. Called by Twisted."""
        if self.length is not None and self.length > self.site.body:
            self._refuse_body()
        else:
            super().allHeadersReceived()

    def bodyReceived(self, size: int) -> bool:
        """Tell whether so many bytes of a body are welcome; if not, the request has been refused."""
        if size > self.site.body:
            self._refuse_body()
        return not self._refused

    def allContentReceived(self) -> None:
        """Let the request be answered: from now on it takes as long as it takes. Called by Twisted."""
        if not self._refused:
            self._disarm()
            self.site.answers(self)
            super().allContentReceived()

    def requestDone(self, request: Any) -> None:
        """Go on after an answer. Called by the request."""
        # Requests that were sent all at once wait a turn of the reactor each: a thousand of them must delay nobody.
        self.paused = True
        super().requestDone(request)
        if self._leaving:
            return
        self.site.waits(self)
        ahead = self.clearLineBuffer()
        if ahead:
            self._within(0, lambda: self._go_on(ahead))
        else:
            self.paused = self._receiving = False
            self._within(IDLE, self.loseConnection)

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        """Write the headers of an answer. Called by the request."""
        headers.removeHeader(b"Server")
        for name, value in _DEFAULT_HEADERS:
            if not headers.hasHeader(name):
                headers.addRawHeader(name, value)
        super().writeHeaders(version, code, reason, headers)

    def refuse(self, status: HTTPStatus, sentence: str) -> None:
        """Answer a request that is not even whole, and take nothing more of this connection."""
        if self._refused:
            return
        self._refused = True
        body = f"{sentence}\n".encode()
        lines = [
            f"HTTP/1.1 {status.value} {status.phrase}",
            "Content-Type: text/plain; charset=utf-8",
            f"Content-Length: {len(body)}",
            "Cache-Control: no-store",
            "Connection: close",
        ]
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + body)
        # Closed at once, with bytes of the client unread, the kernel would reset the connection and lose the answer.
        self._within(LINGER, self.loseConnection)

    def loseConnection(self) -> None:
        """Close, and do not wait for long until the client has taken everything. Called by Twisted too."""
        if not self._leaving:
            self._leaving = self._refused = True
            self._within(LEAVE, self.abort)
            super().loseConnection()

    def abort(self) -> None:
        """Cut the connection now."""
        self._disarm()
        self._leaving = self._refused = True
        self.site.gone(self)
        self.transport.abortConnection()

    def _refuse_body(self) -> None:
        sentence = f"The body of a request may have at most {self.site.body} bytes."
        self.refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, sentence)

    def _too_slow(self) -> None:
        self.refuse(HTTPStatus.REQUEST_TIMEOUT, f"A request must arrive within {REQUEST:g} seconds.")

    def _go_on(self, ahead: bytes) -> None:
        """Read on, with what came early."""
        self.paused = False
        self._within(REQUEST, self._too_slow)
        self.dataReceived(ahead + self.clearLineBuffer())

    def _within(self, seconds: float, action: Callable[[], None]) -> None:
        """Set the one deadline there is."""
        self._disarm()
        self._deadline = self.callLater(seconds, action)

    def _disarm(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = None
