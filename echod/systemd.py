"""
What the service manager is told: that we serve and what, that we reload, that we stop, and that we are alive.

The protocol is that of sd_notify(3): lines of `NAME=value` in UTF-8, in a datagram to the Unix socket that
NOTIFY_SOCKET names. Where it names none, nothing is told. The variables stay in the environment: echod starts no
processes, and of those that an answer of one's own might start, systemd listens to none (`NotifyAccess=main`).
"""

from __future__ import annotations

import socket
from collections import deque
from textwrap import shorten
from typing import TYPE_CHECKING

from twisted.logger import Logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

LONGEST_STATUS = 2_000
"""Bytes of a status; systemd ignores a whole message of more than 4,096."""

RETRY = 0.1
"""Seconds until a manager whose queue was full is told again."""

_TO_EXIT = 5.0
"""Seconds that the process may take to end when all is closed."""

_LONGEST_SUMMARY = 300
"""Characters of a summary: `systemctl status` shows it on one line."""


class Told:
    """Hears what becomes of the daemon; this one does nothing with it."""

    def ready(self, status: str) -> None:
        """Everything listens."""

    def reloading(self) -> None:
        """A new configuration is being read."""

    def reloaded(self, status: str) -> None:
        """It is in force, or the old one goes on."""

    def stopping(self, grace: float) -> None:
        """The stop begins, and may take so many seconds."""


class Supervisor(Told):
    """
    Tells the service manager how the daemon is.

    A manager that cannot be told is no reason to serve less: that is logged, once.

    :param environ: has NOTIFY_SOCKET (a path, or `@` and an abstract name), WATCHDOG_USEC and WATCHDOG_PID.
    :param clock: the reactor, so that the watchdog (WatchdogSec= of systemd.service(5)) starves when it hangs.
    :param pid: returns the number of the calling process.
    :param monotonic: returns the nanoseconds of CLOCK_MONOTONIC (clock_gettime(2)).
    """

    _log = Logger()

    def __init__(
        self, environ: Mapping[str, str], clock: IReactorTime, pid: Callable[[], int], monotonic: Callable[[], int]
    ) -> None:
        name = environ.get("NOTIFY_SOCKET", "")
        self._address = f"\0{name[1:]}" if name.startswith("@") else name
        self._clock = clock
        self._pid = pid
        self._monotonic = monotonic
        self._period = _watchdog(environ, pid()) if name else None
        self._feeding: IDelayedCall | None = None
        self._unsaid: deque[str] = deque()
        self._trouble_said = False

    def ready(self, status: str) -> None:
        """
        Tell that everything is served, and feed the watchdog from now on.

        To be called in the process that serves: twistd may have forked since we were made.

        :param status: a line for people, which `systemctl status` shows.
        """
        self._say("READY=1", f"MAINPID={self._pid()}", _status(status))
        self._feed_later()

    def reloading(self) -> None:
        """Tell that a reload begins; `reloaded` must follow, also if it fails."""
        # With Type=notify-reload, the time tells a reload that was asked for from one before it.
        self._say("RELOADING=1", f"MONOTONIC_USEC={self._monotonic() // 1_000}")

    def reloaded(self, status: str) -> None:
        """Tell that a reload is over, and how it went."""
        self._say("READY=1", _status(status))

    def stopping(self, grace: float) -> None:
        """
        Tell that the stop began. systemd watches no longer.

        :param grace: the seconds that it may take, also if TimeoutStopSec= of the unit allows less.
        """
        if self._feeding is not None:
            self._feeding.cancel()
            self._feeding = None
        microseconds = round((grace + _TO_EXIT) * 1e6)
        self._say("STOPPING=1", f"EXTEND_TIMEOUT_USEC={microseconds}", _status("stopping"))

    def _feed_later(self) -> None:
        if self._period is not None:
            self._feeding = self._clock.callLater(self._period, self._feed)

    def _feed(self) -> None:
        if not self._unsaid:
            self._say("WATCHDOG=1")
        self._feed_later()

    def _say(self, *lines: str) -> None:
        """Send a message after those which wait."""
        if not self._address:
            return
        self._unsaid.append("\n".join(lines))
        if len(self._unsaid) == 1:
            self._send()

    def _send(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            while self._unsaid:
                try:
                    sock.sendto(self._unsaid[0].encode(), self._address)
                except BlockingIOError:
                    # A lost READY=1 would have us killed when the start times out.
                    self._clock.callLater(RETRY, self._send)
                    return
                except OSError as problem:
                    self._say_trouble(problem)
                self._unsaid.popleft()

    def _say_trouble(self, problem: OSError) -> None:
        if not self._trouble_said:
            self._trouble_said = True
            reason = problem.strerror or str(problem)
            self._log.warn(
                "the service manager cannot be told at NOTIFY_SOCKET={address}: {reason}",
                address=self._address.replace("\0", "@"),
                reason=reason.lower(),
            )


def summary(services: Iterable[tuple[str, Iterable[str]]]) -> str:
    """
    Say in a line what is served.

    :param services: the name of each, and the addresses on which it listens.
    """
    listed = [f"{name} on {', '.join(addresses)}" for name, addresses in services]
    line = f"{len(listed)} service{'' if len(listed) == 1 else 's'}: {'; '.join(listed) or 'none'}"
    return shorten(line, _LONGEST_SUMMARY, placeholder=" ...")


def _watchdog(environ: Mapping[str, str], pid: int) -> float | None:
    """Return every how many seconds the watchdog is fed: half of what it waits; None without one for this process."""
    period, watched = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", str(pid))
    if not period.isdecimal() or int(period) == 0 or watched != str(pid):
        return None
    return int(period) / 2e6


def _status(text: str) -> str:
    """Return the assignment of a status: one line, in as many whole characters as there is room for."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return "STATUS=" + line.encode()[:LONGEST_STATUS].decode(errors="ignore")
