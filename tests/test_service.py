"""The service: all of its addresses or none, also those that come late."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Any

import pytest
import pytest_twisted
from twisted.internet import endpoints
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IStreamServerEndpointStringParser
from twisted.logger import ILogObserver, globalLogPublisher
from twisted.plugin import getPlugins
from zope.interface import implementer

from echod.addresses import written_address
from echod.opening import BindError
from tests.bound import MIXED, Maker, at

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from twisted.logger import LogEvent


in_reactor: Callable[[Callable[..., Coroutine[Any, Any, None]]], Callable[..., Any]] = pytest_twisted.ensureDeferred


@pytest.fixture(name="make")
def service_maker(tmp_path: Path) -> Iterator[Maker]:
    """Make services of a file's text, and close what is open at the end."""
    maker = Maker(tmp_path / "echod.yaml")
    yield maker
    maker.close()


def test_the_ports_that_the_kernel_gave_are_known(make: Maker) -> None:
    """Port 0 becomes a real one, for each address of its own."""
    service = make(MIXED)
    service.bind()
    addresses = [at(service, name, number) for name in ("echo", "hello") for number in (0, 1)]
    assert [host for host, _ in addresses] == ["127.0.0.1"] * 3 + ["::1"]
    assert all(port > 0 for _, port in addresses)
    socket.create_connection(addresses[0]).close()
    socket.create_connection(addresses[3]).close()


@pytest.mark.parametrize(
    ("busy", "listen"),
    [
        (socket.SOCK_STREAM, "tcp:{port}:interface=127.0.0.1"),
        (socket.SOCK_DGRAM, "udp:{port}:interface=127.0.0.1"),
        (None, "tcp:0:interface=192.0.2.77"),
        (None, "udp:0:interface=192.0.2.77"),
        (None, "unix:/nowhere/at/all"),
        (None, "unixgram:/nowhere/at/all"),
    ],
)
def test_all_addresses_or_none(make: Maker, busy: socket.SocketKind | None, listen: str) -> None:
    """One that cannot be had is named, with its service and its place in the file, and nothing stays open."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM if busy is None else busy)
    sock.bind(("127.0.0.1", 0))
    if busy is socket.SOCK_STREAM:
        sock.listen()
    written = listen.format(port=sock.getsockname()[1])
    free = _free_ports()
    others = MIXED.replace("tcp:0", f"tcp:{free[0]}").replace("tcp6:0", f"tcp6:{free[1]}")
    service = make(f"{others}  third:\n    protocol: echo\n    listen: {written}\n")
    with pytest.raises(BindError) as caught:
        service.bind()
    sock.close()

    sentence = str(caught.value)
    assert "echod.yaml:12:13: services.third.listen" in sentence
    assert f"cannot listen on {written}: " in sentence
    assert not caught.value.denied
    for host, port in (("127.0.0.1", free[0]), ("::1", free[1])):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, port))
    assert not service.services


def _free_ports() -> tuple[int, int]:
    """Return a TCP port on which nothing listens, of IPv4 and of IPv6."""
    with socket.socket() as four, socket.socket(socket.AF_INET6) as six:
        four.bind(("127.0.0.1", 0))
        six.bind(("::1", 0))
        return four.getsockname()[1], six.getsockname()[1]


def test_a_missing_permission_is_told_apart(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Supervisors get another exit status for it, people another advice."""

    def deny(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("echod.transport.sockets.internet_socket", deny)
    monkeypatch.setattr("echod.transport.listening.internet_socket", deny)
    with pytest.raises(BindError) as caught:
        make(MIXED).bind()
    assert caught.value.denied
    assert "permission denied; ports below 1024 need root" in str(caught.value)


class Plugin:
    """An endpoint plugin `later:`, which listens when the test says so."""

    prefix = "later"

    def __init__(self) -> None:
        self.listening: Deferred[Any] = Deferred()

    def parseStreamServer(self, reactor: Any, *args: str) -> Any:
        """Make the endpoint: this. Called by Twisted."""
        del reactor, args
        return self

    def listen(self, factory: Any) -> Deferred[Any]:
        """Listen later. Called by the service."""
        del factory
        return self.listening


class ForeignPort:
    """A listening port that has nothing but what `IListeningPort` promises."""

    def __init__(self) -> None:
        self.stopped = 0

    def getHost(self) -> IPv4Address:
        """Return some address."""
        return IPv4Address("TCP", "192.0.2.1", 7)

    def stopListening(self) -> Deferred[None]:
        """Count."""
        self.stopped += 1
        return succeed(None)


@pytest.fixture(name="plugin")
def installed_plugin(monkeypatch: pytest.MonkeyPatch) -> Plugin:
    """Install the plugin."""
    plugin = Plugin()
    others = list(getPlugins(IStreamServerEndpointStringParser))
    monkeypatch.setattr(endpoints, "getPlugins", lambda *_: [plugin, *others])
    return plugin


LATER = "  late:\n    listen: later:x\n    protocol: echo\n"


def test_an_endpoint_that_fails_late(make: Maker, plugin: Plugin) -> None:
    """Whoever started the daemon has gone by then, so the failure is told to who can stop it."""
    service = make(LATER)
    failed: list[BindError] = []
    service.on_late_failure(failed.append)
    service.bind()
    plugin.listening.errback(CannotListenError("x", 1, OSError(errno.EADDRINUSE, "Address already in use")))
    (problem,) = failed
    assert "services.late.listen" in str(problem)
    assert "cannot listen on later:x: address already in use; stop what listens there" in str(problem)


def test_a_late_failure_is_logged_at_least(make: Maker, plugin: Plugin) -> None:
    """With nobody else to tell."""
    events: list[LogEvent] = []

    @implementer(ILogObserver)
    def watch(event: LogEvent) -> None:
        events.append(event)

    globalLogPublisher.addObserver(watch)
    service = make(LATER)
    service.bind()
    plugin.listening.errback(ValueError("no such onion"))
    globalLogPublisher.removeObserver(watch)
    assert ["no such onion" in event["problem"] for event in events if event["log_level"].name == "critical"] == [True]


@in_reactor
async def test_foreign_ports_are_stopped_too(make: Maker, plugin: Plugin) -> None:
    """A plugin's port cannot be asked for what the kernel holds; that must not stop the others from stopping."""
    service = make(LATER + MIXED)
    service.bind()
    port = ForeignPort()
    plugin.listening.callback(port)
    assert [address for _, address in service.services["late"].addresses()] == ["192.0.2.1:7"]
    service.startService()
    await service.stopService()
    assert port.stopped == 1


def test_a_port_that_comes_too_late_is_closed(make: Maker, plugin: Plugin) -> None:
    """After another address could not be had, a late one must not open."""
    service = make(LATER + "  bad:\n    listen: udp:0:interface=192.0.2.77\n    protocol: echo\n")
    with pytest.raises(BindError):
        service.bind()
    port = ForeignPort()
    plugin.listening.callback(port)
    assert port.stopped == 1


def test_addresses_as_people_write_them() -> None:
    """IPv6 in brackets, Unix sockets by their path."""
    assert written_address(IPv4Address("TCP", "127.0.0.1", 7)) == "127.0.0.1:7"
    assert written_address(IPv6Address("UDP", "::1", 7)) == "[::1]:7"
    assert written_address(UNIXAddress("/run/s")) == "/run/s"
