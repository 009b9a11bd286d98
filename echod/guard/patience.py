"""
How long a connection may take.

Every message is activity, so a timer for each connection would be moved with every message. Instead there is one
coarse clock, which connections copy when something happens, and one wheel of times at which each is looked at again.
A connection costs nothing between its looks, however many messages it has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from twisted.logger import Logger

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

TICK = 0.25
"""Seconds between two beats of the coarse clock: limits act so much late at most."""

_AFTER_FAILURE = 60.0
"""Seconds after which something whose look failed is looked at again."""

_IN_SERVICE, _FORGOTTEN = 0, -1


class Watched(Protocol):
    """What a wheel looks at."""

    beat: int
    """The beat at which the next look is due; kept by the wheel."""

    def look(self, now: float) -> float:
        """Act on what is overdue, and return the time in seconds until which no look is needed."""


class Patience:
    """
    The wheel.

    :param clock: gives the time in seconds, and calls later; only while something is watched.
    :ivar now: the coarse time: the last beat's.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self.now = clock.seconds()
        self._looks: dict[int, set[Watched]] = {}
        self._watched = 0
        self._last = self._beat(self.now)
        self._call: IDelayedCall | None = None

    def watch(self, watched: Watched, until: float) -> None:
        """Begin to look at something, first at the time `until`."""
        if self._call is None:
            self.now = self._clock.seconds()
            self._last = self._beat(self.now)
            self._call = self._clock.callLater(TICK, self._turn)
        self._watched += 1
        self._put(watched, until)

    def sooner(self, watched: Watched, until: float) -> None:
        """Look at something that is watched at the time `until`, if its next look is later."""
        if self._beat(until) < watched.beat:
            self._take(watched)
            self._put(watched, until)

    def forget(self, watched: Watched) -> None:
        """Look no more. Every `watch` needs one `forget`."""
        self._take(watched)
        watched.beat = _FORGOTTEN
        self._watched -= 1
        if not self._watched and self._call is not None:
            self._call.cancel()
            self._call = None

    @staticmethod
    def _beat(time: float) -> int:
        return int(time / TICK) + 1

    def _put(self, watched: Watched, until: float) -> None:
        watched.beat = max(self._beat(until), self._last + 1)
        self._looks.setdefault(watched.beat, set()).add(watched)

    def _take(self, watched: Watched) -> None:
        found = self._looks.get(watched.beat)
        if found is not None:
            found.discard(watched)
            if not found:
                del self._looks[watched.beat]

    def _turn(self) -> None:
        self._call = self._clock.callLater(TICK, self._turn)
        self.now = self._clock.seconds()
        # int(t / TICK): the beats that are wholly past.
        past = self._beat(self.now) - 1
        first = self._last + 1
        # Set before the looks: what they ask for at once must not be put among the beats that this turn leaves behind.
        self._last = past
        for beat in range(first, past + 1) if past - first + 1 < len(self._looks) else sorted(self._looks):
            if beat > past:
                break
            for watched in self._looks.pop(beat, ()):
                # A look at another may have ended this one.
                if watched.beat == beat:
                    watched.beat = _IN_SERVICE
                    self._look(watched)

    def _look(self, watched: Watched) -> None:
        try:
            until = watched.look(self.now)
        except Exception:  # noqa: BLE001 - one connection's fault must not leave the others without limits
            self._log.failure("a limit could not be applied")
            until = self.now + _AFTER_FAILURE
        if watched.beat == _IN_SERVICE:
            self._put(watched, until)
