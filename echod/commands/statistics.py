"""
The numbers of a ping. Pure: times are in seconds, as any clock gives them.

- p90 and p99 are nearest-rank percentiles (the smallest time that so many percent do not exceed), so each is a time
  that was really measured; the median of an even number of times is the mean of the middle two.
- jitter is the mean of |D|, the difference of the round-trip times of two messages that were answered one after the
  other. RFC 3550, section 6.4.1, smooths the same |D| with a gain of 1/16, which would start at 0 and take dozens of
  messages to settle; the plain mean is right for short runs too.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile of times in ascending order, of which there is at least one."""
    return ordered[max(math.ceil(percent * len(ordered) / 100), 1) - 1]


def median(ordered: Sequence[float]) -> float:
    """Return the middle of times in ascending order, of which there is at least one."""
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def jitter(times: Sequence[float]) -> float:
    """Return the mean difference of neighbours, in the order of arrival; 0 for fewer than two times."""
    if len(times) < 2:
        return 0.0
    return sum(abs(times[i] - times[i - 1]) for i in range(1, len(times))) / (len(times) - 1)


@dataclass
class Statistics:
    """
    What became of the messages of one ping.

    Each message that was sent is right (`received`), wrong (`mismatched`), without an answer (`lost`), or still within
    its time when the ping was ended (`awaited`).

    :ivar late: of the right answers, those that came after the timeout.
    :ivar duplicated: right answers to a message that was answered already.
    :ivar reordered: right answers that came after the answer to a later message (RFC 4737, section 3.3).
    :ivar unasked: wrong answers which belong to no message.
    :ivar round_trips: seconds, in the order of arrival; 8 bytes of memory each.
    """

    sent: int = 0
    late: int = 0
    mismatched: int = 0
    duplicated: int = 0
    reordered: int = 0
    unasked: int = 0
    awaited: int = 0
    round_trips: array[float] = field(default_factory=lambda: array("d"))

    @property
    def received(self) -> int:
        """How many messages were answered right, in time or late."""
        return len(self.round_trips)

    @property
    def lost(self) -> int:
        """How many messages were not answered."""
        return self.sent - self.received - self.mismatched - self.awaited

    @property
    def lost_percent(self) -> float:
        """How many percent of the messages were lost, those left out that may still be answered."""
        settled = self.sent - self.awaited
        return 100 * self.lost / settled if settled else 0.0

    @property
    def heard(self) -> bool:
        """Whether anything came back at all."""
        return bool(self.received or self.mismatched or self.unasked)

    @property
    def right(self) -> bool:
        """Whether every message was answered, right and in time; networks may duplicate and reorder."""
        return bool(self.received) and not (self.lost or self.late or self.mismatched or self.unasked)

    def as_json(self) -> dict[str, Any]:
        """Return every number, times in milliseconds; those are null when there is none."""
        ordered = sorted(self.round_trips)
        times = (
            {
                "min": ordered[0],
                "median": median(ordered),
                "p90": percentile(ordered, 90),
                "p99": percentile(ordered, 99),
                "max": ordered[-1],
                "mean": sum(ordered) / len(ordered),
                "jitter": jitter(self.round_trips),
            }
            if ordered
            else dict.fromkeys(("min", "median", "p90", "p99", "max", "mean", "jitter"))
        )
        return {
            "sent": self.sent,
            "received": self.received,
            "lost": self.lost,
            "lost_percent": round(self.lost_percent, 3),
            "late": self.late,
            "mismatched": self.mismatched + self.unasked,
            "duplicated": self.duplicated,
            "reordered": self.reordered,
            "awaited": self.awaited,
            "round_trip_ms": {name: None if time is None else round(time * 1000, 6) for name, time in times.items()},
        }

    def lines(self) -> list[str]:
        """Return the summary for people."""
        counts = [
            f"{self.sent} sent",
            f"{self.received} received",
            f"{self.lost} lost ({self.lost_percent:.3g}%)",
            f"{self.duplicated} duplicated",
            f"{self.reordered} reordered",
            f"{self.mismatched + self.unasked} mismatched",
        ]
        # What happens rarely is said only when it happened.
        counts += [f"{self.late} late"] if self.late else []
        counts += [f"{self.awaited} still awaited"] if self.awaited else []
        lines = [", ".join(counts)]
        if self.round_trips:
            numbers = self.as_json()["round_trip_ms"]
            shown = "/".join(f"{numbers[name]:.3f}" for name in ("min", "median", "p90", "p99", "max"))
            lines.append(f"round trip min/median/p90/p99/max = {shown} ms, jitter {numbers['jitter']:.3f} ms")
        return lines
