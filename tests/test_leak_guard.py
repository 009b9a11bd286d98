"""The house rules of conftest.py, proven on tests that break them."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

CONFTEST = Path(__file__).with_name("conftest.py").read_text()

LEAKS = '''
import os
import select
import socket
import threading

import pytest_twisted
from twisted.internet import defer, endpoints, protocol, reactor
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol
from twisted.logger import Logger
from twisted.python import log


def test_bad_tcp_port():
    reactor.listenTCP(0, Factory(), interface="127.0.0.1")


def test_bad_udp_port():
    reactor.listenUDP(0, DatagramProtocol(), interface="127.0.0.1")


def test_bad_delayed_call():
    reactor.callLater(1000, print)


def test_bad_socket_of_nobody(request):
    request.config.kept = os.dup(socket.socket().detach())


def test_bad_epoll(request):
    request.config.epoll = select.epoll()


def test_bad_lost_socket():
    """In a cycle, so that only a search finds it."""
    cycle = [socket.socket()]
    cycle.append(cycle)


def test_bad_thread(request):
    request.config.end = threading.Event()
    threading.Thread(target=request.config.end.wait).start()


def test_good_ends_that_thread(request):
    request.config.end.set()


def test_bad_log_err():
    log.err(ValueError("told to the old log"))


def test_bad_log_failure():
    try:
        raise ValueError("told to the new log")
    except ValueError:
        Logger().failure("so it is")


def test_bad_unhandled_deferred():
    defer.fail(ValueError("nobody listens"))


@pytest_twisted.ensureDeferred
async def test_bad_connection(request):
    """The server's side stays, and so does its port."""
    request.config.port = await endpoints.serverFromString(reactor, "tcp:0:interface=127.0.0.1").listen(
        Factory.forProtocol(Protocol))
    where = f"tcp:127.0.0.1:{request.config.port.getHost().port}"
    await endpoints.connectProtocol(endpoints.clientFromString(reactor, where), Protocol())


def test_good_plain():
    with socket.socket():
        pass


def test_good_expected_failure(logged_failures):
    log.err(ValueError("expected"))
    assert logged_failures.pop().check(ValueError)


def test_good_short_thread():
    threading.Timer(0.05, int).start()


@pytest_twisted.ensureDeferred
async def test_good_port_and_name():
    """Resolving a name starts a thread of the reactor's pool, which stays."""
    server = endpoints.serverFromString(reactor, "tcp:0:interface=127.0.0.1")
    port = await server.listen(Factory.forProtocol(Protocol))
    where = f"tcp:localhost:{port.getHost().port}"
    client = await endpoints.connectProtocol(endpoints.clientFromString(reactor, where), Protocol())
    client.transport.loseConnection()
    await port.stopListening()
'''


def test_leaks(pytester: pytest.Pytester) -> None:
    """Whatever a test leaves behind is flagged on that very test, and only there."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(LEAKS)

    result = pytester.runpytest_subprocess("-W", "error", "-rA")

    ran = LEAKS.count("def test_")
    bad = {line.split()[0] for line in LEAKS.split("def ") if line.startswith("test_bad")}
    bad = {name.partition("(")[0] for name in bad}
    errors = {line.split("::")[1].split()[0] for line in result.outlines if line.startswith("ERROR ")}

    assert errors == bad
    result.assert_outcomes(passed=ran, errors=len(bad))


HANGS = """
import time

import pytest
import pytest_twisted
from hypothesis import given, strategies
from twisted.internet import defer


def test_sleeps():
    time.sleep(60)


@pytest_twisted.ensureDeferred
async def test_waits():
    await defer.Deferred()


@given(strategies.just(1))
def test_property_sleeps(number):
    time.sleep(60)


@pytest.mark.parametrize("number", [1, 2])
@given(data=strategies.just(1))
def test_property(number, data):
    pass
"""


def test_hangs(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that sleeps or waits for ever fails, and the others go on."""
    monkeypatch.setenv("ECHOD_TEST_TIMEOUT", "0.5")
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(HANGS)

    result = pytester.runpytest_subprocess("-W", "error")

    result.assert_outcomes(passed=2, failed=3)
    result.stdout.fnmatch_lines(["*test_sleeps*took longer than 0.5 s*", "*test_waits*TimeoutError*"])


STUCK = """
import pytest
import pytest_twisted
from twisted.internet import defer


@pytest_twisted.async_fixture
async def never():
    await defer.Deferred()


def test_stuck(never):
    pass
"""


def test_hopeless(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fixture that never comes ends the whole run, which says where."""
    monkeypatch.setenv("ECHOD_TEST_TIMEOUT", "0.5")
    pytester.makeconftest(CONFTEST.replace("GRACE = 30.0", "GRACE = 0.5"))
    pytester.makepyfile(STUCK)

    result = pytester.runpytest_subprocess(timeout=60)

    assert result.ret == 1
    result.stderr.fnmatch_lines(["*::test_stuck hangs: ending the run.", "*most recent call first*"])


SKIPS = """
import pytest


@pytest.mark.skip(reason="lazy")
def test_marked():
    pass


def test_itself():
    pytest.skip("tired")


@pytest.mark.xfail(reason="known")
def test_expected():
    raise ValueError


def test_runs():
    pass
"""


@pytest.mark.parametrize(
    ("where", "outcomes"),
    [
        ("0", {"passed": 1, "skipped": 3, "xfailed": 1}),
        ("1", {"passed": 1, "failed": 2, "errors": 2}),
    ],
)
def test_skips(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, where: str, outcomes: dict[str, int]
) -> None:
    """At home a test may skip itself; in CI that is a failure, and so is a module that skips all."""
    monkeypatch.setenv("ECHOD_CI", where)
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_some=SKIPS, test_none="import pytest\npytest.importorskip('no_such_module')")

    result = pytester.runpytest_subprocess("--continue-on-collection-errors")

    result.assert_outcomes(**outcomes)
