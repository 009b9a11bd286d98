"""
House rules that hold for every test.

- A test leaves no socket, timer, thread or logged failure behind (pytest-twisted does not look).
- A test ends within ``ECHOD_TEST_TIMEOUT`` seconds (120), or it fails; if it cannot even fail, the run ends.
- In CI (``ECHOD_CI=1``) no test is skipped or expected to fail: all that tests need is installed there.
"""

from __future__ import annotations

import faulthandler
import gc
import inspect
import os
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TextIO

import pytest
import pytest_twisted
from hypothesis import settings
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import deferLater
from twisted.logger import ILogObserver, globalLogPublisher
from zope.interface import provider

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from types import FrameType

    from twisted.logger import LogEvent
    from twisted.python.failure import Failure

SECONDS = float(os.environ.get("ECHOD_TEST_TIMEOUT", "120"))
"""How long the body of a test may take."""

GRACE = 30.0
"""How much longer it may take to fail, and its fixtures to come and go, until the run is ended."""

TURNS = 5
"""How often the reactor may turn for a socket that is being closed to be gone; trial gives two."""

REACTOR_POOL = "PoolThread-twisted.internet.reactor"
"""The threads in which the reactor resolves names: it keeps them, and may."""

NO_SKIPS = os.environ.get("ECHOD_CI") == "1"

# Hypothesis would fail an example that takes 0.2 s, as any does now and then on a busy machine.
settings.register_profile("echod", deadline=None)
settings.load_profile("echod")

_TERMINAL = pytest.StashKey[TextIO]()


# --- nothing is left behind ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Held:
    """What the process holds at one moment."""

    selectables: frozenset[Any]
    calls: frozenset[Any]
    threads: frozenset[threading.Thread]
    descriptors: frozenset[str]

    @classmethod
    def now(cls, reactor: Any) -> _Held:
        """Look at the reactor, the threads and the kernel's list of our descriptors."""
        return cls(
            frozenset(reactor.getReaders()) | frozenset(reactor.getWriters()),
            frozenset(reactor.getDelayedCalls()),
            frozenset(t for t in threading.enumerate() if not t.name.startswith("PoolThread-twisted.internet.reactor")),
            frozenset(_sockets()),
        )

    def beyond(self, before: _Held) -> list[str]:
        """Name each thing held now that was not held before."""
        return [
            f"{field.name}: {each!r}"
            for field in fields(self)
            for each in getattr(self, field.name) - getattr(before, field.name)
        ]


def _sockets() -> Iterator[str]:
    """Name each open socket, pipe, epoll and the like: the reactor does not know of all of them."""
    # Not with Path, which took most of the guard's time.
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208
        with suppress(OSError):  # the descriptor that lists this very folder is gone again
            target = os.readlink(f"/proc/self/fd/{number}")  # noqa: PTH115
            if target.startswith(("socket:", "pipe:", "anon_inode:")):
                yield f"{number} -> {target}"


def _turn(reactor: Any) -> None:
    """Let the reactor turn once."""
    pytest_twisted.blockon(deferLater(reactor, 0))


def _clear(reactor: Any, before: _Held) -> None:
    """Put away what a test left, so that only this test fails for it."""
    held = _Held.now(reactor)
    for call in held.calls - before.calls:
        call.cancel()
    for each in held.selectables - before.selectables:
        for way in ("stopListening", "loseConnection"):
            if hasattr(each, way):
                getattr(each, way)()
                break
    _turn(reactor)
    for each in _Held.now(reactor).selectables - before.selectables:
        reactor.removeReader(each)
        reactor.removeWriter(each)


@pytest.fixture
def logged_failures() -> Iterator[list[Failure]]:
    """
    Give the failures that were logged since the test began.

    Any that is still in the list at the end fails the test: one that expects failures looks at them and
    clears the list.
    """
    failures: list[Failure] = []

    @provider(ILogObserver)
    def watch(event: LogEvent) -> None:
        # twisted.logger writes "log_failure"; the old log.err writes "failure".
        found = event.get("log_failure") or event.get("failure")
        if found is not None:
            failures.append(found)

    globalLogPublisher.addObserver(watch)
    yield failures
    globalLogPublisher.removeObserver(watch)


