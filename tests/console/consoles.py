"""A console without a socket: its site talks to a transport in memory, and the daemon behind it only reads files."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPResponse
from io import BytesIO
from typing import TYPE_CHECKING, Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from echod.config import ConfigError, Problem, load
from echod.console.site import Console
from echod.opening import BindError
from echod.plan import plan
from echod.tally import Tally
from echod.watch import Hub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from echod.config import Config, Listen, Service

MAIN = """\
services:
  hello-tcp:
    listen: tcp:55555:interface=127.0.0.1
    protocol: reply
    reply: hi
    then: close
  echo-udp:
    listen: udp:7007:interface=127.0.0.1
    protocol: echo
console:
  listen: tcp:8007:interface=127.0.0.1
"""

NEW = {"name": "new", "listen": "tcp:7777:interface=127.0.0.1", "protocol": "echo"}
"""A service that can be made."""


@dataclass
class FakeRunning:
    """A service that listens nowhere."""

    settings: Service
    tally: Tally = field(default_factory=Tally)

    def addresses(self) -> Iterator[tuple[Listen, str]]:
        """Return where it would listen."""
        for listen in self.settings.listen:
            yield listen, f"{listen.host or '0.0.0.0'}:{listen.port}"


class FakeEchod:
    """
    Reads its files as the daemon does, and serves nothing.

    :ivar busy: addresses that cannot be bound.
    :ivar maker: makes what is served beside the services.
    :ivar before: called when all is prepared, before anything changes; what it raises prevents that.
    :ivar hold: keeps the next change waiting.
    """

    def __init__(self, file: Path | None, environ: Mapping[str, str]) -> None:
        self._file = file
        self._environ = environ
        self.config = load(file, environ)
        self.services = {name: FakeRunning(settings) for name, settings in self.config.services.items()}
        self.reloads = Counter({"success": 0, "failure": 0})
        self.loaded_at = 1_000.0
        self.ready = True
        self.draining = False
        self.busy: set[str] = set()
        self.before: Callable[[], object] = lambda: None
        self.hold: Deferred[None] | None = None
        self.maker: Callable[[Any, Any], object] = lambda *_: None

    def drops(self) -> dict[str, Counter[str]]:
        """Return what each service dropped."""
        return {name: Counter(running.tally.dropped) for name, running in self.services.items()}

    def reload(self) -> Deferred[Any]:
        """Read the files anew."""
        return self.change({}, lambda: None)

    def change(self, overlay: Mapping[str, bytes | None], persist: Callable[[], object]) -> Deferred[Any]:
        """Go over to other files."""
        if self.hold is not None:
            hold, self.hold = self.hold, None
            return hold.addCallback(lambda _: self.change(overlay, persist))
        try:
            config = self._prepared(overlay)
            persist()
        except Exception:  # noqa: BLE001 - handed on
            self.reloads["failure"] += 1
            return fail(Failure())
        steps = plan(self.config.services, config.services)
        self.services = {
            name: self.services[name] if name in steps.kept else FakeRunning(settings)
            for name, settings in config.services.items()
        }
        self.config = config
        self.reloads["success"] += 1
        self.loaded_at += 1
        return succeed(steps)

    def _prepared(self, overlay: Mapping[str, bytes | None]) -> Config:
        config = load(self._file, self._environ, overlay)
        for service in config.services.values():
            for index, listen in enumerate(service.listen):
                if listen.text in self.busy:
                    path = config.listen_path(service.name, index)
                    raise BindError(config.problem(path, f"cannot listen on {listen.text}: address in use"))
        if config.top.console is not None:
            self.maker(self, config.top.console)
        self.before()
        return config


class Channel(StringTransport):
    """The transport of a browser's connection, which can be cut."""

    aborted = False
    protocol: Any = None

    def abortConnection(self) -> None:
        """Cut it. Called by the site."""
        self.aborted = True
        self.loseConnection()

    def loseConnection(self) -> None:
        """End it. Called by the site."""
        if not self.disconnecting:
            self.disconnecting = True
            protocol, self.protocol = self.protocol, None
            if protocol is not None:
                from twisted.internet.error import ConnectionDone

                protocol.connectionLost(Failure(ConnectionDone()))


@dataclass
class Reply:
    """What the console answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """What is in the body."""
        return json.loads(self.body)

    @property
    def paths(self) -> list[str]:
        """The settings that have problems."""
        return [each["path"] for each in self.json["problems"]]


class Browser:
    """
    Talks to a console in memory, as a program of the same host.

    :param main: the text of the main file; None for the embedded example.
    """

    def __init__(self, folder: Path, main: str | None = MAIN, environ: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.main = folder / "echod.yaml"
        if main is not None:
            self.main.write_text(main, encoding="utf-8")
        self.clock = Clock()
        self.hub = Hub(self.clock, self.clock.seconds)
        self.echod = FakeEchod(None if main is None else self.main, environ or {})
        self.console = Console(self.clock, self.hub, wall=self.clock.seconds)
        settings = self.echod.config.top.console
        assert settings is not None
        self.site = self.console(self.echod, settings)  # type: ignore[arg-type]
        self.echod.maker = self.console

    @property
    def kept(self) -> Path:
        """Where services are kept."""
        return self.folder / "conf.d"

    def connect(self) -> Channel:
        """Open a connection."""
        channel = Channel(peerAddress=IPv4Address("TCP", "127.0.0.1", 40_000))
        channel.protocol = self.site.buildProtocol(None)
        channel.protocol.makeConnection(channel)
        return channel

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        channel: Channel | None = None,
    ) -> Channel:
        """Send a request; a body that is no bytes is sent as JSON."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        given = {"Host": "localhost:8007"} | ({"Content-Type": "application/json"} if body is not None else {})
        given |= {"Content-Length": str(len(raw))} if body is not None else {}
        lines = [f"{name}: {value}" for name, value in (given | dict(headers or {})).items() if value]
        channel = channel or self.connect()
        head = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""])
        channel.protocol.dataReceived(head.encode("latin-1") + raw)
        return channel

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """Send a request and return the answer; `If_Match` stands for the header `If-Match`."""
        channel = self.send(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        reply = reply_in(channel.value(), method)
        channel.loseConnection()
        return reply

    def etag(self, name: str) -> str:
        """Return the ETag of a service."""
        return self("GET", f"/api/services/{name}").headers["ETag"]


class _Socket:
    """What `http.client` reads from."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, mode: str) -> BytesIO:
        """Return a file of it. Called by `http.client`."""
        assert mode == "rb"
        return BytesIO(self._raw)


def reply_in(raw: bytes, method: str = "GET") -> Reply:
    """Read an answer as browsers do."""
    assert raw, "there is no answer"
    response = HTTPResponse(_Socket(raw), method=method)  # type: ignore[arg-type]  # all that it takes of a socket
    response.begin()
    headers = dict(response.headers.items())
    return Reply(response.status, headers, response.read())


def a_problem(file: str = "other.yaml", path: str = "services.other.listen") -> ConfigError:
    """Make an error of a configuration."""
    return ConfigError([Problem(file, 3, 5, path, "it is wrong")])
