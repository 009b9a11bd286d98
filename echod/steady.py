"""
A reactor whose seconds only go forward.

Twisted's count seconds since 1970, by a clock that is set now and then: forward by an hour, every idle limit would be
over at once. Limits need to know how long something took, not when it was.
"""

from __future__ import annotations

import time
from typing import Any


class Steady:
    """
    Everything that a reactor is, but for `seconds`, which count from an arbitrary moment and are never set.

    Its delayed calls are the reactor's own, and go by the reactor's clock.
    """

    seconds = staticmethod(time.monotonic)

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)
