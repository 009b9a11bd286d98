"""
From a listening description to ports that can begin.

Stream descriptions go through Twisted's own `serverFromString`, so that every installed endpoint plugin works. The
endpoints are given a `ListeningReactor` as their reactor: where they ask it for a port, they get one of ours, whose
connections write through. `echod.transport.sockets` makes the sockets.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorSocket, IReactorSSL, IReactorTCP, IReactorUNIX
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import directlyProvides

from echod.transport.accept import StreamPort
from echod.transport.sockets import claim, internet_socket, remove, share, unix_socket
from echod.transport.vanished import VANISHED, notice_vanished

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IListeningPort, IProtocolFactory

    from echod.config import Listen
    from echod.transport.inherited import Inherited

BACKLOG = 1_024
"""Connections that the kernel queues for us; with Twisted's 50, a burst of 2,000 costs some of them a second."""

_TWISTED_BACKLOG = 50
_UNIX_MODE = 0o666


class _TlsFactory(TLSMemoryBIOFactory):
    """Makes TLS connections, and none for a peer that its own factory refuses."""

    def buildProtocol(self, addr: Any) -> Any:
        """Make a connection's protocol, or None. Called by Twisted."""
        wrapped = self.wrappedFactory.buildProtocol(addr)
        return None if wrapped is None else self.protocol(self, wrapped)


