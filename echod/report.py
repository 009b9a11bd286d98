"""
What the log says of traffic that was not answered.

Whoever floods the daemon must not fill its log as well. So drops are counted when they happen, and once in a while one
line for each service sums up what was counted since.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from twisted.logger import Logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

INTERVAL = 60.0
"""Seconds between two summaries."""


class Reporter:
    """
    Sums up losses.

    :param losses: returns, for each service by its name, what was dropped since it started, by reason.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, losses: Callable[[], dict[str, Counter[str]]]) -> None:
        self._clock = clock
        self._losses = losses
        self._said: dict[str, Counter[str]] = {}
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Begin; the first summary comes after one interval."""
        self._call = self._clock.callLater(INTERVAL, self._turn)

    def stop(self) -> None:
        """End, with a last summary."""
        if self._call is not None and self._call.active():
            self._call.cancel()
            self._sum_up()

    def _turn(self) -> None:
        self._sum_up()
        self.start()

    def _sum_up(self) -> None:
        losses = self._losses()
        for name, lost in losses.items():
            # Counter subtraction keeps what grew.
            new = lost - self._said.get(name, Counter())
            if new:
                reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(new.items()))
                self._log.warn("{service}: dropped {reasons}", service=name, reasons=reasons, dropped=dict(new))
        self._said = losses
