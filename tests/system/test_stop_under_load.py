"""What was accepted is answered when the daemon is told to stop; nobody can keep it from stopping."""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.system.clients import Sending, connected, exactly, fill, rest
from tests.system.daemon import LOOK, Daemon

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20

ECHO = """\
services:
  echo:
    listen: ["tcp:0:interface=127.0.0.1", "udp:0:interface=127.0.0.1"]
    protocol: echo
    limits: {grace: %s}
"""

LINES = """\
services:
  lines:
    listen: "tcp:0:interface=127.0.0.1"
    protocol: reply
    framing: line
    reply: "{count} {message}\\r\\n"
"""

DATAGRAMS = """\
services:
  echo: {listen: "udp:0:interface=127.0.0.1", protocol: echo}
  hello: {listen: "udp:0:interface=127.0.0.1", protocol: reply, reply: hi}
"""


@pytest.mark.parametrize("stopped", [False, True], ids=["serving", "not yet accepted"])
def test_connections_that_have_just_sent(tmp_path: Path, stopped: bool) -> None:
    """
    Two hundred clients connect and send, the daemon is told to stop: each gets all of its answer, and a clean end.

    In one case the daemon is made to sleep meanwhile, so that the kernel alone has their connections.
    """
    with Daemon(tmp_path, ECHO % 10) as daemon, ExitStack() as stack:
        if stopped:
            daemon.send_signal(signal.SIGSTOP)
        clients = [stack.enter_context(connected(daemon.at("echo", "tcp"))) for _ in range(200)]
        for number, client in enumerate(clients):
            client.sendall(b"%d " % number * 100)
        daemon.send_signal(signal.SIGTERM)
        daemon.send_signal(signal.SIGCONT)
        assert [rest(client) for client in clients] == [b"%d " % number * 100 for number in range(200)]
        stack.close()
        assert daemon.ended() < 3


def test_a_large_transfer_in_flight(tmp_path: Path) -> None:
    """A client that is in the middle of 16 MiB, all buffers on the way being full, gets them all."""
    data = os.urandom(16 * MIB)
    with Daemon(tmp_path, ECHO % 10) as daemon, connected(daemon.at("echo", "tcp")) as client:
        with Sending(client, data):
            start = exactly(client, MIB)
            time.sleep(0.3)
            daemon.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            assert daemon.running, "it ended, although bytes waited for a client"
            assert (start + rest(client) == data) is True
        client.close()
        daemon.ended()


def test_messages_that_wait(tmp_path: Path) -> None:
    """Ten thousand lines that are in the kernel when the daemon is told to stop are answered, in order."""
    with Daemon(tmp_path, LINES) as daemon, connected(daemon.at("lines")) as client:
        daemon.send_signal(signal.SIGSTOP)
        client.sendall(b"".join(b"%d\r\n" % number for number in range(10_000)))
        daemon.send_signal(signal.SIGTERM)
        daemon.send_signal(signal.SIGCONT)
        expected = b"".join(b"%d %d\r\n" % (number + 1, number) for number in range(10_000))
        assert (rest(client) == expected) is True


@pytest.mark.parametrize("service", ["echo", "hello"])
def test_datagrams_that_wait(tmp_path: Path, service: str) -> None:
    """Datagrams that are in the socket when the daemon is told to stop are answered, all of them."""
    with Daemon(tmp_path, DATAGRAMS) as daemon, connected(daemon.at(service), socket.SOCK_DGRAM) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * MIB)
        # More than are answered in one turn, if this machine lets a socket hold so many (net.core.rmem_max).
        room = client.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 1_024
        messages = [b"%4d" % number for number in range(min(2_000, room))]
        daemon.send_signal(signal.SIGSTOP)
        for message in messages:
            client.send(message)
        daemon.send_signal(signal.SIGTERM)
        daemon.send_signal(signal.SIGCONT)
        answers = messages if service == "echo" else [b"hi"] * len(messages)
        assert [client.recv(100) for _ in messages] == answers
        daemon.ended()


def test_nobody_new_is_served_while_it_stops(tmp_path: Path) -> None:
    """New connections and datagrams are refused at once, so that a load balancer goes elsewhere."""
    with Daemon(tmp_path, ECHO % 10) as daemon, connected(daemon.at("echo", "tcp")) as greedy:
        fill(greedy, 64 * MIB)
        daemon.send_signal(signal.SIGTERM)
        # As long as the signal takes to be served.
        time.sleep(0.2)
        assert daemon.running
        with pytest.raises(ConnectionRefusedError):
            connected(daemon.at("echo", "tcp"))
        with connected(daemon.at("echo", "udp"), socket.SOCK_DGRAM) as client:
            client.send(b"x")
            with pytest.raises(ConnectionRefusedError):
                client.recv(10)
        greedy.close()


def test_who_does_not_read_is_cut_at_the_grace(tmp_path: Path) -> None:
    """A client that never reads delays the end by `limits.grace`, no longer, and sees that it was cut."""
    with Daemon(tmp_path, ECHO % 2) as daemon, connected(daemon.at("echo", "tcp")) as greedy:
        fill(greedy, 64 * MIB)
        began = time.monotonic()
        daemon.send_signal(signal.SIGTERM)
        daemon.ended()
        assert 1.9 < time.monotonic() - began < 3.5
        with pytest.raises(ConnectionResetError):
            rest(greedy)


def test_who_talks_on_is_ended_within_the_grace(tmp_path: Path) -> None:
    """
    A client that goes on talking cannot keep the daemon up either.

    It is not cut but ended, between two of its messages: so that all the others were answered.
    """
    with Daemon(tmp_path, ECHO % 2) as daemon, connected(daemon.at("echo", "tcp")) as talker:
        began = time.monotonic()
        daemon.send_signal(signal.SIGTERM)
        talked = 0
        answer = b"x"
        while answer == b"x" and time.monotonic() - began < 10:
            talker.sendall(b"x")
            answer = talker.recv(10)
            talked += 1
            time.sleep(LOOK)
        assert answer == b""
        assert talked > 10, "it was ended at once, in the middle of a talk"
        talker.close()
        daemon.ended()
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_second_signal_ends_at_once(tmp_path: Path, number: signal.Signals) -> None:
    """Whoever asks twice does not wait for the grace; the end is as good."""
    with Daemon(tmp_path, ECHO % 30) as daemon, connected(daemon.at("echo", "tcp")) as greedy:
        fill(greedy, 64 * MIB)
        daemon.send_signal(number)
        time.sleep(0.3)
        assert daemon.running
        assert daemon.stop(number) < 1.5
        assert f"{number.name} again: connections are cut" in daemon.log
