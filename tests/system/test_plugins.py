"""Whatever endpoint plugins are installed, their descriptions can be written, and they are served as well."""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from tests.system.clients import Sending, connected, exactly, half_closed, rest
from tests.system.daemon import Daemon, wait_until

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20

PLUGIN = '''\
"""Endpoints of every sort that people write."""

import os
import signal

from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IStreamServerEndpoint, IStreamServerEndpointStringParser
from twisted.internet.task import deferLater
from twisted.plugin import IPlugin
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from zope.interface import implementer


class Loud(ProtocolWrapper):
    def write(self, data):
        super().write(data.upper())


class LoudFactory(WrappingFactory):
    protocol = Loud
    noisy = False


@implementer(IStreamServerEndpoint)
class Endpoint:
    def __init__(self, listen):
        self.listen = listen


def shout(reactor, port):
    """Change what is said: wraps the factory."""
    inner = TCP4ServerEndpoint(reactor, int(port), interface="127.0.0.1")
    return Endpoint(lambda factory: inner.listen(LoudFactory(factory)))


def own(reactor, port):
    """Listen with the global reactor, whatever reactor is given: not echod's port, nor its connections."""
    from twisted.internet import reactor as globally
    factory_of = TCP4ServerEndpoint(globally, int(port), interface="127.0.0.1")
    return Endpoint(factory_of.listen)


def late(reactor, port):
    """Listen only some time after the start, as an endpoint does that has to ask somebody else first."""
    inner = TCP4ServerEndpoint(reactor, int(port), interface="127.0.0.1")
    return Endpoint(lambda factory: deferLater(reactor, 0.3, inner.listen, factory))


def hasty(reactor, port):
    """Have the process told to stop when the reactor has set its own signal handlers, and echod has not yet."""
    reactor.callWhenRunning(os.kill, os.getpid(), signal.SIGTERM)
    return TCP4ServerEndpoint(reactor, int(port), interface="127.0.0.1")


@implementer(IPlugin, IStreamServerEndpointStringParser)
class Parser:
    def __init__(self, prefix, make):
        self.prefix = prefix
        self.parseStreamServer = make


one, two, three, four = [Parser(make.__name__, make) for make in (shout, own, late, hasty)]
'''


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Install the plugins, and return the environment in which they are found."""
    plugins = tmp_path / "path" / "twisted" / "plugins"
    plugins.mkdir(parents=True)
    (plugins / "endpoints_for_a_test.py").write_text(PLUGIN, encoding="ascii")
    path = [str(tmp_path / "path"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(path)}


def config(listen: str) -> str:
    """Return a file which echoes on one address."""
    return f"services: {{echo: {{listen: '{listen}', protocol: echo}}}}"


def test_an_endpoint_that_wraps(tmp_path: Path, environ: dict[str, str]) -> None:
    """An endpoint may change what passes through it."""
    with Daemon(tmp_path, config("shout:0"), environ=environ) as daemon:
        assert daemon.at("echo").kind == "shout"
        with connected(daemon.at("echo")) as sock:
            sock.sendall(b"hello")
            assert sock.recv(100) == b"HELLO"


def test_an_endpoint_with_ports_of_its_own(tmp_path: Path, environ: dict[str, str]) -> None:
    """Connections which Twisted made, not echod, are echoed and held back in the same way; a stop loses nothing."""
    with Daemon(tmp_path, config("own:0"), environ=environ) as daemon:
        data = os.urandom(16 * MIB)
        assert (half_closed(daemon.at("echo"), data) == data) is True
        with connected(daemon.at("echo")) as client, Sending(client, data):
            start = exactly(client, MIB)
            daemon.send_signal(signal.SIGTERM)
            assert (start + rest(client) == data) is True
        daemon.ended()


def test_an_endpoint_that_listens_late(tmp_path: Path, environ: dict[str, str]) -> None:
    """The port which the kernel gave is told when it is known, and is closed at the stop."""
    with Daemon(tmp_path, config("late:0"), environ=environ) as daemon:
        address = daemon.at("echo")
        assert half_closed(address, b"x" * MIB) == b"x" * MIB


def test_an_endpoint_that_cannot_listen_late(tmp_path: Path, environ: dict[str, str]) -> None:
    """Whatever cannot be had ends the daemon, also when that is found out only after the start."""
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        daemon = Daemon(tmp_path, config(f"late:{port}"), listeners=0, environ=environ)
        daemon.start()
        try:
            assert daemon.process is not None
            assert daemon.process.wait(10) == 71, daemon.log
        finally:
            daemon.kill()
    (line,) = [line for line in daemon.log.splitlines() if "cannot listen" in line]
    assert f"services.echo.listen: cannot listen on late:{port}: address already in use" in line
    assert "Traceback" not in daemon.log


def test_an_endpoint_that_would_listen_after_the_stop(tmp_path: Path, environ: dict[str, str]) -> None:
    """Told to stop before an endpoint listens at all, it ends as well as ever."""
    with Daemon(tmp_path, config("late:0"), listeners=0, environ=environ) as daemon:
        wait_until(lambda: " serves " in daemon.log, "it has started")
        assert daemon.stop() < 1.5


def test_a_stop_in_the_middle_of_the_start(tmp_path: Path, environ: dict[str, str]) -> None:
    """The end is as good when the signal reaches the handlers of the reactor, which twistd would end by."""
    with Daemon(tmp_path, config("hasty:0"), environ=environ) as daemon:
        daemon.ended()
        assert "Received SIGTERM" in daemon.log, "echod heard it itself: this test shows nothing"
