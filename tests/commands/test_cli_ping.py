"""`echod ping` as a user starts it, with right and wrong servers."""

from __future__ import annotations

import json
import re
import signal
import socket
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.commands.programs import BIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.commands.programs import Echod, Served

    Udp = Callable[[Callable[[bytes], list[bytes]]], str]
    Tcp = Callable[[Callable[[socket.socket], None]], str]

FAST = ("-c", "3", "-i", "20ms", "-W", "500ms")


@pytest.fixture(scope="module")
def served(serve: Callable[[str], Served]) -> Served:
    """Start the daemon that these tests ping."""
    return serve("""
services:
  echo: {listen: ["tcp:0:interface=127.0.0.1", "udp:0:interface=127.0.0.1"], protocol: echo}
  hello: {listen: "tcp:0:interface=127.0.0.1", protocol: reply, reply: hi, then: close}
  hello-udp: {listen: "udp:0:interface=127.0.0.1", protocol: reply, reply: hi}
""")


def lines(result: subprocess.CompletedProcess[bytes]) -> list[str]:
    """Return what was printed, with every time as `T`."""
    return re.sub(r"\d+\.\d{3}", "T", result.stdout.decode()).splitlines()


@pytest.mark.parametrize("kind", ["tcp", "udp"])
@pytest.mark.parametrize("size", ["1", "56", "65507"])
def test_right(echod: Echod, served: Served, kind: str, size: str) -> None:
    """A line for each message, and a summary."""
    endpoint = served.endpoint("echo", kind)
    result = echod("ping", endpoint, *FAST, "-s", size)
    _, address = endpoint.split(":", 1)

    assert (result.returncode, result.stderr) == (0, b"")
    assert lines(result) == [
        *(f"{size} bytes from {address}: seq={number} time=T ms" for number in (1, 2, 3)),
        f"--- {kind} {address} ---",
        "3 sent, 3 received, 0 lost (0%), 0 duplicated, 0 reordered, 0 mismatched",
        "round trip min/median/p90/p99/max = T/T/T/T/T ms, jitter T ms",
    ]


def test_empty(echod: Echod, served: Served) -> None:
    """Empty datagrams are messages too."""
    result = echod("ping", served.endpoint("echo", "udp"), *FAST, "-s", "0")

    assert result.returncode == 0
    assert "3 sent, 3 received" in lines(result)[-2]


def test_json(echod: Echod, served: Served) -> None:
    """One document with every number."""
    result = echod("ping", served.endpoint("echo"), *FAST, "--json")
    made = json.loads(result.stdout)

    assert result.returncode == 0
    assert (made["right"], made["sent"], made["received"], made["lost"]) == (True, 3, 3, 0)
    assert 0 < made["round_trip_ms"]["min"] <= made["round_trip_ms"]["median"] <= made["round_trip_ms"]["max"] < 500
    assert (made["size"], made["interval_s"], made["timeout_s"], made["ended_by"]) == (56, 0.02, 0.5, None)


def test_other_answer(echod: Echod, served: Served) -> None:
    """A service that says something else is a mismatch, each time."""
    result = echod("ping", served.endpoint("hello-udp", "udp"), *FAST)

    assert result.returncode == 1
    assert lines(result)[0] == "seq=1 mismatch: said 'hi'; the 56 bytes of the message were expected"
    assert lines(result)[-1] == "3 sent, 0 received, 0 lost (0%), 0 duplicated, 0 reordered, 3 mismatched"


def test_closing(echod: Echod, served: Served) -> None:
    """A server that closes the connection ends the ping."""
    result = echod("ping", served.endpoint("hello"), *FAST)

    assert result.returncode == 1
    assert lines(result)[:2] == [
        "seq=1 mismatch: said 'hi'; the 56 bytes of the message were expected",
        "closed: the server closed the connection",
    ]
    assert lines(result)[-1].startswith("1 sent, 0 received, 0 lost")


def test_reset(echod: Echod, tcp_peer: Tcp) -> None:
    """So does a server that resets it; what was answered before counts."""

    def once(connection: socket.socket) -> None:
        connection.sendall(connection.recv(56))
        connection.recv(56)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    result = echod("ping", tcp_peer(once), *FAST, "--json")
    made = json.loads(result.stdout)

    assert result.returncode == 1
    assert (made["ended_by"], made["sent"], made["received"], made["lost"]) == ("reset", 2, 1, 1)


