"""
Failures that a user reads: one word first, then a sentence (design, section 4).

The words are `refused`, `timeout`, `unreachable`, `dns`, `reset`, `closed`, `mismatch` and `tls`.
"""

from __future__ import annotations

import errno
import os
import socket

from OpenSSL import SSL
from twisted.internet import defer, error


class TalkError(Exception):
    """
    A talk with a service failed.

    :ivar word: one of the failure words.
    :ivar sentence: what happened.
    :ivar reached: whether the service could be reached at all.
    """

    def __init__(self, word: str, sentence: str, *, reached: bool) -> None:
        super().__init__(f"{word}: {sentence}")
        self.word = word
        self.sentence = sentence
        self.reached = reached


_UNREACHABLE = {
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.EACCES,
    errno.EPERM,
    errno.EADDRNOTAVAIL,
    errno.ENETDOWN,
    errno.ENOENT,
}


def unreached(problem: BaseException, where: str) -> TalkError:
    """Say in our words why a connection could not be made."""
    word, reason = _explain(problem)
    return TalkError(word, f"{where}: {reason}", reached=False)


def _explain(problem: BaseException) -> tuple[str, str]:
    if isinstance(problem, (error.ConnectionRefusedError, ConnectionRefusedError)):
        own = isinstance(problem, ConnectionRefusedError) and problem.errno is None
        return "refused", str(problem) if own else "nothing listens there"
    if isinstance(problem, (error.TimeoutError, error.TCPTimedOutError, defer.TimeoutError, TimeoutError)):
        return "timeout", "no answer to the attempt to connect"
    if isinstance(problem, (error.DNSLookupError, socket.gaierror, error.UnknownHostError)):
        return "dns", "the name is not known"
    if isinstance(problem, SSL.Error):
        return "tls", f"the handshake failed ({_tls_reason(problem)})"
    if isinstance(problem, (error.ConnectionLost, error.ConnectionAborted, ConnectionResetError)):
        return "reset", "the connection was cut while it was made"
    if isinstance(problem, error.ConnectionDone):
        return "closed", "the connection was closed while it was made"
    if isinstance(problem, error.ConnectError) and problem.osError is None:
        # An ICMP error that ends the attempt: with epoll Twisted takes it for a lost connection, and loses its number.
        return "unreachable", "the network turned the attempt to connect away"
    code = getattr(problem, "osError", None) or getattr(problem, "errno", None)
    if code in _UNREACHABLE:
        return "unreachable", os.strerror(code)
    return "unreachable", str(problem) or type(problem).__name__


def _tls_reason(problem: SSL.Error) -> str:
    """Return OpenSSL's own words for the first fault in a list of them."""
    try:
        return str(problem.args[0][0][2])
    except (IndexError, TypeError):
        return "no reason given"
