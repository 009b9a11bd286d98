"""
From a listening description to open ports.

Stream descriptions go through Twisted's own `serverFromString`, so that every installed endpoint plugin works. The
endpoints are given a `ListeningReactor` as their reactor: where they ask it for a port, they get one of ours, whose
connections write through. Datagram descriptions, for which Twisted has no endpoints, are read here.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorSocket, IReactorSSL, IReactorTCP, IReactorUNIX
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.lockfile import FilesystemLock
from zope.interface import directlyProvides

from echod.transport.accept import StreamPort
from echod.transport.vanished import VANISHED, notice_vanished

if TYPE_CHECKING:
    from collections.abc import Callable

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

    :param reactor: the real one; hosts the listening sockets.
    :param host: hosts the connections: the reactor or a `echod.transport.poller.Poller`.
    :param reuse_port: whether several processes may listen on one port (SO_REUSEPORT of socket(7)).
    :param wrap: given each factory just before its port is made; returns the one that the port is to have.
    :param unacknowledged: see `echod.transport.vanished`.
    """

    def __init__(
        self,
        reactor: Any,
        host: Any,
        *,
        reuse_port: bool = False,
        wrap: Callable[[IProtocolFactory], IProtocolFactory] = lambda factory: factory,
        unacknowledged: float = VANISHED,
    ) -> None:
        self._reactor = reactor
        self._host = host
        self._wrap = wrap
        self._reuse_port = reuse_port
        self._unacknowledged = unacknowledged
        directlyProvides(self, IReactorTCP, IReactorSSL, IReactorUNIX, IReactorSocket)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def listenTCP(
        self, port: int, factory: IProtocolFactory, backlog: int = _TWISTED_BACKLOG, interface: str = ""
    ) -> StreamPort:
        """Listen on a TCP port; an interface with a colon in it is IPv6."""
        try:
            listener = internet_socket(socket.SOCK_STREAM, interface, port, reuse_port=self._reuse_port)
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
        release = _claim(address, self._reactor) if wantPID else None
        try:
            listener = unix_socket(socket.SOCK_STREAM, address, mode)
            listener.listen(BACKLOG if backlog == _TWISTED_BACKLOG else backlog)
        except OSError as problem:
            if release is not None:
                release()
            raise CannotListenError(None, address, problem) from problem
        return self._listen(listener, factory, lambda: _remove(address, release))

    def adoptStreamPort(self, fileDescriptor: int, addressFamily: int, factory: IProtocolFactory) -> StreamPort:
        """Listen on a socket that was passed to this process; its family is read from the descriptor itself."""
        del addressFamily
        return self._listen(socket.socket(fileno=os.dup(fileDescriptor)), factory)

    def _listen(
        self, listener: socket.socket, factory: IProtocolFactory, on_close: Callable[[], object] | None = None
    ) -> StreamPort:
        if listener.family != socket.AF_UNIX:
            notice_vanished(listener, self._unacknowledged)
        port = StreamPort(listener, self._wrap(factory), self._reactor, self._host, on_close)
        port.startListening()
        return port


def listen_stream(reactor: ListeningReactor, listen: Listen, factory: IProtocolFactory) -> Deferred[IListeningPort]:
    """
    Listen as a stream description says.

    :raises ValueError: Twisted cannot read the description; it may also raise what the endpoint's own parser raises
        for a file that cannot be read or a keyword it does not know (`OSError`, `TypeError`, `KeyError`).
    """
    endpoint = serverFromString(reactor, listen.text)
    listening: Deferred[IListeningPort] = endpoint.listen(factory)
    return listening


