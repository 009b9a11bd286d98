"""Which lines a log has: by its level and form, for people and for the journal, from one moment to the next."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
from twisted.application.service import Application, MultiService
from twisted.internet.task import Clock
from twisted.logger import (
    ILogObserver,
    Logger,
    LogLevel,
    LogPublisher,
    formatEventAsClassicLogText,
    globalLogPublisher,
    textFileLogObserver,
)
from twisted.python.failure import Failure
from twisted.python.logfile import LogFile
from zope.interface import provider

from echod import config
from echod.logs import Lines, Log, complain, is_journal, log_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from twisted.logger import LogEvent

TWISTD: dict[str, Any] = {"nodaemon": True, "logfile": None, "logger": None, "syslog": False}
"""What twistd's options are with `-n` alone."""


def settings(**changes: object) -> config.Log:
    """Return the settings of a file."""
    return config.Log.model_validate(changes)


class Written:
    """A log that writes into memory, and loggers for it."""

    def __init__(self, *, journal: bool = False) -> None:
        self.file = io.StringIO()
        self.log = Log(Lines(journal=journal), lambda: self.file)
        application = Application("echod")
        self.log.install(application)
        observer = application.getComponent(ILogObserver)
        self.publisher = LogPublisher(observer)
        self.logger = Logger("echod.here", observer=self.publisher)

    def lines(self) -> list[str]:
        """Return what was written since it was last asked."""
        text = self.file.getvalue()
        self.file.seek(0)
        self.file.truncate()
        assert not text or text.endswith("\n")
        return text.split("\n")[:-1]

    def say_all(self) -> None:
        """Log something at every level."""
        for level in LogLevel.iterconstants():
            self.logger.emit(level, "at {level_name}", level_name=level.name)

    def levels(self) -> list[str]:
        """Return at which levels something was written."""
        return [line.rpartition(" at ")[2] for line in self.lines()]


def test_text_is_twisted_s_own() -> None:
    """Byte by byte, also of failures and of several lines."""
    written = Written()
    own = io.StringIO()
    written.publisher.addObserver(textFileLogObserver(own))
    written.logger.info("hello-tcp (reply) listens on {kind} {address}", kind="tcp", address="127.0.0.1:55555")
    written.logger.error("two\nlines")
    written.logger.failure("that failed", Failure(ValueError("why")))
    assert written.file.getvalue() == own.getvalue()
    assert written.lines()[0].endswith("[echod.here#info] hello-tcp (reply) listens on tcp 127.0.0.1:55555")


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    ("level", "said"),
    [
        ("debug", ["debug", "info", "warn", "error", "critical"]),
        ("info", ["info", "warn", "error", "critical"]),
        ("warn", ["warn", "error", "critical"]),
        ("error", ["error", "critical"]),
    ],
)
def test_levels(level: str, said: list[str], form: str) -> None:
    """What is below the level is left out, and nothing else."""
    written = Written()
    written.log.apply(settings(level=level, format=form))
    written.say_all()
    lines = written.lines()
    found = [json.loads(line)["level"] for line in lines] if form == "json" else [line.split()[-1] for line in lines]
    assert found == said


def test_by_default_everything_but_debug() -> None:
    """Also before any settings are known."""
    written = Written()
    written.say_all()
    assert written.levels() == ["info", "warn", "error", "critical"]


def test_settings_change() -> None:
    """From one event to the next, there and back."""
    written = Written()
    written.logger.info("one")
    assert not written.lines()[0].startswith("{")
    written.log.apply(settings(format="json"))
    written.logger.info("two", service="echo")
    found = json.loads(written.lines()[0])
    assert (found["message"], found["service"]) == ("two", "echo")
    written.log.apply(settings(level="error"))
    written.logger.info("three")
    assert written.lines() == []
    written.log.apply(settings())
    written.logger.info("four")
    assert written.lines()[0].endswith("] four")


