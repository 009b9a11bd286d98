"""
The access log: each connection's beginning and end, and what was dropped, in the words of the console.

Off unless the file says `log: {access: true}`. What is received and sent is written at the level `debug` alone, and is
not even looked at otherwise, so that an echo stays as fast. However much happens, `echod.watch` lets so many events a
second pass, and the others are counted in a line.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from twisted.logger import Logger, LogLevel

if TYPE_CHECKING:
    from echod.config.sides import Log
    from echod.watch import Event, Hub, Kind, Subscription

SHOWN = 64
"""Bytes of a message that are written, at most."""

_SENTENCES: dict[Kind, str] = {
    "opened": "{service}: {transport} connection {connection} from {peer} to {local} opened",
    "half-closed": "{service}: {transport} connection {connection} from {peer} half-closed by {reason}",
    "closed": "{service}: {transport} connection {connection} from {peer} closed: {reason}",
    "reset": "{service}: {transport} connection {connection} from {peer} reset: {reason}",
    "dropped": "{service}: {transport} from {peer} dropped: {reason}",
    "received": "{service}: {transport} connection {connection}: received {size} bytes: {preview}",
    "sent": "{service}: {transport} connection {connection}: sent {size} bytes: {preview}",
    "sampled": "{service}: {count} events not logged",
}

_OF_DATAGRAMS: dict[Kind, str] = {
    "received": "{service}: {transport} from {peer}: received {size} bytes: {preview}",
    "sent": "{service}: {transport} to {peer}: sent {size} bytes: {preview}",
}

_DETAILS = frozenset({"half-closed", "received", "sent"})
"""What is written at the level `debug`."""


class Access:
    """
    Writes what happens to the log.

    :param hub: tells it.
    """

    _log = Logger()

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._subscription: Subscription | None = None

    def become(self, settings: Log) -> None:
        """Write from now on what the settings say."""
        messages = settings.level == "debug"
        if self._subscription is not None and not (settings.access and self._subscription.messages == messages):
            self.close()
        if settings.access and self._subscription is None:
            self._subscription = self._hub.subscribe(self._write, messages=messages)

    def close(self) -> None:
        """Write no more."""
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None

    def _write(self, event: Event) -> None:
        level = LogLevel.debug if event.kind in _DETAILS else LogLevel.info
        fields = asdict(event)
        # The log has its own time, and what a peer sent is only ever shown escaped.
        del fields["at"]
        fields["peer"] = event.peer or "unnamed"
        fields["preview"] = repr(event.preview[:SHOWN])[1:]
        sentence = _SENTENCES[event.kind]
        if isinstance(event.connection, str):
            sentence = _OF_DATAGRAMS.get(event.kind, sentence)
        self._log.emit(level, sentence, **fields)
