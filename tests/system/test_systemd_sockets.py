"""Sockets that systemd opens and passes on are served: blocking, named, and of whatever family they are."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from tests.system.activation import activated
from tests.system.clients import connected, datagrams, exactly, half_closed
from tests.system.daemon import Address, Daemon
from tests.system.endings import start_that_fails

if TYPE_CHECKING:
    from pathlib import Path

REPLY = """\
services:
  hello:
    listen:
      - systemd:domain=INET:name=stream
      - systemd:domain=INET:name=datagram:type=datagram
    protocol: reply
    reply: "{message} {peer.host} {peer.port} {local.host}"
    amplify: true
"""


def passed(kind: socket.SocketKind, host: str) -> socket.socket:
    """Return a socket as systemd makes it: bound, listening, blocking, and dual-stack where the host is `::`."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    sock.bind((host, 0))
    if kind == socket.SOCK_STREAM:
        sock.listen(128)
    return sock


def start(folder: Path, config: str, sockets: list[tuple[str, socket.socket]]) -> Daemon:
    """Make a daemon to which sockets are passed."""
    descriptors = [sock.fileno() for _, sock in sockets]
    return Daemon(folder, config, prefix=activated(sockets), descriptors=descriptors)


def test_inherited_sockets(tmp_path: Path) -> None:
    """
    Streams and datagrams are served on inherited sockets, in turn.

    They come blocking: a datagram socket left so would stop everything else after its first datagram.
    """
    with passed(socket.SOCK_STREAM, "127.0.0.1") as tcp, passed(socket.SOCK_DGRAM, "127.0.0.1") as udp:
        names = [("stream", tcp), ("datagram", udp)]
        with start(tmp_path, REPLY, names) as daemon:
            stream, datagram = daemon.addresses["hello"]
            assert (stream.name, datagram.name) == (tcp.getsockname(), udp.getsockname())
            tcp.close()
            udp.close()
            for _ in range(3):
                with connected(datagram, socket.SOCK_DGRAM) as sock:
                    sock.send(b"x")
                    own = f"x 127.0.0.1 {sock.getsockname()[1]} 127.0.0.1"
                    assert sock.recv(100).decode() == own
                with connected(stream) as sock:
                    sock.sendall(b"x")
                    own = f"x 127.0.0.1 {sock.getsockname()[1]} 127.0.0.1"
                    assert exactly(sock, len(own)).decode() == own


def test_a_dual_stack_socket_that_is_declared_as_ipv4(tmp_path: Path) -> None:
    """
    `ListenStream=7007` makes an IPv6 socket, which takes IPv4 too, and people write `domain=INET` for it.

    Adopted as what it is declared, the peer's address would be garbage, and datagrams could not be answered.
    """
    with passed(socket.SOCK_STREAM, "::") as tcp, passed(socket.SOCK_DGRAM, "::") as udp:
        names = [("stream", tcp), ("datagram", udp)]
        with start(tmp_path, REPLY, names):
            ports = tcp.getsockname()[1], udp.getsockname()[1]
            tcp.close()
            udp.close()
            for host, seen in (("[::1]", {"::1"}), ("127.0.0.1", {"::ffff:127.0.0.1", "127.0.0.1"})):
                with connected(Address("tcp", f"{host}:{ports[0]}")) as sock:
                    sock.sendall(b"x")
                    answer = sock.recv(200).decode().split()
                    assert answer[1] in seen
                    assert answer[2] == str(sock.getsockname()[1])
                (datagram,) = datagrams(Address("udp", f"{host}:{ports[1]}"), [b"x"])
                assert datagram.decode().split()[1] in seen


def test_sockets_by_index(tmp_path: Path) -> None:
    """`index=` names a socket by its place, and half-close is honoured there as everywhere."""
    config = """\
services:
  stream: {listen: "systemd:domain=INET:index=1", protocol: echo}
  datagram: {listen: "systemd:domain=INET:index=0:type=datagram", protocol: echo}
"""
    with (
        passed(socket.SOCK_STREAM, "127.0.0.1") as tcp,
        passed(socket.SOCK_DGRAM, "127.0.0.1") as udp,
        start(tmp_path, config, [("b", udp), ("a", tcp)]) as daemon,
    ):
        assert half_closed(daemon.at("stream"), b"x" * 100_000) == b"x" * 100_000
        assert datagrams(daemon.at("datagram"), [b"x"]) == [b"x"]


def test_a_socket_that_was_not_passed(tmp_path: Path) -> None:
    """Started by hand, without a socket unit, it says which socket is missing, and serves nothing."""
    for listen in ("systemd:domain=INET:name=absent", "systemd:domain=INET:name=absent:type=datagram"):
        failed = start_that_fails(tmp_path, f"services: {{echo: {{listen: '{listen}', protocol: echo}}}}")
        assert failed.status == 71, failed.output
        assert f"cannot listen on {listen}: " in failed.line
        assert "absent" in failed.line.rpartition(listen)[2]