def test_the_journal_has_priorities() -> None:
    """Each line has its event's, by the numbers of syslog(3), and no time."""
    written = Written(journal=True)
    written.log.apply(settings(level="debug"))
    written.say_all()
    priorities = {"debug": 7, "info": 6, "warn": 4, "error": 3, "critical": 2}
    assert written.lines() == [f"<{each}>[echod.here#{name}] at {name}" for name, each in priorities.items()]


def test_each_line_has_its_priority_in_the_journal() -> None:
    """Otherwise all but the first of a traceback would be news, and a line of its text could choose its own."""
    written = Written(journal=True)
    written.logger.failure("that failed", Failure(ValueError("\n<7>quiet\n\nend")))
    lines = written.lines()
    assert len(lines) >= 5
    assert all(line.startswith("<2>") for line in lines)
    assert lines[0] == "<2>[echod.here#critical] that failed"
    assert "<2>\t<7>quiet" in lines


def test_json_in_the_journal() -> None:
    """One line, with a priority before it."""
    written = Written(journal=True)
    written.log.apply(settings(format="json"))
    written.logger.failure("that failed", Failure(ValueError("\n<7>quiet")))
    (line,) = written.lines()
    assert line.startswith('<2>{"time":')
    assert json.loads(line[3:])["level"] == "critical"


@pytest.mark.parametrize("journal", [False, True])
@pytest.mark.parametrize("form", ["text", "json"])
def test_what_says_nothing_is_no_line(form: str, journal: bool) -> None:
    """As in Twisted's own text."""
    lines = Lines(journal=journal)
    lines.apply(settings(format=form))
    nothing = {"log_format": "", "log_level": LogLevel.info}
    assert formatEventAsClassicLogText(nothing) is None
    assert lines.written(nothing) is None


def test_an_application_of_one_s_own() -> None:
    """A service in somebody's own `MultiService` leaves the log to its program."""
    Log(Lines(), io.StringIO).install(MultiService())


# --- what twistd's options ask for -------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def files(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close the files of logs, which are open as long as the process runs."""
    opened: list[LogFile] = []

    class Closed(LogFile):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            opened.append(self)

    monkeypatch.setattr("echod.logs.LogFile", Closed)
    yield
    for file in opened:
        file.close()


@pytest.fixture
def rotation() -> Iterator[None]:
    """Put the handler of SIGUSR1 back."""
    before = signal.getsignal(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGUSR1, before)


class Turning(Clock):
    """A reactor's way from a signal to a turn of its own."""

    def callFromThread(self, call: Any) -> None:
        """Do it at once."""
        call()


