"""A message to a service by the console, through the service's own client and over its real socket."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from echod.answers.choose import framing_for
from echod.config import Listen
from echod.console import api, openapi
from echod.console.trying import MOST_ANSWER, QUIET, Heard, _Talk, attempt, way
from tests.bound import Maker

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from echod.listener import Listener
    from echod.service import Echod
    from tests.console.consoles import Browser

in_reactor: Callable[[Callable[..., Coroutine[Any, Any, None]]], Callable[..., Any]] = pytest_twisted.ensureDeferred

SERVICES = """
  hello: {listen: [tcp:0:interface=127.0.0.1, udp:0:interface=127.0.0.1], protocol: reply, reply: hi}
  ended: {listen: 'tcp6:0:interface=\\:\\:1', protocol: reply, reply: hi, then: close}
  reset: {listen: tcp:0:interface=127.0.0.1, protocol: reply, rules: [{when: {equals: x}, then: reset}]}
  lines: {listen: tcp:0:interface=127.0.0.1, protocol: reply, framing: line, reply: "<{message}>"}
  frames: {listen: tcp:0:interface=127.0.0.1, protocol: echo}
  netstrings: {listen: tcp:0:interface=127.0.0.1, protocol: reply, framing: netstring, reply: "<{message}>"}
  endless: {listen: tcp:0:interface=127.0.0.1, protocol: chargen}
  silent: {listen: [tcp:0:interface=127.0.0.1, udp:0:interface=127.0.0.1], protocol: discard}
  everywhere: {listen: [tcp:0, udp6:0], protocol: echo}
