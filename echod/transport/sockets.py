"""
Sockets that listen: TCP, UDP and Unix sockets, bound as a description says.

A socket of a Unix path has a file, which may be left over from a process that died, and which is removed at the end.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.error import CannotListenError
from twisted.python.lockfile import FilesystemLock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from echod.config import Listen
    from echod.transport.inherited import Inherited


def datagram_socket(
    listen: Listen, inherited: Inherited, *, reuse_port: bool = False, leaving: Sequence[socket.socket] = ()
) -> tuple[socket.socket, Callable[[], object] | None]:
    """
    Open a datagram socket as a description says: `udp`, `udp6`, `unixgram`, or `systemd` with `type=datagram`.

    Returns the socket, and what is to be called when it is closed.

    :raises OSError: it cannot be bound.
    :raises KeyError: no descriptor of that name or index was passed to this process.
    """
    if listen.kind == "systemd":
        return inherited.take(listen.words, socket.SOCK_DGRAM), None
    if listen.kind == "unixgram":
        path = listen.path
        assert path is not None
        sock = unix_socket(socket.SOCK_DGRAM, path, int(listen.words.get("mode", "666"), 8))
        return sock, lambda: remove(path, None)
    assert listen.port is not None
    host = listen.host or ("::" if listen.kind == "udp6" else "")
    return internet_socket(socket.SOCK_DGRAM, host, listen.port, reuse_port=reuse_port, leaving=leaving), None


def internet_socket(
    kind: socket.SocketKind, host: str, port: int, *, reuse_port: bool, leaving: Sequence[socket.socket] = ()
) -> socket.socket:
    """
    Make a bound TCP or UDP socket; an empty host is every IPv4 address, `::` every address.

    Where only one of the `leaving` sockets is in the way (one for every address, before one for a single address), both
    get SO_REUSEPORT, which `share` ends.

    :raises OSError: it cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    name = socket.getaddrinfo(host or "0.0.0.0", port, family, kind, 0, socket.AI_NUMERICHOST)[0][4]  # noqa: S104
    sock = socket.socket(family, kind)
    try:
        if kind == socket.SOCK_STREAM:
            # Bind although connections of an earlier process are in TIME_WAIT. Over UDP it would share the port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        share(sock, on=reuse_port)
        try:
            sock.bind(name)
        except OSError as problem:
            near = [each for each in leaving if each.type == kind and _port(each) == port]
            if problem.errno != errno.EADDRINUSE or not near:
                raise
            for each in (sock, *near):
                share(each, on=True)
            sock.bind(name)
    except OSError:
        sock.close()
        raise
    return sock


def share(sock: socket.socket, *, on: bool) -> None:
    """Let other sockets be bound to the same port, or not (SO_REUSEPORT of socket(7)); a Unix socket never."""
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, on)


def _port(sock: socket.socket) -> int | None:
    """Return the port of an open internet socket."""
    if sock.fileno() < 0 or sock.family == socket.AF_UNIX:
        return None
    return int(sock.getsockname()[1])


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


def claim(path: str, reactor: Any) -> Callable[[], object]:
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


def remove(path: str, release: Callable[[], object] | None) -> None:
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