class ListeningReactor:
    """
    A reactor to Twisted's endpoints, which makes our ports instead of Twisted's; all else is the reactor's own.

    The ports wait until `begin`. With an `existing` port no other is made: it goes on, and at `begin` it gets the
    factory which the endpoint made for it, with certificates read anew.

    :param reactor: the real one; hosts the listening sockets.
    :param host: hosts the connections: the reactor or a `echod.transport.poller.Poller`.
    :param reuse_port: whether several processes may listen on one port (SO_REUSEPORT of socket(7)).
    :param wrap: given each factory just before its port is made; returns the one that the port is to have.
    :param unacknowledged: see `echod.transport.vanished`.
    :param leaving: sockets that are soon to be closed, beside which ours may be bound.
    """

    def __init__(
        self,
        reactor: Any,
        host: Any,
        *,
        reuse_port: bool = False,
        wrap: Callable[[IProtocolFactory], IProtocolFactory] = lambda factory: factory,
        unacknowledged: float = VANISHED,
        existing: StreamPort | None = None,
        leaving: Sequence[socket.socket] = (),
    ) -> None:
        self._reactor = reactor
        self._host = host
        self._wrap = wrap
        self._reuse_port = reuse_port
        self._unacknowledged = unacknowledged
        self._existing = existing
        self._leaving = leaving
        self._renewed: IProtocolFactory | None = None
        self._made: list[StreamPort] = []
        self._begun = False
        self._ours = True
        self._mode: tuple[str, int] | None = None
        directlyProvides(self, IReactorTCP, IReactorSSL, IReactorUNIX, IReactorSocket)

    def begin(self) -> None:
        """Let the ports accept, and give the existing one its new factory."""
        self._begun = True
        for port in self._made:
            self._share(port)
            port.startListening()
        if self._existing is not None and self._renewed is not None:
            self._share(self._existing)
            if self._existing.socket.family != socket.AF_UNIX:
                notice_vanished(self._existing.socket, self._unacknowledged)
            elif self._mode is not None:
                path, mode = self._mode
                with suppress(OSError):
                    Path(path).chmod(mode)
            self._existing.serve(self._renewed)

    def _share(self, port: StreamPort) -> None:
        """Let others share the port, or not; who passed a socket to us has decided about that one."""
        if self._ours:
            share(port.socket, on=self._reuse_port)

    def undo(self) -> None:
        """Close what was made; an existing port stays as it was."""
        for port in self._made:
            port.stopListening()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def listenTCP(
        self, port: int, factory: IProtocolFactory, backlog: int = _TWISTED_BACKLOG, interface: str = ""
    ) -> StreamPort:
        """Listen on a TCP port; an interface with a colon in it is IPv6."""
        if self._existing is not None:
            return self._renew(factory)
        kind = socket.SOCK_STREAM
        try:
            listener = internet_socket(kind, interface, port, reuse_port=self._reuse_port, leaving=self._leaving)
        except OSError as problem:
            raise CannotListenError(interface, port, problem) from problem
        # Only now do two sockets on one port collide, where the first did not listen when the second was bound.
        try:
            listener.listen(BACKLOG if backlog == _TWISTED_BACKLOG else backlog)
        except OSError as problem:
            listener.close()
            raise CannotListenError(interface, port, problem) from problem
        return self._listen(listener, factory)

    def listenSSL(
        self,
        port: int,
        factory: IProtocolFactory,
        contextFactory: Any,
        backlog: int = _TWISTED_BACKLOG,
        interface: str = "",
    ) -> StreamPort:
        """Listen on a TCP port and speak TLS on each connection."""
        wrapped = _TlsFactory(contextFactory, False, factory)
        return self.listenTCP(port, wrapped, backlog, interface)

    def listenUNIX(
        self,
        address: str,
        factory: IProtocolFactory,
        backlog: int = _TWISTED_BACKLOG,
        mode: int = _UNIX_MODE,
        wantPID: bool = False,
    ) -> StreamPort:
        """Listen on a Unix stream socket. A lock beside it (`wantPID`) tells a live socket from a left-over one."""
        if self._existing is not None:
            self._mode = (address, mode)
            return self._renew(factory)
        release = claim(address, self._reactor) if wantPID else None
        try:
            listener = unix_socket(socket.SOCK_STREAM, address, mode)
            listener.listen(BACKLOG if backlog == _TWISTED_BACKLOG else backlog)
        except OSError as problem:
            if release is not None:
                release()
            raise CannotListenError(None, address, problem) from problem
        return self._listen(listener, factory, lambda: remove(address, release))

    def adoptStreamPort(self, fileDescriptor: int, addressFamily: int, factory: IProtocolFactory) -> StreamPort:
        """Listen on a socket that was passed to this process; its family is read from the descriptor itself."""
        del addressFamily
        return self.adopt(socket.socket(fileno=os.dup(fileDescriptor)), factory)

    def adopt(self, listener: socket.socket, factory: IProtocolFactory) -> StreamPort:
        """Listen on a socket that listens already."""
        self._ours = False
        if self._existing is not None:
            listener.close()
            return self._renew(factory)
        return self._listen(listener, factory)

    def _renew(self, factory: IProtocolFactory) -> StreamPort:
        assert self._existing is not None
        self._renewed = self._wrap(factory)
        return self._existing

    def _listen(
        self, listener: socket.socket, factory: IProtocolFactory, on_close: Callable[[], object] | None = None
    ) -> StreamPort:
        if listener.family != socket.AF_UNIX:
            notice_vanished(listener, self._unacknowledged)
        port = StreamPort(listener, self._wrap(factory), self._reactor, self._host, on_close)
        self._made.append(port)
        if self._begun:
            # An endpoint plugin may take its time.
            port.startListening()
        return port


def listen_stream(
    reactor: ListeningReactor, listen: Listen, factory: IProtocolFactory, inherited: Inherited
) -> Deferred[IListeningPort]:
    """
    Listen as a stream description says.

    :param inherited: where sockets of systemd are taken from. Twisted's endpoint would close the descriptor that was
        passed, so that after a removal and a reload nobody could listen there again.
    :raises ValueError: Twisted cannot read the description; it may also raise what the endpoint's own parser raises
        for a file that cannot be read or a keyword it does not know (`OSError`, `TypeError`, `KeyError`).
    """
    if listen.kind == "systemd":
        return succeed(reactor.adopt(inherited.take(listen.words, socket.SOCK_STREAM), factory))
    endpoint = serverFromString(reactor, listen.text)
    listening: Deferred[IListeningPort] = endpoint.listen(factory)
    return listening
