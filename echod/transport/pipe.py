"""
Large echoes that are not copied: splice(2).

What one socket received is moved into a pipe, and from there to where it is sent: the kernel passes references to its
pages along, and copies no byte in or out. For 64 KiB that saves more than all of Python costs; below some kilobytes
copying is cheaper.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress

ROOM = 1 << 18
"""
Bytes that the pipe is made for. It holds a page or piece of a packet in each of its places, of which there are 64 then:
enough for `READ_SIZE` bytes that came in packets of an Ethernet.
"""

_UNABLE = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM})
"""What a kernel says, or a filter of system calls, that does not let sockets be spliced."""

# A Python without splice has no such constant, either.
_NONBLOCK: int = getattr(os, "SPLICE_F_NONBLOCK", 0)


class UnableError(Exception):
    """Sockets cannot be spliced here. Nothing has been read."""


class Pipe:
    """
    The one pipe of a process, for all its connections.

    It is empty whenever `turn_back` returns: what stayed in it would be sent to another peer.

    :ivar able: whether it is worth to be asked, as far as is known.
    :ivar rest: those bytes of the last echo which the kernel did not take; whoever finds some there takes them.
    """

    def __init__(self) -> None:
        self._ends: tuple[int, int] | None = None
        self.able = hasattr(os, "splice")
        self.rest = b""

    def turn_back(self, descriptor: int, most: int) -> int:
        """
        Send back at most so many bytes that a socket received, and return how many were received: 0 at their end.

        :raises BlockingIOError: nothing has been received.
        :raises UnableError: it cannot be done here, now or ever.
        :raises OSError: as recv(2). Errors of sending are left to who sends the rest.
        """
        out, into = self._ends or self._opened()
        try:
            size = os.splice(descriptor, into, most, None, None, _NONBLOCK)
        except OSError as problem:
            if problem.errno in _UNABLE:
                self.able = False
                raise UnableError from None
            raise
        sent = 0
        try:
            try:
                sent = os.splice(out, descriptor, size, None, None, _NONBLOCK) if size else 0
            except OSError:
                sent = 0
            if sent < size:
                self._empty(out, size - sent)
        except BaseException:
            self.close()
            raise
        return size

    def take_rest(self) -> bytes:
        """Return what the kernel did not take of the last echo."""
        rest, self.rest = self.rest, b""
        return rest

    def _empty(self, out: int, left: int) -> None:
        """Take the rest out of the pipe."""
        rest = b""
        while left > len(rest):
            rest += os.read(out, left - len(rest))
        self.rest = rest

    def close(self) -> None:
        """Close it; it is opened again when it is needed."""
        ends, self._ends = self._ends, None
        for end in ends or ():
            os.close(end)

    def _opened(self) -> tuple[int, int]:
        if not self.able:
            raise UnableError
        if self._ends is None:
            try:
                self._ends = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:
                raise UnableError from None
            with suppress(PermissionError):  # then it has the room that every pipe has
                fcntl.fcntl(self._ends[0], fcntl.F_SETPIPE_SZ, ROOM)
        return self._ends
