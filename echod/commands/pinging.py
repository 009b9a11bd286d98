"""
One ping under way: sends numbered messages at a fixed interval, and finds out what became of each.

There is no socket and no clock of its own in here: a `Talk` carries the messages, and time comes from the caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from echod.answers.exam import Ending
from echod.commands.events import Event
from echod.commands.payload import MOST_MESSAGES
from echod.commands.statistics import Statistics

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from echod.commands.events import Plan, Talk
    from echod.commands.payload import Payloads

REMEMBERED = 65_536
"""Unanswered messages whose late answers are still known as such; the oldest are forgotten."""


class PingRun:
    """
    One run. It is told what it hears as an `echod.listener.Listener`.

    :param clock: seconds, as exact as possible; a reactor's own are wall time, which may jump.
    :param scheduler: calls back later.
    :param report: is told every event.
    :param done: called once, when the run is over.
    :ivar statistics: what is known so far.
    :ivar ended_by: `reset` or `closed` when the stream broke, else None.
    """

    def __init__(
        self,
        talk: Talk,
        payloads: Payloads,
        plan: Plan,
        clock: Callable[[], float],
        scheduler: IReactorTime,
        report: Callable[[Event], object],
        done: Callable[[], object],
    ) -> None:
        self.statistics = Statistics()
        self.ended_by: str | None = None
        self._talk = talk
        self._payloads = payloads
        self._plan = plan
        self._last = MOST_MESSAGES if plan.count is None else plan.count
        self._clock = clock
        self._scheduler = scheduler
        self._report = report
        self._done = done
        self._over = False
        # When the messages without an answer were sent, and what ends the wait for those whose time is not over.
        self._open: dict[int, float] = {}
        self._waiting: dict[int, IDelayedCall] = {}
        self._highest = 0
        self._heard = bytearray()
        self._next_call: IDelayedCall | None = None

    def start(self) -> None:
        """Send the first message."""
        self._started_at = self._clock()
        self._send()

    def stop(self) -> None:
        """End now; messages which may still be answered in time are not counted as lost."""
        if self._over:
            return
        self._over = True
        self.statistics.awaited = len(self._waiting) if self.ended_by is None else 0
        for number in list(self._waiting):
            self._wait_no_more(number)
        if self._next_call is not None and self._next_call.active():
            self._next_call.cancel()
        self._done()

    def received(self, data: bytes) -> None:
        """Hear a whole answer, or a piece of the stream of answers."""
        if self._over:
            return
        now = self._clock()
        if self._talk.whole:
            self._judge(self._asked(data), data, now)
        else:
            self._heard += data
            self._cut(now)
        self._stop_if_settled()

    def ended(self, ending: Ending) -> None:
        """Hear that a datagram was refused, or that the stream ended, which ends the run."""
        if self._over:
            return
        if ending is Ending.REFUSED:
            number = next(iter(self._waiting), None)
            if number is not None:
                self._fail(number, "refused", "nothing listens there")
                self._stop_if_settled()
            return
        self._mishear()
        self.ended_by = ending.value
        how = "closed" if ending is Ending.CLEAN else "reset"
        self._report(Event(None, word=ending.value, sentence=f"the server {how} the connection"))
        self.stop()

    def _send(self) -> None:
        """Send the next message and plan the one after it."""
        self._hear_trouble()
        self.statistics.sent += 1
        number = self.statistics.sent
        if len(self._open) >= REMEMBERED:
            forgotten = next(iter(self._open))
            del self._open[forgotten]
            self._wait_no_more(forgotten)
        message = self._payloads.message(number)
        self._waiting[number] = self._scheduler.callLater(self._plan.timeout, self._time_is_up, number)
        self._open[number] = self._clock()
        fault = self._talk.send(message)
        if fault is not None and number in self._waiting:
            self._fail(number, "unreachable", fault)
        if not self._over and number < self._last:
            # From the start, so that delays do not add up; slots that are past (after a suspension) are skipped.
            spent = self._clock() - self._started_at
            slot = max(number, int(spent / self._plan.interval) + 1)
            self._next_call = self._scheduler.callLater(max(slot * self._plan.interval - spent, 0), self._send)
        self._stop_if_settled()

    def _asked(self, data: bytes) -> int | None:
        """Return the number of the message which a datagram answers, as well as it can be told."""
        number = self._payloads.number(data)
        if number is not None and 1 <= number <= self.statistics.sent:
            return number
        oldest = next(iter(self._waiting), None)
        if oldest is None and not self._payloads.numbered:
            # Late, or a duplicate of any message: the last one stands for all.
            return next(iter(self._open), self.statistics.sent)
        return oldest

    def _cut(self, now: float) -> None:
        """Cut the answers from the stream: each is as long as its message, and they come in order."""
        size = self._payloads.size
        while self._heard:
            number = next(iter(self._open), None)
            if number is None:
                self._judge(None, bytes(self._heard), now)
                self._heard.clear()
            elif len(self._heard) < size:
                return
            else:
                answer = bytes(self._heard[:size])
                del self._heard[:size]
                self._judge(number, answer, now)

    def _judge(self, number: int | None, answer: bytes, now: float) -> None:
        """Compare an answer with the message it belongs to, byte by byte."""
        statistics = self.statistics
        right = number is not None and answer == self._payloads.message(number)
        sent_at = None if number is None else self._open.pop(number, None)
        in_time = number is not None and self._wait_no_more(number)
        if not right:
            if sent_at is None:
                statistics.unasked += 1
            else:
                statistics.mismatched += 1
            why = self._payloads.difference(answer, number)
            self._report(Event(number, word="mismatch", sentence=why))
            return
        assert number is not None
        if sent_at is None:
            statistics.duplicated += 1
            self._report(Event(number, remark="duplicate"))
            return
        seconds = now - sent_at
        remarks = []
        if not in_time:
            statistics.late += 1
            remarks.append("late")
        if number < self._highest:
            statistics.reordered += 1
            remarks.append("reordered")
        self._highest = max(self._highest, number)
        statistics.round_trips.append(seconds)
        self._report(Event(number, seconds, ", ".join(remarks)))

    def _time_is_up(self, number: int) -> None:
        """Say that a message got no answer in time."""
        self._mishear()
        self._hear_trouble()
        if number in self._waiting:
            partly = self._heard and number == next(iter(self._open))
            what = f"only {len(self._heard)} of {self._payloads.size} bytes" if partly else "no answer"
            self._fail(number, "timeout", f"{what} within {self._plan.timeout:g} s")
        self._stop_if_settled()

    def _hear_trouble(self) -> None:
        """Give up the oldest message that waits, if the network said that one did not arrive."""
        trouble = self._talk.trouble()
        number = next(iter(self._waiting), None)
        if trouble is not None and number is not None:
            self._fail(number, "unreachable", trouble)

    def _mishear(self) -> None:
        """Judge the beginning of an answer in the stream, of which no more comes, if it cannot become right."""
        number = next(iter(self._open), None)
        heard = bytes(self._heard)
        if heard and number is not None and not self._payloads.message(number).startswith(heard):
            self._heard.clear()
            self._judge(number, heard, self._clock())

    def _fail(self, number: int, word: str, sentence: str) -> None:
        """Give a message up, but not the hope for a late answer."""
        self._wait_no_more(number)
        self._report(Event(number, word=word, sentence=sentence))

    def _wait_no_more(self, number: int) -> bool:
        """Stop the time of a message, and return whether it was not over yet."""
        call = self._waiting.pop(number, None)
        if call is None:
            return False
        if call.active():
            call.cancel()
        return True

    def _stop_if_settled(self) -> None:
        if self.statistics.sent >= self._last and not self._waiting:
            self.stop()
