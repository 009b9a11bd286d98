"""The metrics and health of a real daemon, asked for over HTTP by a client that shares no code with it."""

from __future__ import annotations

import http.client
import signal
import socket
import ssl
import subprocess
import time
from typing import TYPE_CHECKING

from tests.system.clients import connected, exactly, fill, rest
from tests.system.daemon import LIMIT, Address, Daemon, wait_until
from tests.system.programs import program

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """\
metrics: {{listen: "{metrics}"}}
services:
  echo: {{listen: "udp:0:interface=127.0.0.1", protocol: echo}}
  hi: {{listen: "tcp:0:interface=127.0.0.1", protocol: reply, reply: hi}}
  back: {{listen: "tcp:0:interface=127.0.0.1", protocol: echo}}
  denied: {{listen: ["tcp:0:interface=127.0.0.1", "udp:0:interface=127.0.0.1"], protocol: echo, deny: [127.0.0.0/8]}}
"""

DENIED = 'echod_dropped_total{reason="denied",service="denied"}'

MANY = 120
"""Connections: more than the port of metrics has at most."""


def ask(where: Address, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
    """Ask once, on a connection of its own, and return status, headers and body."""
    connection = http.client.HTTPConnection(*where.name, timeout=LIMIT)
    try:
        connection.request(method, path, headers={"Connection": "close", **headers})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
    finally:
        connection.close()


def metrics(where: Address) -> dict[str, float]:
    """Return the metrics by their names with labels, as they are written."""
    status, _, text = ask(where, "/metrics")
    assert status == 200
    samples = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in samples}


def reloads(where: Address) -> dict[str, float]:
    """Return how many reloads there were, by result."""
    found = metrics(where)
    return {result: found[f'echod_reloads_total{{result="{result}"}}'] for result in ("success", "failure")}


def test_what_is_counted(tmp_path: Path) -> None:
    """Every count is exact, Prometheus's own tool finds nothing to say, and reloads are counted by their results."""
    config = CONFIG.format(metrics="tcp:0:interface=127.0.0.1")
    with Daemon(tmp_path, config) as daemon:
        where = daemon.at("metrics")
        with connected(daemon.at("echo"), socket.SOCK_DGRAM) as sock:
            for size in (1, 20, 100):
                sock.send(b"x" * size)
                assert len(sock.recv(200)) == size
        with connected(daemon.at("denied", "udp"), socket.SOCK_DGRAM) as sock:
            sock.send(b"x" * 7)
        with connected(daemon.at("back")) as sock:
            for size in (1000, 2000):
                sock.sendall(b"x" * size)
                assert len(exactly(sock, size)) == size
        with connected(daemon.at("hi")) as sock:
            for _ in range(3):
                sock.sendall(b"hello")
                assert exactly(sock, 2) == b"hi"
            with connected(daemon.at("denied", "tcp")) as other:
                assert rest(other) == b""
            wait_until(lambda: metrics(where)[DENIED] == 2, "both are dropped")
            found = metrics(where)
        status, _, text = ask(where, "/metrics")
        assert status == 200
        for name, value in {
            'echod_received_bytes_total{service="echo"}': 121,
            'echod_sent_bytes_total{service="echo"}': 121,
            'echod_messages_received_total{service="echo"}': 3,
            'echod_messages_sent_total{service="echo"}': 3,
            'echod_dropped_total{reason="kernel",service="echo"}': 0,
            'echod_received_bytes_total{service="back"}': 3000,
            'echod_sent_bytes_total{service="back"}': 3000,
            'echod_connections_total{service="back"}': 1,
            'echod_connections_open{service="back"}': 0,
            'echod_connections_total{service="hi"}': 1,
            'echod_connections_open{service="hi"}': 1,
            'echod_connections_limit{service="hi"}': 10_000,
            'echod_received_bytes_total{service="hi"}': 15,
            'echod_sent_bytes_total{service="hi"}': 6,
            'echod_messages_received_total{service="hi"}': 3,
            'echod_messages_sent_total{service="hi"}': 3,
            'echod_connections_total{service="denied"}': 0,
            'echod_received_bytes_total{service="denied"}': 7,
            'echod_sent_bytes_total{service="denied"}': 0,
            DENIED: 2,
        }.items():
            assert found[name] == value, name
        assert found["process_start_time_seconds"] <= found["echod_config_loaded_timestamp_seconds"] + 1
        assert abs(time.time() - found["echod_config_loaded_timestamp_seconds"]) < LIMIT
        checked = subprocess.run(
            [program("promtool"), "check", "metrics"], input=text, text=True, capture_output=True, check=False
        )
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")

        assert reloads(where) == {"success": 0, "failure": 0}
        daemon.file.write_text("services: {}")
        daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: reloads(where) == {"success": 0, "failure": 1}, "a failure is counted")
        assert metrics(where)["echod_config_loaded_timestamp_seconds"] == found["echod_config_loaded_timestamp_seconds"]
        daemon.file.write_text(config)
        daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: reloads(where) == {"success": 1, "failure": 1}, "a success is counted")
        after = metrics(where)
        assert after["echod_config_loaded_timestamp_seconds"] > found["echod_config_loaded_timestamp_seconds"]
        assert after['echod_connections_total{service="hi"}'] == 1