def datagram_socket(
    listen: Listen, inherited: Inherited, *, reuse_port: bool = False
) -> tuple[socket.socket, Callable[[], object] | None]:
    """
    Open a datagram socket as a description says: `udp`, `udp6`, `unixgram`, or `systemd` with `type=datagram`.

    Returns the socket, and what is to be called when it is closed.

    :raises OSError: it cannot be bound.
    :raises KeyError: no descriptor of that name or index was passed to this process.
    """
    if listen.kind == "systemd":
        return inherited.take(listen.words), None
    if listen.kind == "unixgram":
        path = listen.path
        assert path is not None
        sock = unix_socket(socket.SOCK_DGRAM, path, int(listen.words.get("mode", "666"), 8))
        return sock, lambda: _remove(path, None)
    assert listen.port is not None
    host = listen.host or ("::" if listen.kind == "udp6" else "")
    return internet_socket(socket.SOCK_DGRAM, host, listen.port, reuse_port=reuse_port), None


def internet_socket(kind: socket.SocketKind, host: str, port: int, *, reuse_port: bool) -> socket.socket:
    """
    Make a bound TCP or UDP socket; an empty host is every IPv4 address, `::` every address.

    :raises OSError: it cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    name = socket.getaddrinfo(host or "0.0.0.0", port, family, kind, 0, socket.AI_NUMERICHOST)[0][4]  # noqa: S104
    sock = socket.socket(family, kind)
    try:
        if kind == socket.SOCK_STREAM:
            # Bind although connections of an earlier process are in TIME_WAIT. Over UDP it would share the port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(name)
    except OSError:
        sock.close()
        raise
    return sock


def unix_socket(kind: socket.SocketKind, path: str, mode: int) -> socket.socket:
    """
    Make a bound Unix socket with the permissions `mode`.

    A socket that nobody serves any more is replaced; one that is served, or a file of another sort, is not.

    :raises OSError: it cannot be bound.
    """
    sock = socket.socket(socket.AF_UNIX, kind)
    try:
        try:
            sock.bind(path)
        except OSError:
            if not _abandoned(kind, path):
                raise
            Path(path).unlink()
            sock.bind(path)
        if not path.startswith("\0"):
            Path(path).chmod(mode)
    except OSError:
        sock.close()
        raise
    return sock


def _abandoned(kind: socket.SocketKind, path: str) -> bool:
    """Tell whether a path is a socket which refuses connections: its process has died."""
    try:
        if not stat.S_ISSOCK(Path(path).stat().st_mode):
            return False
        with socket.socket(socket.AF_UNIX, kind) as probe:
            # A living one whose queue is full must not make us wait.
            probe.setblocking(False)
            probe.connect(path)
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def _claim(path: str, reactor: Any) -> Callable[[], object]:
    """Take the lock beside a Unix socket, as Twisted's `lockfile=1` does, and return what releases it."""
    lock = FilesystemLock(path + ".lock")
    if not lock.lock():
        raise CannotListenError(None, path, OSError(f"{path}.lock is held by a running process"))
    reactor.callWhenRunning(_renew, lock)

    def release() -> None:
        # Not `lock.unlock`: it refuses when the lock names another process, such as the one which bound for us.
        lock.locked = False
        _unlink(lock.name)

    return release


def _renew(lock: FilesystemLock) -> None:
    """
    Let a lock name this process, which need not be the one that took it: twistd forks after everything is bound.

    Twisted programs take over a socket whose lock names a process that has ended.
    """
    pid = str(os.getpid())
    # Whoever gave up the right to change the directory leaves the lock as it is.
    with suppress(OSError):
        if lock.locked and str(Path(lock.name).readlink()) != pid:
            own = Path(f"{lock.name}.{pid}")
            own.symlink_to(pid)
            own.replace(lock.name)


def _remove(path: str, release: Callable[[], object] | None) -> None:
    """Remove a Unix socket's file and its lock when the socket is closed."""
    if not path.startswith("\0"):
        _unlink(path)
    if release is not None:
        release()


def _unlink(path: str) -> None:
    """
    Remove a file of ours, if it is there and we may.

    Ports are closed while the daemon stops, where an error would end the stop before everything is answered.
    """
    with suppress(OSError):
        Path(path).unlink()
