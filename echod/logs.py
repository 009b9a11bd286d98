"""
What the log looks like, and what it leaves out.

The `log:` of the file decides, from the start and again at every reload: its level, and lines for people or JSON. The
text is Twisted's own. Where the log goes is twistd's to say: to a file of its `--logfile`, to standard output, or, by
its `--syslog` and `--logger`, to something whose lines are not ours to make. In systemd's journal each line has its
priority, and no time, which the journal knows.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import IO, TYPE_CHECKING, Any

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    eventAsText,
    formatEventAsClassicLogText,
)
from twisted.python.components import Componentized
from twisted.python.logfile import LogFile

from echod import config
from echod.log_json import as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twisted.logger import LogEvent

_PRIORITIES = {LogLevel.debug: 7, LogLevel.info: 6, LogLevel.warn: 4, LogLevel.error: 3, LogLevel.critical: 2}
"""syslog(3)'s numbers, which the journal takes from the head of a line (sd-daemon(3))."""

_OWN_FILE = "twistd.log"


class Lines:
    """
    Makes the lines of a log.

    :param journal: whether they go to systemd's journal.
    """

    def __init__(self, *, journal: bool = False) -> None:
        self._journal = journal
        self._write = self._text
        self.least = LogLevelFilterPredicate()

    def apply(self, settings: config.Log) -> None:
        """Go by other settings from the next event on."""
        self.least.setLogLevelForNamespace("", LogLevel.lookupByName(settings.level))
        self._write = as_json if settings.format == "json" else self._text

    def written(self, event: LogEvent) -> str | None:
        """Return the whole lines of an event, or None for one that says nothing. Called by Twisted."""
        text = self._write(event)
        if not text or not self._journal:
            return text
        head = f"<{_PRIORITIES.get(event.get('log_level'), 6)}>"
        return "".join([f"{head}{line}\n" for line in text.removesuffix("\n").split("\n")])

    def _text(self, event: LogEvent) -> str | None:
        if not self._journal:
            return formatEventAsClassicLogText(event)
        text = eventAsText(event, includeTimestamp=False)
        return text.replace("\n", "\n\t") + "\n" if text else None


class Log:
    """
    The daemon's log.

    :param lines: makes its lines.
    :param open_file: opens where they go, when twistd asks; None where somebody else makes the log.
    """

    _log = Logger()

    def __init__(self, lines: Lines, open_file: Callable[[], IO[Any]] | None) -> None:
        self._lines = lines
        self._open_file = open_file
        self._settings = _USUAL

    def apply(self, settings: config.Log) -> None:
        """Go by these settings from the next event on."""
        before, self._settings = self._settings, settings
        self._lines.apply(settings)
        ignored = [name for name in ("level", "format") if getattr(settings, name) != getattr(_USUAL, name)]
        if self._open_file is None and ignored and settings != before:
            names = " and ".join(f"log.{name}" for name in ignored)
            self._log.warn("{names} of the file: not used, as this log was chosen on the command line", names=names)

    def install(self, application: object) -> None:
        """
        Let twistd use this log instead of one that it would make.

        It asks the application for one after `makeService`, and before it forks and gives up privileges.
        """
        if self._open_file is not None and isinstance(application, Componentized):
            observer = FileLogObserver(self._open_file(), self._lines.written)
            application.setComponent(ILogObserver, FilteringLogObserver(observer, [self._lines.least]))


_USUAL = config.Log.model_validate({})


def log_for(options: Mapping[str, Any] | None, environ: Mapping[str, str], reactor: Any) -> Log:
    """
    Make the log that twistd's options ask for.

    :param options: twistd's own, those before `echod`.
    :param environ: its `JOURNAL_STREAM` tells whether standard output is the journal (systemd.exec(5)).
    :param reactor: rotates a file when SIGUSR1 asks for that.
    """
    # `twist` has no nodaemon, and options of its own for all that a log can be.
    if options is None or "nodaemon" not in options or options.get("syslog") or options.get("logger"):
        return Log(Lines(), None)
    name = options.get("logfile")
    if name == "-" and not options["nodaemon"]:
        # twistd has something to say about this.
        return Log(Lines(), None)
    if name == "-" or (not name and options["nodaemon"]):
        stdout = sys.stdout
        return Log(Lines(journal=is_journal(stdout, environ)), lambda: stdout)
    return Log(Lines(), lambda: _log_file(name or _OWN_FILE, reactor))


def is_journal(stream: IO[Any], environ: Mapping[str, str]) -> bool:
    """Tell whether a stream leads to systemd's journal: its device and inode are those of `JOURNAL_STREAM`."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _log_file(name: str, reactor: Any) -> IO[Any]:
    """Open a file as twistd does: it is rotated when it is large, and when SIGUSR1 comes."""
    file: Any = LogFile.fromFullPath(name)
    if not signal.getsignal(signal.SIGUSR1):
        signal.signal(signal.SIGUSR1, lambda _number, _frame: reactor.callFromThread(file.rotate))
    return file  # type: ignore[no-any-return]


def complain(text: str, environ: Mapping[str, str]) -> None:
    """Write why the daemon ends to standard error: in systemd's journal with the priority of an error, line by line."""
    head = f"<{_PRIORITIES[LogLevel.error]}>" if is_journal(sys.stderr, environ) else ""
    sys.stderr.write("".join([f"{head}{line}\n" for line in text.split("\n")]))
