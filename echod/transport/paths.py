"""
Which way bytes take: the fast one, or the plain one that works everywhere.

Fast streams are polled in an epoll of their own (`echod.transport.poller`), and where the answer is the message itself
they are echoed from the buffer they were read into, or through a pipe (`echod.transport.echoing`); fast datagrams go in
batches (`echod.transport.reflect`), where the answer is the datagram itself. The plain way is Twisted's reactor for
each connection, and one system call for each datagram. Both send the same.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

from echod.transport import mmsg

if TYPE_CHECKING:
    from collections.abc import Mapping

    from echod.config import Listen

SWITCH = "ECHOD_PLAIN"
"""Set to anything but nothing in the environment, this makes every service take the plain way: to find out."""


LONGEST_DATAGRAM = 65_535
"""What the length in a UDP header can say (RFC 768), in bytes: no datagram is longer."""


def plain_streams(environ: Mapping[str, str]) -> str | None:
    """Return why streams take the plain way here, or None when they take the fast one."""
    if environ.get(SWITCH):
        return f"{SWITCH} is set"
    return None if hasattr(select, "epoll") else "this system has no epoll"


def plain_datagrams(environ: Mapping[str, str]) -> str | None:
    """Return why datagrams take the plain way here, or None when they take the fast one."""
    return f"{SWITCH} is set" if environ.get(SWITCH) else mmsg.missing()


def way(listen: Listen, *, reflects: bool, frame: int, environ: Mapping[str, str]) -> str:
    """
    Say which way a listening address takes, and why not the fast one: `fast`, or `plain (TLS)`.

    :param reflects: whether the answer is the message itself.
    :param frame: the longest message that is answered, in bytes.
    """
    if listen.datagram:
        why = plain_datagrams(environ)
        if why is None and listen.kind == "unixgram":
            why = "a Unix socket"
        if why is None and not reflects:
            why = "the answer needs each datagram"
        if why is None and frame < LONGEST_DATAGRAM:
            why = "limits.frame is less than a datagram may have"
    else:
        why = plain_streams(environ)
        if why is None and listen.kind == "ssl":
            why = "TLS"
    return "fast" if why is None else f"plain ({why})"
