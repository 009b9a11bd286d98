"""
Runs one coroutine in a reactor, for a command.

`twisted.internet.task.react` is close, but it ends the process itself, logs an exception of the coroutine beside
giving status 1, knows nothing of Ctrl-C, and waits at the end for name lookups that nobody needs any more.
"""

from __future__ import annotations

import os
import signal
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Any, NoReturn

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(reactor: Any, command: Callable[[Any], Coroutine[Deferred[Any], Any, int]]) -> int:
    """
    Run a command and return its exit status; can be called once, as a reactor runs once.

    Ctrl-C and SIGTERM cancel the coroutine. If it does not end on its own then, the status is 128 and the signal's
    number: 130 or 143. A second signal ends the process at once.

    :raises Exception: whatever the coroutine raised.
    """
    working = _Working(reactor)
    reactor.callWhenRunning(working.begin, command)
    _leave_lookups(reactor)
    before = {number: signal.signal(number, working.interrupt) for number in _SIGNALS}
    try:
        reactor.run(installSignalHandlers=False)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return working.status()


class _Working:
    """The command under way, and how it ended."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._work: Deferred[int] | None = None
        self._signal: int | None = None
        self._outcome: int | Failure = 0

    def begin(self, command: Callable[[Any], Coroutine[Deferred[Any], Any, int]]) -> None:
        """Start the coroutine. Called when the reactor runs."""
        self._work = Deferred.fromCoroutine(command(self._reactor))
        self._work.addBoth(self._end)

    def interrupt(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the shape of signal handlers
        """Take a signal. Called by Python between two of its instructions, so the reactor does the work."""
        if self._signal is not None:
            os._exit(128 + number)
        self._signal = number
        self._reactor.callFromThread(self._cancel)

    def status(self) -> int:
        """Return the exit status, or raise what the coroutine raised."""
        if not isinstance(self._outcome, Failure):
            return self._outcome
        if self._signal is not None and self._outcome.check(CancelledError):
            return 128 + self._signal
        return _raise(self._outcome)

    def _cancel(self) -> None:
        if self._work is not None:
            self._work.cancel()

    def _end(self, outcome: int | Failure) -> None:
        self._outcome = outcome
        self._reactor.stop()


def _raise(failure: Failure) -> NoReturn:
    failure.raiseException()
    raise AssertionError("a failure without an exception")


def _leave_lookups(reactor: Any) -> None:
    """
    Let the threads of name lookups die with the process.

    A lookup cannot be cancelled; the reactor would wait at its end for one that answers to nobody.
    """
    pool = reactor.getThreadPool()
    pool.threadFactory = partial(Thread, daemon=True)
    pool.stop = _stay


def _stay() -> None:
    """Take the place of the pool's `stop`, which joins its threads."""
