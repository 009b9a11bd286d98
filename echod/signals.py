"""
How the daemon is told to stop, and to read its configuration anew.

Twisted stops on SIGTERM and SIGINT too, but twistd then ends by that very signal, which supervisors count as a
failure. These handlers stop the reactor, which drains the service, and the exit status is 0.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from twisted.internet.defer import Deferred

    from echod.service import Echod

_log = Logger()


class Stopper:
    """Stops on the first signal, and cuts short on the second."""

    def __init__(self, service: Echod, reactor: Any) -> None:
        self._service = service
        self._reactor = reactor
        self._asked = False

    def received(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the shape of signal handlers
        """Take a signal. Called by Python between two of its instructions, so the reactor does the work."""
        self._reactor.callFromThread(self.stop, signal.Signals(number).name)

    def stop(self, name: str) -> None:
        """Stop; called again, abort what is still being answered."""
        if self._asked:
            _log.warn("{name} again: connections are cut", name=name)
            self._service.abort()
            return
        self._asked = True
        _log.info("{name}: stopping", name=name)
        self._reactor.stop()


class Reloader:
    """
    Reads the configuration anew on SIGHUP.

    A signal during the start has its reload right after it. Signals that come before their reload has begun have one
    together; those that come while one is under way have the next.

    :ivar reload: does it.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._busy = False
        self._again = False
        self.reload: Callable[[], Deferred[Any]] | None = None

    def install(self) -> None:
        """Handle the signal from now on."""
        signal.signal(signal.SIGHUP, self.received)

    def received(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the shape of signal handlers
        """Take a signal. Called by Python between two of its instructions; before the reactor runs, it waits for it."""
        self._reactor.callFromThread(self.ask)

    def ask(self) -> None:
        """Reload, or once more after the reload that is under way."""
        if self._busy:
            self._again = True
            return
        assert self.reload is not None, "the reactor runs only when there is a service"
        self._busy = True
        _log.info("SIGHUP: reloading")
        # What went wrong is logged where it did.
        self.reload().addErrback(lambda _: None).addCallback(lambda _: self._done())

    def _done(self) -> None:
        self._busy = False
        if self._again:
            self._again = False
            self.ask()


def install(service: Echod, reactor: Any) -> None:
    """
    Handle SIGTERM and SIGINT from the moment in which the service starts.

    That is before the reactor runs: the log says then that we listen, and who reads it may stop us at once.
    """
    stopper = Stopper(service, reactor)

    def take_over() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stopper.received)

    def take_back() -> None:
        take_over()
        # A signal that reached the reactor's own handlers stops it too, but is not to be how twistd ends.
        reactor._exitSignal = None  # noqa: SLF001 - Twisted's runners have no other way to ask

    service.at_start = take_over
    # The reactor sets its own handlers when it starts.
    reactor.callWhenRunning(take_back)
