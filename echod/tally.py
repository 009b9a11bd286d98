"""What a service counts. Plain integers, because some of them change with every message."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from twisted.python.failure import Failure

if TYPE_CHECKING:
    from twisted.logger import Logger

TRACEBACKS = 10
"""Failures of a service that are logged whole; the others are only counted."""

_LONGEST = 4_096


class EscapedFailure(Failure):
    """
    A failure whose text can do no harm in a log: an exception may quote what a peer sent.

    Control characters are escaped, and it has at most some thousand characters: the first and the last.
    """

    def getTraceback(self, *args: Any, **kwargs: Any) -> str:
        """Return the text. Called by Twisted."""
        text: str = super().getTraceback(*args, **kwargs)
        if len(text) > _LONGEST:
            text = f"{text[: _LONGEST // 2]}\n...\n{text[-_LONGEST // 2 :]}"
        return "".join([each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in text])


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
            log.failure(sentence, EscapedFailure())
