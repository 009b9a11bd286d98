"""
A reactor whose time only goes forward.

Twisted's count seconds since 1970, by a clock that is set now and then. Set forward by an hour, every idle limit would
be over at once; set back by a minute, every timer would stand for that long, and systemd would kill a daemon whose
watchdog is not fed. Limits need to know how long something took, not when it was.
"""

from __future__ import annotations

import time
from typing import Any


def steady(reactor: Any) -> Any:
    """
    Let a reactor's seconds, by which its delayed calls go, count from an arbitrary moment and never be set.

    To be called before anything is timed. `IReactorTime.seconds` is all that the delayed calls of Twisted's reactors
    ask, and its documentation leaves open what they count from.
    """
    reactor.seconds = time.monotonic
    return reactor
