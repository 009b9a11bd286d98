"""Servers of ours that are watched, for the tests of what is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from echod.watch import Event, Hub
from tests.served import Served

if TYPE_CHECKING:
    from tests.transport.wires import Wire

NOW = 1_700_000_000.5


class WatchedServer(Served):
    """
    A factory of ours in a hub; takes what `echod.tcp.StreamServerFactory` takes.

    :ivar heard: every event that was told.
    """

    def __init__(self, *settings: Any, watching: bool = True) -> None:
        super().__init__(*settings)
        self.hub = Hub(self.host, lambda: NOW)
        self.hub.add("x", self.factory)
        self.heard: list[Event] = []
        self.subscription = self.hub.subscribe(self.heard.append) if watching else None

    @property
    def story(self) -> list[str]:
        """What was told, in short: kind, size and reason of each event, and which connection if not the first."""
        return [
            " ".join(str(part) for part in (f"#{e.connection}" * (e.connection != 1), e.kind, e.size, e.reason) if part)
            for e in self.heard
        ]

    def watch_ends(self) -> None:
        """Watch beginnings and ends alone."""
        self.toggle(watching=False)
        self.subscription = self.hub.subscribe(self.heard.append, messages=False)

    def toggle(self, *, watching: bool) -> None:
        """Begin or end to watch, where that is a change."""
        if watching and self.subscription is None:
            self.subscription = self.hub.subscribe(self.heard.append)
        elif not watching and self.subscription is not None:
            self.subscription.close()
            self.subscription = None

    def until_gone(self, wire: Wire) -> None:
        """Let time pass until the connection has ended."""
        for _ in range(400):
            if not wire.ours.connected:
                return
            self.run(wire, 0.05)
        raise AssertionError("the connection is still there")
