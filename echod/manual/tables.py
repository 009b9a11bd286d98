"""
What people must be told and no model knows: tables, in the markup of `echod.manual.roff`, which Markdown shares.

Tests hold them to the code: every protocol, kind of address, variable, framing and exit status that there is has its
row, and there are no others.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from echod.commands import status
from echod.tap import EX_CONFIG, EX_NOPERM, EX_OSERR


class Protocol(NamedTuple):
    """What one protocol answers; `source` is the RFC, or where more is said."""

    name: str
    stream: str
    datagram: str
    source: str


class FramingRow(NamedTuple):
    """A framing: as the file has it, as the command line has it, and what a message is with it."""

    setting: str
    word: str
    meaning: str


PROTOCOLS: Final = (
    Protocol(
        "echo",
        "everything back, until the client closes; half-close is honoured",
        "the same datagram, 0 to 65,507 bytes",
        "RFC 862",
    ),
    Protocol("reply", "what the rules say", "the same rules, a datagram is a message", ""),
    Protocol("discard", "nothing", "nothing", "RFC 863"),
    Protocol("chargen", "lines of 72 characters, as fast as the client reads", "0 to 512 characters", "RFC 864"),
    Protocol("qotd", "one of `quotes`, then close", "one of `quotes`", "RFC 865"),
    Protocol("daytime", "the date and time in a line, then close", "likewise", "RFC 867"),
    Protocol("time", "4 bytes, seconds since 1900, then close", "likewise", "RFC 868"),
    Protocol("python:module:name", "what your own code says", "likewise", "below"),
)

LISTENING: Final = (
    (("tcp:7007", "tcp:7007:interface=127.0.0.1"), "TCP over IPv4, on every address or on one"),
    ((r"tcp6:7007", r"tcp6:7007:interface=\:\:1"), "TCP over IPv6; on every address it takes IPv4 too"),
    (("ssl:7443:privateKey=key.pem:certKey=cert.pem",), "TLS"),
    (("unix:/run/echod/echo.sock:mode=660",), "a Unix stream socket"),
    (("udp:7007", r"udp6:7007:interface=\:\:1"), "UDP, likewise"),
    (("unixgram:/run/echod/echo.dgram",), "a Unix datagram socket"),
    (("systemd:domain=INET:name=echo-tcp",), "a socket that systemd passes"),
    (("systemd:domain=INET:name=echo-udp:type=datagram",), "likewise, for datagrams"),
)
"""Examples of `listen`, and what each is."""

FRAMINGS: Final = (
    FramingRow("stream", "`stream`", "what one read brings, which is what the network makes of it"),
    FramingRow("line", "`line`", "a line, without the CR LF that ends it"),
    FramingRow("netstring", "`netstring`", "what follows its length in decimal digits and a colon; a comma is the end"),
    FramingRow("int8", "`int8`", "what follows its length in one byte"),
    FramingRow("int16", "`int16`", "what follows its length in two bytes, the more significant first"),
    FramingRow("int32", "`int32`", "what follows its length in four bytes, the most significant first"),
    FramingRow('{delimiter: "\\n"}', "`delimiter:`*TEXT*", "what stands before these bytes"),
    FramingRow("{fixed: 16}", "`fixed:`*N*", "so many bytes"),
)
"""Every `framing`, and what a message is with it."""

VARIABLES: Final = {
    "message": "the message",
    "peer.host": "the client's address",
    "peer.port": "the client's port",
    "local.host": "the address that was reached",
    "local.port": "the port that was reached",
    "service": "the name of the service",
    "count": "the number of the message, counted for each peer from 1",
    "time": "the time in UTC, as 2026-01-31T12:00:00.000000Z",
    "uuid": "a new random UUID",
    "hostname": "the name of the machine",
}
"""Every variable of a reply, and what takes its place."""

COMMAND_STATUSES: Final = {
    status.RIGHT: "All is right.",
    status.WRONG: "Something was lost, or an answer was wrong.",
    status.USAGE: "The words on the command line are wrong.",
    status.UNAVAILABLE: "Nothing could be reached at all.",
    status.SOFTWARE: "A fault of echod's own; a traceback is on standard error.",
    status.IO_ERROR: "Standard output could not be written.",
    status.CONFIG: "The configuration is wrong; every problem is on standard error, one a line.",
    status.INTERRUPTED: "Ctrl-C.",
    status.BROKEN_PIPE: "Nobody reads standard output any more.",
}

DAEMON_STATUSES: Final = {
    0: "It was stopped by SIGTERM or SIGINT.",
    1: "The words on the command line are wrong, or twistd itself could not go on.",
    EX_OSERR: "An address cannot be had; one line names the service and the address.",
    EX_NOPERM: "Likewise, for want of a permission.",
    EX_CONFIG: "The configuration is wrong; every problem is on standard error, one a line.",
}

FAILURES: Final = {
    "refused": "nothing listens there",
    "timeout": "no connection, or no answer, in time",
    "unreachable": "the network or this machine refuses to go there",
    "dns": "the name is not known",
    "reset": "the peer cut the connection",
    "closed": "the peer closed the connection before it had answered",
    "mismatch": "an answer came that is not the right one",
    "tls": "the handshake failed, or a certificate is not trusted",
}
"""The words that begin a failure, and what each means."""

REASONS: Final = {
    "amplification": "the answer was longer than its datagram, and nothing allows that (`allow`, `amplify`)",
    "broadcast": "the datagram was sent to a broadcast or multicast address",
    "denied": "`allow` or `deny` says no",
    "error": "an answer in Python failed; the log has the first tracebacks",
    "frame": "a message was longer than `limits.frame`, or its framing was broken",
    "full": "the service, or the process, has no room for another connection",
    "grace": "the stop came to `limits.grace` before the connection had ended",
    "handshake": "the TLS handshake took too long",
    "idle": "nothing moved for `limits.idle_timeout`",
    "kernel": "the receive buffer was full before echod could read the datagram",
    "lifetime": "the connection lasted `limits.lifetime`",
    "loop": "the same datagram came again and again, as in a loop between two answering machines",
    "low-port": "the datagram's source port is below 1024, or 2049, and `low_ports` is off",
    "own-port": "the datagram's source port is one of echod's own: the answer could come back for ever",
    "per-source": "the source has `limits.connections_per_source` connections",
    "port-zero": "the datagram's source port is 0",
    "proxy-header": "the PROXY protocol header was broken, or did not come in time",
    "proxy-untrusted": "the connection does not come from `trusted_proxies`",
    "rate": "the source sent more than `limits.datagrams_per_source`",
    "stall": "the peer read nothing of what waited for it for `limits.stall_timeout`",
    "unnamed": "the Unix datagram's sender has no address to answer to",
}
"""Why something was dropped, as the log and the metrics name it; errors of sending have their names in errno(3)."""

SIGNALS: Final = {
    ("SIGTERM", "SIGINT"): """Stop: listen no more, answer what was accepted, close, and exit with status 0, within the
        longest `limits.grace`. A second one cuts what is left.""",
    ("SIGHUP",): "Reload.",
    ("SIGUSR1",): """With twistd's `--logfile` *FILE*, begin a new log file. Without it, do not send it: it has its
        default action, which is to kill.""",
}
"""What the daemon does on a signal."""

ENVIRONMENT: Final = {
    "NOTIFY_SOCKET": "The service manager, which is told of the start, reloads and the stop (sd_notify(3)).",
    "WATCHDOG_USEC": """Together with `WATCHDOG_PID`, how often the service manager wants to hear from the reactor.""",
    "LISTEN_FDS": """Together with `LISTEN_PID` and `LISTEN_FDNAMES`, the sockets that were passed in
        (sd_listen_fds(3)).""",
    "JOURNAL_STREAM": """Set by systemd. When it names standard output, a line of the log begins with its priority and
        has no time of its own, as the journal has it.""",
    "PYTHONPATH": "Where Python finds the modules of `python:` protocols.",
    "ECHOD_PLAIN": """If set to anything but the empty text, every service takes the plain way (see `echod check`), to
        find out whether a fault lies in the fast one.""",
}
"""What the daemon reads of its environment, beside the variables that the file names."""


def sentence(text: str) -> str:
    """Return a phrase as a sentence."""
    return f"{text[0].upper()}{text[1:]}" + ("" if text.endswith((".", "?")) else ".")
