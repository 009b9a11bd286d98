"""A ping on a table, without a network: messages are answered by hand, and time passes when the test says so."""

from __future__ import annotations

from twisted.internet.task import Clock

from echod.commands.events import Event, Plan
from echod.commands.payload import Payloads
from echod.commands.pinging import PingRun

RUN = b"\xaa" * 8


class Wire:
    """A talk that keeps what is sent; `fault` and `said` are what the network says to the next question."""

    def __init__(self, *, whole: bool) -> None:
        self.whole = whole
        self.sent: list[bytes] = []
        self.fault: str | None = None
        self.said: str | None = None

    def send(self, message: bytes) -> str | None:
        """Keep a message."""
        self.sent.append(message)
        return self.fault

    def trouble(self) -> str | None:
        """Say what the network said."""
        said, self.said = self.said, None
        return said


class Table:
    """One ping on a table: the run, its wire, its clock, and what it reported."""

    def __init__(
        self,
        *,
        whole: bool = True,
        size: int = 12,
        count: int | None = 3,
        interval: float = 1.0,
        timeout: float = 1.0,
    ) -> None:
        self.wire = Wire(whole=whole)
        self.clock = Clock()
        self.events: list[Event] = []
        self.over = 0
        self.payloads = Payloads(size, RUN)
        plan = Plan(count, interval, timeout)
        self.run = PingRun(
            self.wire,
            self.payloads,
            plan,
            # Unlike the scheduler's, this clock does not begin at 0.
            lambda: self.clock.seconds() + 1000,
            self.clock,
            self.events.append,
            self.end,
        )
        self.run.start()

    def end(self) -> None:
        """Count the ends: there must be one."""
        self.over += 1

    def answer(self, *numbers: int) -> None:
        """Answer messages right."""
        for number in numbers:
            self.run.received(self.payloads.message(number))

    def words(self) -> list[tuple[int | None, str]]:
        """Return number and word or remark of each event."""
        return [(event.number, event.word or event.remark) for event in self.events]
