"""A program that uses the console of a real daemon over HTTP."""

from __future__ import annotations

import json
import socket
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

    from tests.system.daemon import Daemon

Lost = (OSError, HTTPException)
"""What a request raises when the daemon is killed meanwhile."""


class Reply(NamedTuple):
    """What was answered; `json` is None where the body is none."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """What is in the body."""
        return json.loads(self.body)


class Event(NamedTuple):
    """One event of the stream."""

    kind: str
    data: Any


class Caller:
    """
    Calls one console.

    :param context: for TLS; None for plain HTTP.
    :param token: to show; None for none.
    """

    def __init__(self, daemon: Daemon, context: ssl.SSLContext | None = None, token: str | None = None) -> None:
        self._daemon = daemon
        self._context = context
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """Send one request; `If_Match` stands for the header `If-Match`."""
        with self._sent(method, path, body, headers) as connection:
            response = connection.getresponse()
            return Reply(response.status, dict(response.headers.items()), response.read())

    @contextmanager
    def events(self, path: str = "/api/events") -> Iterator[Iterator[Event]]:
        """Open the stream of events."""
        with self._sent("GET", path, None, {}) as connection:
            response = connection.getresponse()
            assert response.status == 200, response.read()

            def read() -> Iterator[Event]:
                while True:
                    kind, data = response.readline().decode(), response.readline().decode()
                    assert response.readline() == b"\n"
                    yield Event(kind.strip().removeprefix("event: "), json.loads(data.removeprefix("data: ")))

            yield read()
            response.close()

    @contextmanager
    def _sent(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Iterator[HTTPConnection]:
        host, port = self._daemon.at("console").name
        host = host.replace("0.0.0.0", "127.0.0.1")
        if self._context is None:
            connection = HTTPConnection(host, port, timeout=30)
        else:
            connection = HTTPSConnection(host, port, timeout=30, context=self._context)
        given = self._headers | {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            given.setdefault("Content-Type", "application/json")
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method, path, body, given)
            yield connection
        finally:
            connection.close()


def asked(address: tuple[str, int], message: bytes) -> bytes:
    """Send a datagram, and return what comes back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect(address)
        sock.send(message)
        return sock.recv(65_536)
