"""Timers do not care about a clock that is set."""

from __future__ import annotations

import subprocess
import sys

import pytest

# A process of its own: its clock is bent before Twisted is imported, and reactors leave descriptors behind.
PROGRAM = """
import importlib, sys, time
real, offset = time.time, 0
time.time = lambda: real() + offset
module, name, change = sys.argv[1:]
reactor = getattr(importlib.import_module("twisted.internet." + module), name)()
if change == "steady":
    from echod.steady import steady
    assert steady(reactor) is reactor
called = []
reactor.callLater(0.1, called.append, True)
offset = -3600
end = time.monotonic() + 1.5
while not called and time.monotonic() < end:
    reactor.iterate(0.01)
print(called)
"""
REACTORS = [("epollreactor", "EPollReactor"), ("asyncioreactor", "AsyncioSelectorReactor")]


def called(module: str, name: str, change: str) -> str:
    """Return whether a call in a tenth of a second came within 1.5, although the clock was set back by an hour."""
    words = [sys.executable, "-c", PROGRAM, module, name, change]
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


@pytest.mark.parametrize(("module", "name"), REACTORS)
def test_a_clock_set_back_delays_nothing(module: str, name: str) -> None:
    """The call comes as if nothing had happened."""
    assert called(module, name, "steady") == "[True]"


def test_twisteds_own_timers_stand() -> None:
    """So the test above could fail."""
    assert called(*REACTORS[0], "stock") == "[]"
