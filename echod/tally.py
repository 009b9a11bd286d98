"""What a service counts. Plain integers, because some of them change with every message."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted.logger import Logger

TRACEBACKS = 10
"""Failures of a service that are logged whole; the others are only counted."""


@dataclass(slots=True)
class Tally:
    """
    One service's counts since the process started; sizes in bytes, without headers.

    :ivar dropped: what was not answered or was cut off, by reason.
    """

    connections: int = 0
    open: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0
    messages_received: int = 0
    messages_sent: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    failures: int = 0

    def failed(self, log: Logger, sentence: str) -> None:
        """Count the exception in hand, and log the first few whole."""
        self.dropped["error"] += 1
        self.failures += 1
        if self.failures <= TRACEBACKS:
            log.failure(sentence)