@pytest.fixture(autouse=True)
def leak_guard(logged_failures: list[Failure]) -> Iterator[None]:
    """Fail a test which leaves sockets, timers, threads or logged failures behind."""
    from twisted.internet import reactor

    _turn(reactor)  # a reactor makes its own wakers when it first turns: they are nobody's leak
    before = _Held.now(reactor)
    yield
    for _ in range(TURNS):
        if not _Held.now(reactor).beyond(before):
            break
        _turn(reactor)
    for thread in _Held.now(reactor).threads - before.threads:
        thread.join(1)  # one that is about to end is no leak
    gc.collect()  # makes Deferreds that nobody listens to log their failures, and lost sockets warn
    left = _Held.now(reactor).beyond(before)
    if left:
        _clear(reactor, before)
    left += [f"logged: {failure.getTraceback()}" for failure in logged_failures]
    if left:
        pytest.fail("left behind:\n" + "\n".join(left), pytrace=False)


def pytest_collection_finish() -> None:
    """Set aside what the imports made: it would take long to search it for cycles after each test."""
    gc.collect()
    gc.freeze()


# --- everything ends in time --------------------------------------------------------------------------------


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Fail the code inside when it takes longer, wherever it is, also in a system call."""

    def ring(_signal: int, _frame: FrameType | None) -> None:
        pytest.fail(f"took longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _bounded(test: Callable[..., object]) -> Callable[..., object]:
    """
    Bound the time of a test's body.

    An alarm cannot end a test that waits for a Deferred: it would ring inside the reactor, which logs and
    goes on. So the Deferred itself gets the timeout, and shows where the test waited.
    """

    def bounded(*args: object, **kwargs: object) -> object:
        from twisted.internet import reactor

        with _alarm(SECONDS):
            result = test(*args, **kwargs)
            if inspect.iscoroutine(result):
                result = ensureDeferred(result)
        if isinstance(result, Deferred):
            result.addTimeout(SECONDS, reactor)
        return result

    return bounded


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Run the body of a test, or each example of a property, in bounded time."""
    test = pyfuncitem.obj
    holder, name = (test.hypothesis, "inner_test") if hasattr(test, "hypothesis") else (pyfuncitem, "obj")
    unbounded = getattr(holder, name)
    setattr(holder, name, _bounded(unbounded))
    try:
        return (yield)
    finally:
        setattr(holder, name, unbounded)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """End the run when a test, with its fixtures, hangs so that it cannot even fail."""
    terminal = item.config.stash[_TERMINAL]

    def end() -> None:
        print(f"\n{item.nodeid} hangs: ending the run.", file=terminal)
        faulthandler.dump_traceback(terminal)
        os._exit(1)

    watchdog = threading.Timer(SECONDS + GRACE, end)
    watchdog.daemon = True
    watchdog.start()
    try:
        return (yield)
    finally:
        watchdog.cancel()
        watchdog.join()


def pytest_configure(config: pytest.Config) -> None:
    """Keep hold of the real standard error, which pytest takes away while a test runs."""
    capture = config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        config.stash[_TERMINAL] = os.fdopen(os.dup(sys.stderr.fileno()), "w", buffering=1)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Give it back."""
    config.stash[_TERMINAL].close()


# --- in CI, nothing is skipped ------------------------------------------------------------------------------


def _forbid_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip, or an expected failure, into a failure."""
    if NO_SKIPS and report.skipped:
        reason = getattr(report, "wasxfail", None) or report.longrepr
        report.outcome = "failed"
        report.longrepr = f"In CI no test is skipped or expected to fail: {reason}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judge tests that skip themselves, or are marked so."""
    report = yield
    _forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Judge modules that skip all of their tests."""
    report = yield
    _forbid_skip(report)
    return report
