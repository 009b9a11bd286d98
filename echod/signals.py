"""
How the daemon is told to stop.

Twisted stops on SIGTERM and SIGINT too, but twistd then ends by that very signal, which supervisors count as a
failure. These handlers stop the reactor, which drains the service, and the exit status is 0.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

if TYPE_CHECKING:
    from types import FrameType

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
