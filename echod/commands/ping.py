"""
`echod ping ENDPOINT`: numbered messages, a line for each, and what became of them, as ping(8) prints it.

Over a stream there is one connection, without Nagle's algorithm (RFC 896), which would hold small messages back.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TextIO

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import ITCPTransport

from echod.client import DatagramClient, TalkError, connect
from echod.commands import status
from echod.commands.addresses import written_target
from echod.commands.payload import MOST_DATAGRAM
from echod.commands.pinging import PingRun
from echod.commands.statistics import Statistics

if TYPE_CHECKING:
    from collections.abc import Callable

    from echod.commands.events import Event, Plan
    from echod.commands.payload import Payloads
    from echod.config import Target
    from echod.tcp import StreamClient

MOST_STREAM = 1 << 24
"""Bytes of the longest message over a stream; it is kept in memory."""


def fit(target: Target, size: int) -> None:
    """
    Check that messages of a size, in bytes, can be sent to a target.

    :raises ValueError: they cannot; the message says why.
    """
    if target.datagram and size > MOST_DATAGRAM:
        raise ValueError(f"{size:,} bytes are too many: a datagram holds at most {MOST_DATAGRAM:,}")
    if not target.datagram and size == 0:
        raise ValueError("over a stream a message needs at least 1 byte: nothing would be sent")


async def ping(
    reactor: Any,
    target: Target,
    payloads: Payloads,
    plan: Plan,
    clock: Callable[[], float],
    out: TextIO,
    err: TextIO,
    *,
    as_json: bool,
) -> int:
    """
    Ping a target and return the exit status. Cancelling it prints the summary.

    :param clock: seconds, as exact as possible.
    :raises echod.connect.TargetError: the target cannot be used.
    """
    try:
        client = await connect(reactor, target, timeout=plan.timeout)
    except TalkError as failure:
        if as_json:
            out.write(_document(target, payloads, plan, None, failure))
        else:
            err.write(f"{failure.word}: {failure.sentence}\n")
        return status.WRONG if failure.reached else status.UNAVAILABLE
    talk = _Talk(client)
    lines = _Lines(target, payloads.size, out, quiet=as_json)
    over: Deferred[None] = Deferred(lambda _: run.stop())
    run = PingRun(talk, payloads, plan, clock, reactor, lines.report, lambda: over.callback(None))
    lines.on_failure = run.stop
    client.listen(run)
    try:
        run.start()
        await over
    finally:
        client.close()
    lines.check()
    if as_json:
        out.write(_document(target, payloads, plan, run, None))
    else:
        out.write(f"--- {written_target(target)} ---\n")
        out.writelines(f"{line}\n" for line in run.statistics.lines())
    if run.statistics.right and run.ended_by is None:
        return status.RIGHT
    return status.UNAVAILABLE if target.datagram and not run.statistics.heard else status.WRONG


class _Talk:
    """Carries the messages of a run over a client."""

    def __init__(self, client: StreamClient | DatagramClient) -> None:
        self._client = client
        # Streams are cut by the run, which knows how long each answer is.
        self.whole = client.whole
        if ITCPTransport.providedBy(client.transport):
            client.transport.setTcpNoDelay(True)

    def send(self, message: bytes) -> str | None:
        """Send a message; return why it could not leave, or None."""
        self._client.send(message)
        return self.trouble()

    def trouble(self) -> str | None:
        """Return what the network said since it was last asked, or None; a stream's errors end it."""
        return self._client.trouble() if isinstance(self._client, DatagramClient) else None


class _Lines:
    """
    Writes the live lines.

    :ivar on_failure: called when one cannot be written; `check` raises the reason later, outside of the reactor.
    """

    def __init__(self, target: Target, size: int, out: TextIO, *, quiet: bool) -> None:
        self.on_failure: Callable[[], object] | None = None
        self._start = f"{size} bytes from {written_target(target).partition(' ')[2] or target.text}: "
        self._out = out
        self._quiet = quiet
        self._failure: OSError | None = None

    def report(self, event: Event) -> None:
        """Write one line, at once."""
        if self._quiet or self._failure is not None:
            return
        try:
            self._out.write(line(event, self._start))
            self._out.flush()
        except OSError as failure:
            self._failure = failure
            if self.on_failure is not None:
                self.on_failure()

    def check(self) -> None:
        """Raise why a line could not be written, if so."""
        if self._failure is not None:
            raise self._failure


def line(event: Event, start: str) -> str:
    """Return the line of an event; `start` begins those of right answers."""
    number = "" if event.number is None else f"seq={event.number} "
    if event.word:
        return f"{number}{event.word}: {event.sentence}\n"
    time = "" if event.seconds is None else f"time={event.seconds * 1000:.3f} ms"
    remark = f"({event.remark})" if event.remark else ""
    return f"{start}{number}{time}{' ' if time and remark else ''}{remark}\n"


def _document(target: Target, payloads: Payloads, plan: Plan, run: PingRun | None, failure: TalkError | None) -> str:
    """Return the one document of `--json`."""
    statistics = Statistics() if run is None else run.statistics
    word = failure.word if failure is not None else None if run is None else run.ended_by
    made = {
        "endpoint": target.text,
        "size": payloads.size,
        "interval_s": plan.interval,
        "timeout_s": plan.timeout,
        "right": statistics.right and word is None,
        **statistics.as_json(),
        "ended_by": word,
        "reason": None if failure is None else failure.sentence,
    }
    return json.dumps(made, indent=2) + "\n"
