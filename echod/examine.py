"""Runs one exam over one client, of whatever transport: sends the request, listens, and watches the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from echod.answers.exam import Ending, Verdict
from echod.framing import FrameError

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from echod.answers.exam import Exam
    from echod.listener import Client


class Examination:
    """
    One exam under way; the client is closed at its end.

    :param timeout: seconds that the server has for each step.
    """

    def __init__(self, client: Client, exam: Exam, clock: IReactorTime, timeout: float) -> None:
        self._client = client
        self._exam = exam
        self._clock = clock
        self._timeout = timeout
        self._asked = False
        self._call: IDelayedCall | None = None
        self._done: Deferred[Verdict] = Deferred(lambda _: self._finish(None))

    def start(self) -> Deferred[Verdict]:
        """Begin; the result is the exam's verdict. Cancelling it closes the client."""
        self._client.listen(self)
        self._step()
        return self._done

    def received(self, data: bytes) -> None:
        """Let the exam judge what came."""
        if self._client_open:
            verdict = self._exam.received(data, whole=self._client.whole)
            if verdict is not None:
                self._finish(verdict)
            else:
                self._step()

    def ended(self, ending: Ending) -> None:
        """Let the exam judge the end."""
        if not self._client_open:
            return
        if ending is Ending.REFUSED:
            self._finish(Verdict(right=False, word="refused", why="nothing listens there"))
        else:
            self._finish(self._exam.ended(ending))

    _client_open = True

    def _step(self) -> None:
        """Send what is due, and wait again."""
        if self._client_open and self._exam.ready and not self._asked:
            self._ask()
        # A client may tell of a refusal while it sends.
        if not self._client_open:
            return
        self._stop_waiting()
        patience = self._exam.patience
        wait = self._timeout if patience is None else min(patience, self._timeout)
        self._call = self._clock.callLater(wait, lambda: self._finish(self._exam.silent()))

    def _ask(self) -> None:
        """Send the request."""
        self._asked = True
        self._exam.asked(whole=self._client.whole)
        try:
            if self._exam.request is not None:
                self._client.send(self._exam.request)
        except FrameError as fault:
            self._finish(Verdict(right=False, word="mismatch", why=f"the request cannot be sent: {fault}"))
            return
        if self._exam.half_close and self._client_open:
            self._client.end()

    def _stop_waiting(self) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _finish(self, verdict: Verdict | None) -> None:
        self._client_open = False
        self._stop_waiting()
        self._client.close()
        if verdict is not None:
            self._done.callback(verdict)