"""


@pytest.fixture(name="service")
def a_service(tmp_path: Path) -> Iterator[Echod]:
    """Serve all sorts, and close it at the end."""
    maker = Maker(tmp_path / "echod.yaml")
    service = maker(f"{SERVICES}  path: {{listen: 'unix:{tmp_path}/s', protocol: echo}}\n")
    service.bind()
    yield service
    maker.close()


async def heard(service: Echod, name: str, message: bytes | None, index: int = 0, timeout: float = 5.0) -> Heard:
    """Try a service."""
    from twisted.internet import reactor

    running = service.services[name]
    listen, address = list(running.addresses())[index]
    framing = None if listen.datagram else framing_for(running.settings)
    return await attempt(reactor, way(listen, address), message, framing, timeout)


@in_reactor
@pytest.mark.parametrize(
    ("name", "index", "message", "answer", "ended"),
    [
        ("hello", 0, b"hello", b"hi", "quiet"),
        ("hello", 1, b"hello", b"hi", "message"),
        ("ended", 0, b"hello", b"hi", "closed"),
        ("lines", 0, b"hello", b"<hello>", "quiet"),
        ("netstrings", 0, b"hello", b"<hello>", "message"),
        ("everywhere", 0, b"\x00\xff", b"\x00\xff", "quiet"),
        ("everywhere", 1, b"", b"", "message"),
        ("path", 0, b"hello", b"hello", "quiet"),
    ],
)
async def test_an_answer(service: Echod, name: str, index: int, message: bytes, answer: bytes, ended: str) -> None:
    """With the times that it took, and why no more was waited for."""
    got = await heard(service, name, message, index)
    assert (got.answer, got.ended, got.failure, got.truncated) == (answer, ended, None, False)
    assert got.seconds is not None
    assert got.connect_seconds is not None
    # The pause after a stream's answer is none of the service's time.
    assert 0 <= got.seconds < 5
    assert 0 <= got.connect_seconds < 5


@in_reactor
async def test_an_answer_without_end(service: Echod) -> None:
    """As much as anyone looks at, and no more; nothing has to be asked."""
    got = await heard(service, "endless", None)
    assert (len(got.answer or b""), got.truncated, got.ended, got.failure) == (MOST_ANSWER, True, "full", None)
    assert (got.answer or b"").startswith(b" !\"#$%&'")


@in_reactor
@pytest.mark.parametrize("index", [0, 1])
async def test_no_answer(service: Echod, index: int) -> None:
    """It is waited for as long as was said."""
    got = await heard(service, "silent", b"hello", index, timeout=0.2)
    assert (got.answer, got.ended, got.failure) == (None, "timeout", ("timeout", "no answer within 0.2 s"))
    assert got.seconds is None


@in_reactor
async def test_a_reset(service: Echod) -> None:
    """It is told from a proper end."""
    got = await heard(service, "reset", b"x")
    assert (got.answer, got.ended) == (None, "reset")
    assert got.failure == ("reset", "the connection was reset")


@in_reactor
@pytest.mark.parametrize("kind", ["tcp", "udp"])
async def test_nothing_there(service: Echod, kind: str) -> None:
    """By the word that every client has for it."""
    del service
    from twisted.internet import reactor

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    there = way(Listen.parse(f"{kind}:{port}"), f"127.0.0.1:{port}")
    got = await attempt(reactor, there, b"x", None, 5.0)
    assert got.failure is not None
    assert got.failure[0] == "refused"
    assert got.answer is None


@pytest.mark.parametrize(
    ("listen", "address", "target"),
    [
        ("tcp:7", "0.0.0.0:7", "tcp:127.0.0.1:7"),
        ("udp:0:interface=192.0.2.1", "192.0.2.1:4711", "udp:192.0.2.1:4711"),
        ("tcp6:7", "[::]:7", r"tcp6:\:\:1:7"),
        ("udp6:7", "[2001:db8::1]:7", r"udp6:2001\:db8\:\:1:7"),
        ("unix:/run/x", "/run/x", "unix:/run/x"),
        ("unixgram:/run/a\\:b", "/run/a:b", r"unixgram:/run/a\:b"),
        ("systemd:domain=INET:name=x", "127.0.0.1:7", "tcp:127.0.0.1:7"),
        ("systemd:domain=INET6:name=x:type=datagram", "[::1]:7", r"udp6:\:\:1:7"),
        ("systemd:domain=UNIX:name=x", "/run/x", "unix:/run/x"),
        ("plugin:x", "127.0.0.1:7", "tcp:127.0.0.1:7"),
        ("ssl:7:privateKey=/nowhere", "127.0.0.1:7", "tls:127.0.0.1:7"),
    ],
)
def test_the_way(listen: str, address: str, target: str) -> None:
    """Where it listens, from this host; a certificate that cannot be read must be one that is trusted."""
    there = way(Listen.parse(listen), address)
    assert (there.target.text, there.certificate) == (target, None)


@pytest.mark.parametrize(
    ("listen", "address"),
    [("systemd:domain=UNIX:name=x", ""), ("plugin:x", "abc.onion:80"), ("plugin:x", ""), ("plugin:x", "x")],
)
def test_no_way(listen: str, address: str) -> None:
    """It is said, not guessed."""
    with pytest.raises(ValueError, match=r"it listens on|is not known"):
        way(Listen.parse(listen), address)


class Dribbler:
    """A client of a server that says something every fifth of a second, and never enough."""

    whole = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def listen(self, listener: Listener) -> None:
        """Begin to say something."""
        for number in range(20):
            self._clock.callLater(0.2 * (number + 1), listener.received, b"x")

    def send(self, message: bytes) -> None:
        """Take a message."""

    def end(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def test_time_is_up_whatever_comes() -> None:
    """What came until then is the answer, and its time is that of its first piece."""
    clock = Clock()
    result = Deferred.fromCoroutine(_Talk(Dribbler(clock), clock, 1.1).put(b"hello"))
    clock.pump([0.1] * 12)
    heard = result.result
    assert isinstance(heard, Heard)
    assert (heard.answer, heard.ended, heard.failure) == (b"xxxxx", "timeout", None)
    assert heard.seconds == pytest.approx(0.2)


async def _nothing(*_: Any) -> Heard:
    return Heard(failure=("timeout", "no answer within 2 s"), ended="timeout")


def test_what_is_said_of_it(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes as text and in hexadecimal; as text only if they are."""
    asked: list[tuple[Any, ...]] = []

    async def answers(reactor: Any, *how: Any) -> Heard:
        assert reactor is browser.clock
        asked.append(how)
        return Heard(b"\xffhi", seconds=0.5, connect_seconds=0.25, ended="quiet")

    monkeypatch.setattr(api, "attempt", answers)
    reply = browser("POST", "/api/services/hello-tcp/try", {"message": "hello", "timeout": 3})
    assert (reply.status, reply.json) == (
        200,
        {
            "address": "tcp:127.0.0.1:55555",
            "sent": {"bytes": 5, "text": "hello", "hex": "68 65 6c 6c 6f"},
            "answer": {"bytes": 3, "text": None, "hex": "ff 68 69", "truncated": False},
            "seconds": 0.5,
            "connect_seconds": 0.25,
            "ended": "quiet",
            "failure": None,
        },
    )
    assert asked[0][1::2] == (b"hello", 3.0)
    monkeypatch.setattr(api, "attempt", _nothing)
    reply = browser("POST", "/api/services/hello-tcp/try", {})
    assert (reply.json["sent"], reply.json["answer"]) == (None, None)
    assert reply.json["failure"] == {"word": "timeout", "sentence": "no answer within 2 s"}
    reply = browser("POST", "/api/services/echo-udp/try", {"message": {"hex": ""}})
    assert reply.json["sent"] == {"bytes": 0, "text": "", "hex": ""}
    # One datagram, of no bytes, is something to send.
    assert browser("POST", "/api/services/echo-udp/try", {}).json["sent"]["bytes"] == 0


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"message": 5}, "message"),
        ({"message": None}, "message"),
        ({"message": {"hex": "0"}}, "message"),
        ({"message": {"hex": "00", "x": 1}}, "message"),
        ({"message": "\ud800"}, "message"),
        ({"address": 1}, "address"),
        ({"address": -1}, "address"),
        ({"address": "0"}, "address"),
        ({"address": True}, "address"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": 10.5}, "timeout"),
        ({"timeout": True}, "timeout"),
        ({"timeout": "1"}, "timeout"),
        ({"host": "example.com"}, "host"),
    ],
)
def test_what_cannot_be_tried(browser: Browser, body: dict[str, Any], path: str) -> None:
    """Each with its place, as in settings."""
    reply = browser("POST", "/api/services/hello-tcp/try", body)
    assert (reply.status, reply.paths) == (422, [path])