def written_by(options: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> bool:
    """Log a line as these options ask for, and tell whether the log was ours."""
    log = log_for(options, environ or {}, Turning())
    application = Application("echod")
    log.install(application)
    observer = application.getComponent(ILogObserver, None)
    if observer is None:
        return False
    Logger("echod.here", observer=observer).info("hello")
    return True


def test_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    """In the foreground, by itself or when asked."""
    for logfile in (None, "", "-"):
        assert written_by(TWISTD | {"logfile": logfile})
        assert capsys.readouterr().out.endswith("[echod.here#info] hello\n")


@pytest.mark.parametrize(
    "options",
    [
        None,
        TWISTD | {"syslog": True},
        TWISTD | {"logger": list},
        TWISTD | {"nodaemon": False, "logfile": "-"},
        {"logLevel": LogLevel.info, "fileLogObserverFactory": textFileLogObserver},
    ],
    ids=["none", "syslog", "logger", "a daemon has no output", "twist"],
)
def test_somebody_else_s_log(options: Any) -> None:
    """What was chosen on the command line is left alone."""
    assert not written_by(options)


@pytest.mark.usefixtures("rotation")
@pytest.mark.parametrize("nodaemon", [True, False])
def test_a_file(tmp_path: Path, nodaemon: bool) -> None:
    """It goes on at its end, and SIGUSR1 begins a new one, as with twistd's own."""
    file = tmp_path / "x.log"
    file.write_text("before\n")
    options = TWISTD | {"nodaemon": nodaemon, "logfile": str(file)}
    log = log_for(options, {}, Turning())
    application = Application("echod")
    log.install(application)
    observer = application.getComponent(ILogObserver)
    logger = Logger("echod.here", observer=observer)
    logger.info("häuser")
    assert file.read_text("utf-8").splitlines()[1].endswith("[echod.here#info] häuser")
    signal.raise_signal(signal.SIGUSR1)
    logger.info("new")
    assert (tmp_path / "x.log.1").read_text("utf-8").startswith("before\n")
    assert file.read_text("utf-8").endswith("] new\n")


@pytest.mark.usefixtures("rotation")
def test_a_daemon_has_twistd_s_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`twistd.log`, where it was started."""
    monkeypatch.chdir(tmp_path)
    assert written_by(TWISTD | {"nodaemon": False})
    assert (tmp_path / "twistd.log").read_text().endswith("] hello\n")


def test_signals_that_somebody_handles(tmp_path: Path) -> None:
    """As with twistd, they stay theirs."""

    def mine(*_: object) -> None:
        """Do nothing."""

    before = signal.signal(signal.SIGUSR1, mine)
    try:
        assert written_by(TWISTD | {"logfile": str(tmp_path / "x.log")})
        assert signal.getsignal(signal.SIGUSR1) is mine
    finally:
        signal.signal(signal.SIGUSR1, before)


def journal_of(stream: Any) -> dict[str, str]:
    """Return the environment in which a stream is the journal."""
    status = os.fstat(stream.fileno())
    return {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}


def test_the_journal_is_known(tmp_path: Path) -> None:
    """By the descriptor, not by the environment alone: output may have been redirected since."""
    with (tmp_path / "one").open("w") as one, (tmp_path / "two").open("w") as two:
        assert is_journal(one, journal_of(one))
        assert not is_journal(two, journal_of(one))
        assert not is_journal(one, {})
        assert not is_journal(one, {"JOURNAL_STREAM": "rubbish"})
        assert not is_journal(io.StringIO(), journal_of(one))
    assert not is_journal(one, {"JOURNAL_STREAM": ""})


def test_the_journal_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For standard output, but not for a file, even if the daemon's output is the journal."""
    file = tmp_path / "journal"
    with file.open("w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert written_by(TWISTD, journal_of(stream))
        assert file.read_text() == "<6>[echod.here#info] hello\n"
        assert written_by(TWISTD | {"logfile": str(tmp_path / "x.log")}, journal_of(stream))
    assert file.read_text() == "<6>[echod.here#info] hello\n"
    assert not (tmp_path / "x.log").read_text().startswith("<")


def test_errors_before_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Why the daemon did not start is an error in the journal too, line by line; elsewhere it is plain text."""
    file = tmp_path / "journal"
    with file.open("w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        complain("one\ntwo", {})
        complain("one\ntwo", journal_of(stream))
    assert file.read_text() == "one\ntwo\n<3>one\n<3>two\n"


# --- settings that cannot be followed ----------------------------------------------------------------------------


@pytest.fixture
def said() -> Iterator[list[str]]:
    """Give what the log says of itself meanwhile."""
    found: list[str] = []

    @provider(ILogObserver)
    def note(event: LogEvent) -> None:
        found.append(str(formatEventAsClassicLogText(event)).rstrip())

    globalLogPublisher.addObserver(note)
    yield found
    globalLogPublisher.removeObserver(note)


def test_settings_that_are_not_used(said: list[str]) -> None:
    """Where the command line chose the log, settings of the file that differ are named, once each time they change."""
    log = log_for(TWISTD | {"syslog": True}, {}, Turning())
    log.apply(settings())
    assert said == []
    for _ in range(2):
        log.apply(settings(level="debug", format="json"))
    assert len(said) == 1
    assert said[0].endswith(
        "#warn] log.level and log.format of the file: not used, as this log was chosen on the command line"
    )
    log.apply(settings(level="warn"))
    assert "] log.level of the file" in said[1]
    log.apply(settings())
    assert len(said) == 2


def test_settings_that_are_used(said: list[str]) -> None:
    """Nothing is said of them."""
    log_for(TWISTD, {}, Turning()).apply(settings(level="debug", format="json"))
    assert said == []
