"""Every kind of listening address serves: internet, TLS, Unix, and endpoints of installed plugins."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import stat
from typing import TYPE_CHECKING

import pytest

from tests.system.clients import connected, datagrams, half_closed, rest
from tests.system.daemon import Daemon
from tests.system.endings import start_that_fails

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.clients import Where

LARGE = b"0123456789abcdef" * 20_000

UNIX = """\
services:
  stream: {{listen: "unix:{folder}/stream.sock", protocol: echo}}
  datagram: {{listen: "unixgram:{folder}/datagram.sock", protocol: echo}}
"""


def test_udp_on_every_address_answers_from_the_one_that_was_hit(tmp_path: Path) -> None:
    """A connected socket takes answers from that address alone; a stock wildcard socket answers from another."""
    with Daemon(tmp_path, "services: {echo: {listen: 'udp:0', protocol: echo}}") as daemon:
        address = daemon.at("echo")
        assert address.host == "0.0.0.0"
        for host in ("127.0.0.1", "127.0.0.2", "127.9.9.9"):
            assert datagrams(address._replace(text=f"{host}:{address.port}"), [b"x"]) == [b"x"]


def test_tls(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    """`ssl:` speaks TLS with the certificate that it names, and a reply is whole before the close."""
    key, cert = certificate
    reply = "x" * 200_000
    config = f"""\
services:
  tls:
    listen: ssl:0:privateKey={key}:certKey={cert}:interface=127.0.0.1
    protocol: reply
    reply: "{reply}"
    then: close
"""
    context = ssl.create_default_context(cafile=cert)
    with (
        Daemon(tmp_path, config) as daemon,
        connected(daemon.at("tls")) as plain,
        context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as sock,
    ):
        sock.sendall(b"hello")
        assert (rest(sock) == reply.encode()) is True


def test_unix_sockets(tmp_path: Path) -> None:
    """Unix sockets serve streams and datagrams, and their files are gone afterwards."""
    stream, datagram = tmp_path / "stream.sock", tmp_path / "datagram.sock"
    with Daemon(tmp_path, UNIX.format(folder=tmp_path)) as daemon:
        assert daemon.at("stream").text == str(stream)
        assert stat.S_ISSOCK(stream.stat().st_mode)
        assert (half_closed(str(stream), LARGE) == LARGE) is True
        large = os.urandom(65_536)
        assert (datagrams(str(datagram), [b"x", b"", large]) == [b"x", b"", large]) is True
    assert sorted(each.name for each in tmp_path.iterdir()) == ["echod.log", "echod.yaml"]


def test_unix_sockets_of_a_dead_daemon_are_taken_over(tmp_path: Path) -> None:
    """A killed daemon leaves its socket files and a lock behind; the next one starts nevertheless, and serves."""
    stream, datagram = tmp_path / "stream.sock", tmp_path / "datagram.sock"
    with Daemon(tmp_path, UNIX.format(folder=tmp_path)) as killed:
        killed.send_signal(signal.SIGKILL)
        killed.kill()
        assert stream.exists()
        assert datagram.exists()
    with Daemon(tmp_path, UNIX.format(folder=tmp_path)):
        assert half_closed(str(stream), b"x") == b"x"
        assert datagrams(str(datagram), [b"x"]) == [b"x"]


@pytest.mark.parametrize("kind", ["unix", "unixgram"])
def test_a_unix_socket_that_is_served_is_not_taken_over(tmp_path: Path, kind: str) -> None:
    """A second daemon on the same path fails and says where, and the first one serves on."""
    path = tmp_path / "served.sock"
    config = f"services: {{echo: {{listen: '{kind}:{path}', protocol: echo}}}}"
    with Daemon(tmp_path, config):
        second = tmp_path / "second"
        second.mkdir()
        failed = start_that_fails(second, config)
        assert failed.status == 71, failed.output
        assert f"cannot listen on {kind}:{path}: " in failed.line
        exchanged = half_closed(str(path), b"x") if kind == "unix" else datagrams(str(path), [b"x"])[0]
        assert exchanged == b"x"


def test_several_addresses_for_one_service(tmp_path: Path) -> None:
    """A list of addresses is served in the same way everywhere; port 0 is any free port, which the log tells."""
    config = rf"""
services:
  echo:
    listen:
      - tcp:0:interface=127.0.0.1
      - tcp6:0:interface=\:\:1
      - udp:0:interface=127.0.0.1
      - udp6:0:interface=\:\:1
      - unix:{tmp_path}/echo.sock
    protocol: echo
"""
    with Daemon(tmp_path, config) as daemon:
        everywhere = daemon.addresses["echo"]
        internet, unix = everywhere[:4], everywhere[4]
        assert [address.kind for address in everywhere] == ["tcp", "tcp6", "udp", "udp6", "unix"]
        assert [address.host for address in internet] == ["127.0.0.1", "::1"] * 2
        assert len({address.port for address in internet}) > 1
        streams: list[Where] = [*internet[:2], unix.text]
        for stream in streams:
            assert (half_closed(stream, LARGE) == LARGE) is True
        for datagram in internet[2:]:
            assert datagrams(datagram, [b"a", b"", b"b"]) == [b"a", b"", b"b"]


def test_a_burst_of_clients(tmp_path: Path) -> None:
    """Five hundred connections at once are all served: the kernel's queue is long enough for the burst."""
    with Daemon(tmp_path, "services: {echo: {listen: 'tcp:0:interface=127.0.0.1', protocol: echo}}") as daemon:
        daemon.send_signal(signal.SIGSTOP)
        clients: list[socket.socket] = []
        try:
            # Without a place in the queue a connection takes a second at least.
            clients += (connected(daemon.at("echo"), limit=0.9) for _ in range(500))
            daemon.send_signal(signal.SIGCONT)
            for number, client in enumerate(clients):
                client.settimeout(10)
                client.sendall(b"%d" % number)
                client.shutdown(socket.SHUT_WR)
            assert [rest(client) for client in clients] == [b"%d" % number for number in range(500)]
        finally:
            for client in clients:
                client.close()
