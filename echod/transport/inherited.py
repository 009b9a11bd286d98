"""
Sockets passed to this process, as systemd does (sd_listen_fds(3)).

Twisted reads LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES when `twisted.internet.endpoints` is imported, and removes the
first two, so this asks Twisted for the descriptors. Its endpoint for inherited stream sockets takes each once, and it
has none for datagrams (Twisted issue 6311).
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from twisted.internet import endpoints

if TYPE_CHECKING:
    from collections.abc import Mapping


class Inherited:
    """
    The descriptors that were passed, in their order, and their names.

    :param descriptors: numbers of open descriptors.
    :param names: a name for each; two may share one.
    """

    def __init__(self, descriptors: list[int], names: list[str]) -> None:
        self._descriptors = descriptors
        self._names = names

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Inherited:
        """Find what was passed; without LISTEN_FDNAMES every descriptor is called `unknown`, as systemd does."""
        found = endpoints._SystemdParser._sddaemon.inheritedDescriptors()  # noqa: SLF001 - see above
        names = environ.get("LISTEN_FDNAMES", "").split(":")
        return cls(list(found), names if len(names) == len(found) else ["unknown"] * len(found))

    def take(self, options: Mapping[str, str], kind: socket.SocketKind) -> socket.socket:
        """
        Return a copy of the socket which a description names with `name=` or `index=`.

        The descriptor itself stays open, for a service that asks for it after a reload.

        :param kind: SOCK_STREAM or SOCK_DGRAM.

        :raises KeyError: there is none; the message says what was passed.
        """
        for position, (descriptor, name) in enumerate(zip(self._descriptors, self._names, strict=True)):
            if options.get("name") == name or options.get("index") == str(position):
                sock = socket.socket(fileno=os.dup(descriptor))
                if sock.type == kind:
                    return sock
                sock.close()
        wanted = options.get("name") or options.get("index")
        passed = ", ".join(self._names) or "none"
        what = "datagram" if kind == socket.SOCK_DGRAM else "stream"
        raise KeyError(f"no {what} socket {wanted} was passed to this process (passed: {passed})")
