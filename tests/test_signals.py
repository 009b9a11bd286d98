"""When the configuration is read anew: once for signals that come together, once more for those that come later."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from echod.signals import Reloader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Reactor:
    """Calls from signal handlers, when the test says so."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], object]] = []

    def callFromThread(self, function: Callable[[], object]) -> None:
        """Keep it. Called by the handler."""
        self.calls.append(function)

    def turn(self) -> None:
        """Do what was kept."""
        calls, self.calls = self.calls, []
        for call in calls:
            call()


class Reloads:
    """Reloads that end when the test says so."""

    def __init__(self) -> None:
        self.begun: list[Deferred[Any]] = []

    def __call__(self) -> Deferred[Any]:
        """Begin one."""
        self.begun.append(Deferred())
        return self.begun[-1]


@pytest.fixture(name="handled")
def handled_again() -> Iterator[None]:
    """Put back the handler that this process had."""
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


def test_signals_before_their_reload_have_one(handled: None) -> None:
    """Also those of the start, before there is a service."""
    del handled
    reactor, reloads = Reactor(), Reloads()
    reloader = Reloader(reactor)
    reloader.install()
    for _ in range(3):
        signal.raise_signal(signal.SIGHUP)
    assert reactor.calls
    reloader.reload = reloads
    reactor.turn()
    assert len(reloads.begun) == 1


@pytest.mark.parametrize("result", [None, Failure(ValueError("a bad file"))])
def test_signals_during_a_reload_have_the_next(result: Any) -> None:
    """The file may have changed since it was read; whether that reload went well does not matter."""
    reactor, reloads = Reactor(), Reloads()
    reloader = Reloader(reactor)
    reloader.reload = reloads
    reloader.ask()
    for _ in range(3):
        reloader.received(signal.SIGHUP, None)
    reactor.turn()
    assert len(reloads.begun) == 1
    reloads.begun[0].callback(result)
    assert len(reloads.begun) == 2
    reloads.begun[1].callback(None)
    assert len(reloads.begun) == 2
    reloader.ask()
    assert len(reloads.begun) == 3