def test_health_until_the_end(tmp_path: Path) -> None:
    """It is ready as long as it is, and says that it drains while it finishes what it has."""
    config = CONFIG.format(metrics="tcp:0:interface=127.0.0.1")
    with Daemon(tmp_path, config) as daemon:
        where = daemon.at("metrics")
        assert ask(where, "/healthz")[::2] == (200, "healthy\n")
        assert ask(where, "/readyz")[::2] == (200, "ready\n")
        status, headers, body = ask(where, "/readyz", "HEAD")
        assert (status, headers["content-length"], body) == (200, "6", "")
        assert ask(where, "/metric")[::2] == (404, "Nothing is served under this path.\n")
        assert ask(where, "/metrics", "DELETE")[0] == 405
        with connected(daemon.at("back")) as sock:
            # It does not read, and so is waited for.
            fill(sock, 1 << 26, 0.2)
            daemon.send_signal(signal.SIGTERM)
            wait_until(lambda: ask(where, "/readyz")[::2] == (503, "draining\n"), "it says that it drains")
            assert ask(where, "/healthz")[0] == 200
            assert metrics(where)['echod_connections_open{service="back"}'] == 1
        daemon.ended()


def test_it_stays_small(tmp_path: Path) -> None:
    """Many who say nothing, or too much, keep nobody out, and the log has no word of it."""
    config = CONFIG.format(metrics="tcp:0:interface=127.0.0.1")
    with Daemon(tmp_path, config) as daemon:
        where = daemon.at("metrics")
        before = daemon.log
        silent = [connected(where) for _ in range(MANY)]
        try:
            assert ask(where, "/healthz")[0] == 200
            assert metrics(where)["process_open_fds"] < MANY
            with connected(where) as sock:
                sock.sendall(b"GET /" + b"x" * 10_000)
                assert sock.recv(100).startswith(b"HTTP/1.1 431 ")
            with connected(where) as sock:
                sock.sendall(b"POST /metrics HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n")
                assert sock.recv(100).startswith(b"HTTP/1.1 413 ")
            with connected(where) as sock:
                sock.sendall(b"\x16\x03\x01\r\n\r\n")
                assert rest(sock).startswith(b"HTTP/1.1 400 ")
            with connected(where) as sock:
                sock.sendall(b"GET /healthz HTTP/1.1\r\n\r\n" * 500 + b"GET /healthz HTTP/1.0\r\n\r\n")
                assert rest(sock).count(b"healthy\n") == 501
        finally:
            for sock in silent:
                sock.close()
        assert ask(where, "/readyz")[0] == 200
        assert daemon.log == before


def test_over_tls(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    """`ssl:` has HTTP/1.1 on it, also for those who know better, and says all there is."""
    key, cert = certificate
    listen = f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={cert}"
    with Daemon(tmp_path, CONFIG.format(metrics=listen)) as daemon:
        where = daemon.at("metrics")
        context = ssl.create_default_context(cafile=str(cert))
        context.set_alpn_protocols(["h2", "http/1.1"])
        connection = http.client.HTTPSConnection("localhost", where.port, timeout=LIMIT, context=context)
        for _ in range(2):
            connection.request("GET", "/metrics", headers={"Accept": "application/openmetrics-text"})
            answer = connection.getresponse()
            assert answer.getheader("Content-Type", "").startswith("application/openmetrics-text; version=1.0.0")
            assert answer.read().endswith(b"# EOF\n")
        assert isinstance(connection.sock, ssl.SSLSocket)
        assert connection.sock.selected_alpn_protocol() == "http/1.1"
        connection.close()
