"""echod(8): the daemon, its options from twistd's plugin, its metrics from what counts them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from echod import __version__
from echod.manual.metrics import metrics
from echod.manual.roff import Page
from echod.manual.tables import DAEMON_STATUSES, ENVIRONMENT, REASONS, SIGNALS, sentence
from echod.tap import Options

if TYPE_CHECKING:
    from collections.abc import Iterator


def daemon_page() -> Page:
    """Return echod(8)."""
    page = Page("echod", 8, "answer TCP and UDP as one YAML file says", __version__)
    page.heading("SYNOPSIS")
    page.text("`twistd` [*twistd options*] `echod` [`--config` *FILE*]")
    page.heading("DESCRIPTION")
    page.text("""
        `echod` is a command of `twistd`. It serves echoes, canned replies by rules, and the small services of RFC 862
        to 868, as `echod.yaml`(5) says; `echod`(1) checks the file, and proves that what it says is so.
        """)
    page.heading("OPTIONS")
    for tag, text in _options():
        page.item(tag, text)
    page.text("""
        Options before `echod` are twistd's own; `twistd --help` lists them. The most used: `-n` (`--nodaemon`) stays in
        the foreground; `--pidfile=` without a name writes no file of the process's number, as supervisors want it;
        `--logfile` *FILE* logs there, and begins a new file at each megabyte; `--uid` and `--gid` give up privileges
        when all addresses are bound. zsh completes them and those of echod; for other shells Twisted has no completion.
        """)
    _life(page)
    page.heading("SIGNALS")
    for names, meaning in SIGNALS.items():
        page.item(", ".join(f"`{name}`" for name in names), meaning)
    page.heading("EXIT STATUS")
    for status, meaning in DAEMON_STATUSES.items():
        page.item(f"`{status}`", meaning)
    page.heading("ENVIRONMENT")
    for name, meaning in ENVIRONMENT.items():
        page.item(f"`{name}`", meaning)
    _watched(page)
    _safe(page)
    _files(page)
    page.heading("EXAMPLES")
    page.text("""
        The embedded example, in the foreground:

            twistd -n --pidfile= echod

        A file, as a daemon that gives up root:

            twistd --pidfile=/run/echod.pid --logfile=/var/log/echod.log --uid echod --gid echod \\
                echod --config /etc/echod/echod.yaml

        Under systemd, check, reload, and read what it said:

            echod check /etc/echod/echod.yaml && systemctl reload echod
            journalctl -u echod -n 5
        """)
    page.heading("SEE ALSO")
    page.text("`echod`(1), `echod.yaml`(5), `systemd.service`(5), `systemd.socket`(5)")
    return page


def _options() -> Iterator[tuple[str, str]]:
    """Yield the options after `echod`: their names, and what they do."""
    values = {"config": "FILE"}
    for name, short, _, meaning in Options.optParameters:
        yield f"`-{short}`, `--{name}` *{values[str(name)]}*", str(meaning)
    yield "`--version`", str(Options.opt_version.__doc__)
    yield "`--help`", "Show the options and exit."


def _life(page: Page) -> None:
    page.heading("START, RELOAD, STOP")
    page.text("""
        A start is honest. The file is checked and every address bound before the daemon forks and gives up privileges,
        so that ports below 1024 work; if anything is wrong, nothing stays open, and the exit status tells. At the start
        the log says which version serves which file, and where each service listens.

        A reload is all or nothing. The new file is checked, and new addresses are bound; only then does anything
        change. If anything fails, all goes on as it was, and one line says why. A service whose settings are the same
        keeps its port and its connections; one that changed keeps its port, and its open connections finish under the
        old settings. Certificates are read again. `reloaded: 3 kept, 1 changed, 2 added, 0 removed` is the line that
        reports it.

        A stop loses nothing that was accepted: the daemon stops listening, answers what the kernel already holds for
        it, sends what waits, closes, and cuts what is left when `limits.grace` is over.
        """)
    page.heading("SOCKETS PASSED IN")
    page.text("""
        Under systemd, sockets can be open before the daemon starts, while it restarts, and without any privilege of its
        own. The file names them, for TCP and UDP:

            listen:
              - systemd:domain=INET:name=echo-tcp
              - systemd:domain=INET:name=echo-udp:type=datagram

        The name is `FileDescriptorName=` of the .socket unit; give each address its own, since of two sockets with one
        name only one is served.
        """)


def _watched(page: Page) -> None:
    """Say what the daemon tells of itself."""
    page.heading("LOGS")
    page.text("""
        `log` in the file says how much is logged, and whether as text or as one JSON object a line; `log.access` adds
        connections and drops. Bytes of messages are logged only at the level `debug`, escaped and shortened. In the
        foreground the log is standard output; with twistd's `--syslog` or `--logger`, level and format are not ours to
        choose. Once a minute one line for each service sums up what it dropped, by reason:
        """)
    for reason, meaning in REASONS.items():
        page.item(f"`{reason}`", sentence(meaning))
    page.text("A datagram that could not be sent is counted by the name of the error, such as `ENOBUFS`.")
    page.heading("METRICS")
    page.text("""
        With `metrics`, and on the console's port, `/metrics` is in the format of Prometheus; `/healthz` is 200 while
        the process answers, and `/readyz` while it serves: not before the start is complete, nor when it stops.
        Counters begin at 0 with the process. Beside Prometheus's `process_` and `python_` metrics there are:
        """)
    for metric in metrics():
        labels = f" ({', '.join(metric.labels)})" if metric.labels else ""
        page.item(f"`{metric.name}`{labels}", metric.meaning)
    page.heading("CONSOLE")
    page.text("""
        With `console`, a browser shows the services, adds, changes, removes and tries them, and sees what happens on
        them; `/api/openapi.json` describes the same for programs. On loopback it needs no token; anywhere else it needs
        TLS and a token, or the daemon does not start.
        """)


def _safe(page: Page) -> None:
    page.heading("SECURITY")
    page.text("""
        The guards are always on. A datagram is not answered when it comes from port 0, from below 1024 or 2049 (unless
        `low_ports`), from a port of echod's own, or by broadcast: two answering machines could keep each other busy for
        ever. If your own client gets no answer, look at its source port first. No UDP reply is longer than its request,
        unless the peer is on loopback, is named in `allow`, or the service says `amplify`. Each source has its rate and
        its share of the connections; who does not read is not read from, and is cut after `limits.stall_timeout`.

        Sources of datagrams can be forged: serve them to the Internet only if you must, or name in `allow` who may ask.

        The daemon needs no privilege but for ports below 1024: bind them as root and give `--uid`, or have
        `CAP_NET_BIND_SERVICE`, or have the sockets passed in. Whoever may write the file can have any
        callable of an installed Python module called (`python:` protocols).
        """)


def _files(page: Page) -> None:
    page.heading("FILES")
    page.item("`/etc/echod/echod.yaml`", "The file, for the units of systemd. The daemon itself must be told a file.")
    page.item("`conf.d`/*NAME*`.yaml`", "Beside the file: services that were made in the console.")