def test_a_message_that_no_datagram_holds(browser: Browser) -> None:
    """It is said before it is sent."""
    browser(
        "POST",
        "/api/services",
        {"name": "lines", "listen": "tcp:1", "protocol": "reply", "framing": "line", "reply": "x"},
    )
    for name, message in (("echo-udp", "x" * 65_510), ("lines", "two\r\nlines")):
        reply = browser("POST", f"/api/services/{name}/try", {"message": message})
        assert (reply.status, reply.paths) == (422, ["message"])


def test_nobody_is_there(browser: Browser) -> None:
    """404, whatever is sent."""
    assert browser("POST", "/api/services/nobody/try", {}).status == 404


def test_tries_are_limited(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a socket of the daemon's; who leaves gives it back."""
    waiting: list[Deferred[None]] = []

    async def waits(*_: Any) -> Heard:
        waiting.append(Deferred())
        await waiting[-1]
        return Heard()

    monkeypatch.setattr(api, "attempt", waits)
    path = "/api/services/hello-tcp/try"
    channels = [browser.send("POST", path, {}) for _ in range(api.MOST_TRIES)]
    assert browser("POST", path, {}).status == 429
    waiting[0].callback(None)
    assert channels[0].value().startswith(b"HTTP/1.1 200 ")
    channels[1].loseConnection()
    again = [browser.send("POST", path, {}) for _ in range(2)]
    assert not any(channel.value() for channel in again)
    assert browser("POST", path, {}).status == 429
    for channel in (*channels[2:], *again):
        channel.loseConnection()


def test_a_pause_is_shorter_than_patience() -> None:
    """Else no answer would ever be whole before time is up."""
    assert openapi.LEAST_SECONDS <= QUIET < openapi.SECONDS
