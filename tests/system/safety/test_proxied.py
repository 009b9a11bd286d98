"""The PROXY protocol: from a real HAProxy, in any pieces, broken, late, and from those who may not."""

from __future__ import annotations

import signal
import socket
import ssl
import struct
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from echod.proxy import SIGNATURE_2
from tests.system.clients import connected, exactly, rest
from tests.system.daemon import Daemon
from tests.system.safety.balancer import balancer
from tests.system.safety.probe import check_log

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.clients import Where

CONFIG = r"""
services:
  who:
    listen: ["tcp:0:interface=127.0.0.1", "tcp6:0:interface=\\:\\:1"]
    protocol: reply
    framing: line
    reply: "{peer.host} {peer.port} {local.host} {local.port} {message}\r\n"
    proxy_protocol: "on"
    trusted_proxies: [127.0.0.1, "::1"]
    deny: [192.0.2.66]
    limits: {connections_per_source: 20}
  echo: {listen: "tcp:0:interface=127.0.0.1", protocol: echo, proxy_protocol: "on", trusted_proxies: [127.0.0.0/8]}
  auto: {listen: "tcp:0:interface=127.0.0.1", protocol: echo, proxy_protocol: auto, trusted_proxies: [127.0.0.1]}
  plain: {listen: "tcp:0:interface=127.0.0.1", protocol: echo}
  far: {listen: "tcp:0:interface=127.0.0.1", protocol: echo, proxy_protocol: "on", trusted_proxies: [192.0.2.1]}
  far-auto: {listen: "tcp:0:interface=127.0.0.1", protocol: echo, proxy_protocol: auto, trusted_proxies: [192.0.2.1]}
"""
LINE = b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"
BINARY = SIGNATURE_2 + struct.pack("!BBH4s4sHH", 0x21, 0x11, 12, b"\xc0\0\2\1", b"\xc63\x64\1", 56_324, 443)
BINARY_6 = (
    SIGNATURE_2 + struct.pack("!BBH16s16sHH", 0x21, 0x21, 39, bytes(15) + b"\2", bytes(15) + b"\3", 1, 2) + b"\4\0\0"
)
SAID = b"192.0.2.1 56324 198.51.100.1 443 hello\r\n"


def say(where: Where, *pieces: bytes) -> bytes:
    """Send pieces, end our direction, and return all that comes; nothing of a connection that was reset."""
    with connected(where) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for piece in pieces:
                sock.sendall(piece)
                time.sleep(0.01 if len(pieces) > 1 else 0)
            sock.shutdown(socket.SHUT_WR)
            return rest(sock)
        except (ConnectionError, OSError):
            return b"(reset)"


def test_haproxy(tmp_path: Path) -> None:
    """HAProxy's clients are seen as they are, version 1 and 2, IPv4 and IPv6, and its health checks find us well."""
    with Daemon(tmp_path, CONFIG) as daemon:
        four, six = daemon.at("who", "tcp").port, daemon.at("who", "tcp6").port
        listeners = {}
        cases = []
        with ExitStack() as stack:
            for version in ("send-proxy", "send-proxy-v2"):
                for host, server in (("127.0.0.1", f"127.0.0.1:{four}"), ("[::1]", f"[::1]:{six}")):
                    for check in ("", "check-send-proxy"):
                        place = socket.AF_INET6 if host == "[::1]" else socket.AF_INET
                        with socket.socket(place) as free:
                            free.bind((host.strip("[]"), 0))
                            port = free.getsockname()[1]
                        name = f"l{port}"
                        listeners[name] = (f"{host}:{port}", server, f"{version} {check}")
                        cases.append((place, host.strip("[]"), port))
            running = stack.enter_context(balancer(tmp_path, listeners))
            for place, host, port in cases:
                with socket.socket(place) as sock:
                    sock.settimeout(5)
                    sock.connect((host, port))
                    sock.sendall(b"hello\r\n")
                    own = sock.getsockname()[1]
                    expected = f"{host} {own} {host} {port} hello\r\n".encode()
                    assert exactly(sock, len(expected)) == expected
            # A few more checks, of each kind.
            time.sleep(0.7)
            assert set(running.states().values()) == {"UP"}
        daemon.stop()
        assert "dropped" not in daemon.log
        check_log(daemon)