def test_bad_network(echod: Echod, udp_peer: Udp) -> None:
    """A network that loses, doubles, reorders and damages datagrams: each is told apart."""
    held: list[bytes] = []

    def answer(data: bytes) -> list[bytes]:
        match int.from_bytes(data[:4], "big"):
            case 1:
                return [data, data]
            case 2:
                held.append(data)
                return []
            case 3:
                return [data, held.pop()]
            case 4:
                return []
            case 5:
                return [data[:-1] + b"?"]
            case _:
                return [data]

    result = echod("ping", udp_peer(answer), "-c", "6", "-i", "50ms", "-W", "400ms")
    found = [line.partition(": ")[2] if line[0].isdigit() and "bytes from" in line else line for line in lines(result)]

    assert result.returncode == 1
    assert found[:-2] == [
        "seq=1 time=T ms",
        "seq=1 (duplicate)",
        "seq=3 time=T ms",
        "seq=2 time=T ms (reordered)",
        "seq=5 mismatch: 1 of 56 bytes differ, the first at offset 55: 0x3f instead of 0x2b",
        "seq=6 time=T ms",
        "seq=4 timeout: no answer within 0.4 s",
        found[-3],
    ]
    assert found[-2] == "6 sent, 4 received, 1 lost (16.7%), 1 duplicated, 1 reordered, 1 mismatched"


def test_late(echod: Echod, udp_peer: Udp) -> None:
    """An answer after the timeout is late: the message is not lost, but the status is 1."""
    held: list[bytes] = []

    def answer(data: bytes) -> list[bytes]:
        held.append(data)
        return [held[0], data] if len(held) == 2 else []

    result = echod("ping", udp_peer(answer), "-c", "2", "-i", "300ms", "-W", "100ms")

    assert result.returncode == 1
    assert lines(result)[0] == "seq=1 timeout: no answer within 0.1 s"
    assert lines(result)[1].endswith("seq=1 time=T ms (late)")
    assert lines(result)[-2].startswith("2 sent, 2 received, 0 lost (0%)")
    assert lines(result)[-2].endswith(", 1 late")


def test_refused(echod: Echod, free_port: int) -> None:
    """Where nothing listens, datagrams are refused one by one; nothing was reached."""
    result = echod("ping", f"udp:127.0.0.1:{free_port}", *FAST)

    assert result.returncode == 69
    assert lines(result)[:3] == [f"seq={number} refused: nothing listens there" for number in (1, 2, 3)]
    assert lines(result)[-1].startswith("3 sent, 0 received, 3 lost (100%)")


@pytest.mark.parametrize(
    ("kind", "host", "word"), [("tcp", "127.0.0.1", "refused"), ("udp", "nonexistent.invalid", "dns")]
)
def test_unreached(echod: Echod, free_port: int, kind: str, host: str, word: str) -> None:
    """Without a connection there is one sentence, or a document that says why there are no numbers."""
    endpoint = f"{kind}:{host}:{free_port}"
    result = echod("ping", endpoint, *FAST)
    as_json = echod("ping", endpoint, *FAST, "--json")
    made = json.loads(as_json.stdout)

    assert (result.returncode, result.stdout, as_json.returncode, as_json.stderr) == (69, b"", 69, b"")
    assert result.stderr.decode().startswith(f"{word}: {endpoint}: ")
    assert (made["right"], made["sent"], made["ended_by"]) == (False, 0, word)


def test_silence(echod: Echod, udp_peer: Udp) -> None:
    """Nobody answers: nothing was reached."""
    result = echod("ping", udp_peer(lambda _: []), "-c", "1", "-W", "100ms")

    assert result.returncode == 69
    assert lines(result)[0] == "seq=1 timeout: no answer within 0.1 s"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(served: Served, number: signal.Signals) -> None:
    """Ctrl-C prints the summary, and the status is that of the answers."""
    command = [str(BIN / "echod"), "ping", served.endpoint("echo", "udp"), "-i", "10s"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(number)
        out, err = process.communicate(timeout=10)

    assert "seq=1 time=" in first
    assert "1 sent, 1 received, 0 lost (0%)" in out
    assert (process.returncode, err) == (0, "")


def test_closed_pipe(served: Served) -> None:
    """When nobody reads the lines any more, the ping ends, without a word."""
    command = [str(BIN / "echod"), "ping", served.endpoint("echo"), "-i", "20ms"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()

    assert (process.returncode, said) == (141, b"")