@pytest.mark.parametrize("header", [LINE, BINARY], ids=["v1", "v2"])
def test_the_header_is_split_anywhere(tmp_path: Path, header: bytes) -> None:
    """At any byte, and at each of them."""
    data = header + b"hello\r\n"
    with Daemon(tmp_path, CONFIG.replace("connections_per_source: 20", "connections_per_source: 999")) as daemon:
        where = daemon.at("who", "tcp")
        with ExitStack() as stack:
            socks = [stack.enter_context(connected(where)) for _ in data]
            for cut, sock in enumerate(socks):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.sendall(data[:cut])
            time.sleep(0.3)
            for cut, sock in enumerate(socks):
                sock.sendall(data[cut:])
                assert exactly(sock, len(SAID)) == SAID
        assert say(where, *(data[at : at + 1] for at in range(len(data)))) == SAID
        daemon.stop()
        assert "dropped" not in daemon.log


def test_headers_that_name_nobody(tmp_path: Path) -> None:
    """`UNKNOWN` and `LOCAL` speak for the balancer; further fields of version 2 are passed over."""
    with Daemon(tmp_path, CONFIG) as daemon:
        where = daemon.at("who", "tcp")
        for header in (b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ::1 ::1 1 2\r\n", SIGNATURE_2 + b"\x20\0\0\0"):
            assert say(where, header + b"hello\r\n").startswith(b"127.0.0.1 ")
        assert say(where, BINARY_6 + b"hello\r\n") == b"::2 1 ::3 2 hello\r\n"


def test_rules_are_for_the_client(tmp_path: Path) -> None:
    """`deny` and the share of a source look at whom the header names, not at the balancer."""
    with Daemon(tmp_path, CONFIG) as daemon, ExitStack() as stack:
        where = daemon.at("who", "tcp")
        assert say(where, LINE.replace(b"192.0.2.1", b"192.0.2.66") + b"hello\r\n") in (b"", b"(reset)")
        socks = [stack.enter_context(connected(where)) for _ in range(22)]
        for sock in socks:
            sock.sendall(LINE + b"hello\r\n")
        heard = [sock.recv(100) for sock in socks[:20]]
        assert heard == [SAID] * 20
        with pytest.raises(ConnectionResetError):
            exactly(socks[20], 1)
        assert say(where, LINE.replace(b"192.0.2.1", b"192.0.2.2") + b"hello\r\n").startswith(b"192.0.2.2 ")
        stack.close()
        assert say(where, LINE + b"hello\r\n") == SAID
        daemon.stop()
        assert "who: dropped 1 denied, 2 per-source" in daemon.log


GARBAGE = [
    b"hello\r\n",
    b"PROXY TCP4 1.2.3.4\x1b[31m 198.51.100.1 1 2\r\nx",
    b"PROXY TCP6 ::1%\x1b[31m ::1 1 2\r\nx",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 99999 -1\r\nx",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 a b\r\nx",
    b"PROXY " + b"x" * 5000,
    SIGNATURE_2 + b"\x21\x11\xff\xff" + bytes(5000),
    SIGNATURE_2 + b"\x21\x11\0\x01x",
    SIGNATURE_2 + b"\xff\xff\0\0",
    b"\0" * 100,
]


def test_broken_headers_are_cut(tmp_path: Path) -> None:
    """Garbage and what is too long: at once, counted, without a word of it in the log."""
    with Daemon(tmp_path, CONFIG) as daemon:
        for garbage in GARBAGE:
            began = time.monotonic()
            assert say(daemon.at("echo"), garbage) in (b"", b"(reset)"), garbage
            assert time.monotonic() - began < 1
        daemon.stop()
        assert f"echo: dropped {len(GARBAGE)} proxy-header" in daemon.log
        assert not {"\x1b", "\0"} & set(daemon.log)
        check_log(daemon)


def test_slow_headers_are_cut(tmp_path: Path) -> None:
    """Who sends nothing, or a part, or a byte now and then, is cut after five seconds."""
    with Daemon(tmp_path, CONFIG) as daemon, ExitStack() as stack:
        where = daemon.at("echo")
        socks = [stack.enter_context(connected(where)) for _ in range(4)]
        began = time.monotonic()
        socks[1].sendall(LINE[:10])
        socks[2].sendall(BINARY[:20])
        while time.monotonic() - began < 4.5:
            socks[3].sendall(LINE[int((time.monotonic() - began) * 5) :][:1])
            time.sleep(0.2)
        for sock in socks:
            sock.settimeout(2)
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
        assert 4.9 < time.monotonic() - began < 6
        stack.close()
        daemon.stop()
        assert "echo: dropped 4 proxy-header" in daemon.log


def test_who_may_send_a_header(tmp_path: Path) -> None:
    """Only `trusted_proxies`: with `on` others are refused, with `auto` and `off` a header is data like any other."""
    with Daemon(tmp_path, CONFIG) as daemon:
        assert say(daemon.at("far"), LINE + b"x") in (b"", b"(reset)")
        assert say(daemon.at("far"), b"x") in (b"", b"(reset)")
        assert say(daemon.at("far-auto"), LINE + b"x") == LINE + b"x"
        assert say(daemon.at("plain"), LINE + b"x") == LINE + b"x"
        assert say(daemon.at("auto"), LINE + b"x") == b"x"
        assert say(daemon.at("auto"), b"no header") == b"no header"
        daemon.stop()
        assert "far: dropped 2 proxy-untrusted" in daemon.log


def test_auto_gives_back_every_byte(tmp_path: Path) -> None:
    """What only began like a header is the client's own, also when it ends there or says no more for a while."""
    with Daemon(tmp_path, CONFIG) as daemon:
        for data in (b"", b"P", b"PROXY", SIGNATURE_2[:11], b"PROXIES"):
            assert say(daemon.at("auto"), data) == data
        with connected(daemon.at("auto")) as sock:
            sock.sendall(b"PRO")
            assert exactly(sock, 3) == b"PRO"
            sock.sendall(b"XY ")
            assert exactly(sock, 3) == b"XY "


def test_tls_behind_the_header(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    """The header comes in the clear, before the handshake, as balancers send it that pass TLS through."""
    key, cert = certificate
    config = f"""\
services:
  tls:
    listen: ssl:0:privateKey={key}:certKey={cert}:interface=127.0.0.1
    protocol: reply
    framing: line
    reply: "{{peer.host}} {{message}}\\r\\n"
    proxy_protocol: "on"
    trusted_proxies: [127.0.0.1]
"""
    context = ssl.create_default_context(cafile=cert)
    with Daemon(tmp_path, config) as daemon:
        for header in (LINE, BINARY):
            with connected(daemon.at("tls")) as plain:
                plain.sendall(header)
                with context.wrap_socket(plain, server_hostname="localhost") as sock:
                    sock.sendall(b"hello\r\n")
                    assert sock.recv(100) == b"192.0.2.1 hello\r\n"


def test_a_stop_loses_nothing_behind_a_header(tmp_path: Path) -> None:
    """Connections whose header is still in the kernel when the daemon is told to stop are answered too."""
    with Daemon(tmp_path, CONFIG) as daemon, ExitStack() as stack:
        daemon.send_signal(signal.SIGSTOP)
        socks = [stack.enter_context(connected(daemon.at("echo"))) for _ in range(50)]
        for sock in socks[:40]:
            sock.sendall(LINE + b"x" * 1000)
        daemon.send_signal(signal.SIGTERM)
        daemon.send_signal(signal.SIGCONT)
        assert [rest(sock) for sock in socks[:40]] == [b"x" * 1000] * 40
        stack.close()
        assert daemon.ended() < 2
