"""The streams of events: what happens is told at once, in bounded memory, to those who may know."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echod.console.stream import FLUSH, MOST_QUEUED, STALL, escaped
from echod.console.streams import MOST_STREAMS, TICK
from echod.sampling import BURST
from tests.console.consoles import MAIN, NEW, Browser, reply_in

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from echod.sink import Sink
    from tests.console.consoles import Channel


class Told(NamedTuple):
    """One event of a stream."""

    kind: str
    data: Any


class Watched:
    """A service that says what the test wants."""

    sink: Sink | None = None

    def __init__(self, browser: Browser, name: str) -> None:
        browser.hub.add(name, self)

    def watch(self, sink: Sink | None) -> None:
        """Take the sink. Called by the hub."""
        self.sink = sink

    def say(self, data: bytes = b"hello") -> None:
        """Say that a datagram came."""
        assert self.sink is not None
        self.sink.tell("received", ("udp", "127.0.0.1:5", "127.0.0.1:5", "127.0.0.1:7007"), data)


def told(channel: Channel) -> list[Told]:
    """Return what came since this was last asked."""
    raw = channel.value()
    channel.clear()
    if raw.startswith(b"HTTP/1.1 "):
        head, _, raw = raw.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Content-Type: text/event-stream; charset=utf-8" in head
    # Each write is a chunk: its length in hexadecimal, its bytes.
    text = b""
    while raw:
        length, _, raw = raw.partition(b"\r\n")
        size = int(length, 16)
        text, raw = text + raw[:size], raw[size + 2 :]
    events = []
    for each in text.decode("ascii").split("\n\n")[:-1]:
        kind, data = each.split("\n")
        events.append(Told(kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return events


def kinds(channel: Channel) -> list[str]:
    """Return which events came."""
    return [each.kind for each in told(channel)]


def test_a_stream_begins_with_what_there_is(browser: Browser) -> None:
    """The services, and the counts of all of them."""
    browser.clock.advance(5)
    browser.echod.services["hello-tcp"].tally.open = 3
    hello, counters = told(browser.send("GET", "/api/events"))
    assert hello == ("hello", {"version": hello.data["version"], "services": ["hello-tcp", "echo-udp"]})
    assert (counters.kind, counters.data["at"]) == ("counters", 5)
    assert counters.data["services"]["hello-tcp"]["open"] == 3
    assert counters.data["services"].keys() == {"hello-tcp", "echo-udp"}


def test_what_happens_is_told_together_a_moment_later(browser: Browser) -> None:
    """With every field, and in the order in which it happened."""
    echo = Watched(browser, "echo-udp")
    channel = browser.send("GET", "/api/events")
    told(channel)
    echo.say(b"a\\\n\xff\xe2\x80\xae<b>")
    echo.say(b"second")
    assert told(channel) == []
    browser.clock.advance(FLUSH)
    first, second = told(channel)
    assert first == (
        "received",
        {
            "at": 0,
            "service": "echo-udp",
            "transport": "udp",
            "connection": "127.0.0.1:5",
            "peer": "127.0.0.1:5",
            "local": "127.0.0.1:7007",
            "size": 11 - 1,
            "preview": r"a\\\n\xff\u202e<b>",
            "hex": "61 5c 0a ff e2 80 ae 3c 62 3e",
            "reason": "",
        },
    )
    assert second.data["preview"] == "second"


def test_counts_come_each_second_when_they_changed(browser: Browser) -> None:
    """Of services that did nothing there is nothing to say; the event comes all the same."""
    channel = browser.send("GET", "/api/events")
    told(channel)
    browser.clock.advance(TICK)
    assert told(channel) == [("counters", {"at": 1, "services": {}})]
    browser.echod.services["echo-udp"].tally.received_bytes += 7
    browser.clock.advance(TICK)
    ((_, data),) = told(channel)
    assert {name: counts["received_bytes"] for name, counts in data["services"].items()} == {"echo-udp": 7}


def test_one_service_alone(browser: Browser) -> None:
    """Or several, by their names; also what is yet to be made."""
    echo, hello = Watched(browser, "echo-udp"), Watched(browser, "hello-tcp")
    channel = browser.send("GET", "/api/events?service=echo-udp&service=later")
    assert told(channel)[1].data["services"].keys() == {"echo-udp"}
    assert hello.sink is None
    echo.say()
    Watched(browser, "later").say()
    browser.echod.services["hello-tcp"].tally.open += 1
    browser.clock.advance(TICK)
    assert [(each.kind, each.data.get("service")) for each in told(channel)] == [
        ("received", "echo-udp"),
        ("received", "later"),
        ("counters", None),
    ]


def test_another_configuration_is_told(browser: Browser) -> None:
    """At once when it was changed here, and within a second when it was not."""
    channel = browser.send("GET", "/api/events")
    told(channel)
    browser("POST", "/api/services", NEW)
    assert told(channel) == [("changed", {"loaded_at": 1001.0, "added": ["new"], "changed": [], "removed": []})]
    browser.main.write_text(MAIN.replace("reply: hi", "reply: ho").replace("echo-udp", "renamed"))
    browser.echod.reload()
    browser.clock.advance(TICK)
    changed, counters = told(channel)
    assert changed == (
        "changed",
        {"loaded_at": 1002.0, "added": ["renamed"], "changed": ["hello-tcp"], "removed": ["echo-udp"]},
    )
    assert counters.data["services"].keys() == {"new", "renamed"}
    browser.main.write_text("")
    browser("POST", "/api/reload")
    assert told(channel) == []


def test_who_does_not_read_costs_bounded_memory(browser: Browser) -> None:
    """What finds no room is counted, and that is told."""
    echo = Watched(browser, "echo-udp")
    channel = browser.send("GET", "/api/events")
    told(channel)
    channel.protocol.pauseProducing()
    for _ in range(MOST_QUEUED + 500):
        echo.say()
    browser.echod.services["hello-tcp"].tally.open = 9
    browser.clock.pump([TICK] * 3)
    assert channel.value() == b""
    channel.protocol.resumeProducing()
    browser.clock.advance(TICK)
    events = told(channel)
    assert [each.kind for each in events].count("received") == MOST_QUEUED
    (sampled,) = [each.data for each in events if each.kind == "sampled"]
    assert (sampled["service"], sampled["count"]) == (None, 500)
    # What was counted meanwhile is not lost.
    (counters,) = [each.data for each in events if each.kind == "counters"]
    assert counters["services"]["hello-tcp"]["open"] == 9


def test_a_pause_in_the_middle(browser: Browser) -> None:
    """What was not written yet comes later, once, and in order."""
    echo = Watched(browser, "echo-udp")
    channel = browser.send("GET", "/api/events")
    told(channel)
    write = channel.writeSequence

    def write_and_fill(data: Iterable[bytes]) -> None:
        write(data)
        channel.protocol.pauseProducing()

    channel.writeSequence = write_and_fill  # type: ignore[method-assign]
    for number in range(250):
        echo.say(b"%d" % number)
    browser.clock.advance(FLUSH)
    got = told(channel)
    assert len(got) == 100
    for _ in range(2):
        channel.protocol.resumeProducing()
        browser.clock.advance(0)
        got += told(channel)
    assert [each.data["preview"] for each in got] == [str(number) for number in range(250)]


def test_who_never_reads_is_let_go(browser: Browser) -> None:
    """Its place may be somebody's who does."""
    channel = browser.send("GET", "/api/events")
    channel.protocol.pauseProducing()
    browser.clock.pump([TICK] * int(STALL - 1))
    assert not channel.aborted
    browser.clock.pump([TICK] * 2)
    assert channel.aborted
    assert browser.clock.getDelayedCalls() == []


def test_streams_are_limited(browser: Browser) -> None:
    """One too many is told to come again; when one ends, there is room."""
    channels = [browser.send("GET", "/api/events") for _ in range(MOST_STREAMS)]
    reply = browser("GET", "/api/events")
    assert (reply.status, reply.headers["Retry-After"]) == (429, "5")
    channels[3].loseConnection()
    assert kinds(browser.send("GET", "/api/events")) == ["hello", "counters"]
    assert browser("GET", "/api/events").status == 429


def test_nobody_watching_costs_nothing(browser: Browser) -> None:
    """When the last stream ends, nothing is told and no clock ticks."""
    echo = Watched(browser, "echo-udp")
    channel = browser.send("GET", "/api/events")
    assert echo.sink is not None
    echo.say()
    channel.loseConnection()
    assert echo.sink is None
    assert browser.clock.getDelayedCalls() == []


def test_a_stop_ends_streams(browser: Browser) -> None:
    """With a proper end, which a browser takes for one."""
    channel = browser.send("GET", "/api/events")
    browser.console.close()
    assert channel.value().endswith(b"\r\n0\r\n\r\n")
    channel.clear()
    assert reply_in(browser.send("GET", "/api/services", channel=channel).value()).status == 200


def test_another_token_ends_streams(tmp_path: Path) -> None:
    """Who opened one with the old token has no business here any more."""
    (tmp_path / "token").write_text("0123456789abcdef")
    browser = Browser(tmp_path, f"{MAIN}  token_file: token\n")
    channel = browser.send("GET", "/api/events", headers={"Authorization": "Bearer 0123456789abcdef"})
    browser("POST", "/api/reload", Authorization="Bearer 0123456789abcdef")
    assert kinds(channel) == ["hello", "counters", "changed"]
    (tmp_path / "token").write_text("fedcba9876543210")
    browser.echod.reload()
    browser.clock.advance(TICK)
    assert channel.value().endswith(b"0\r\n\r\n")
    assert b"event" not in channel.value()
    channel.loseConnection()


def test_a_flood_is_sampled_and_says_so(browser: Browser) -> None:
    """By the hub, before anything is made of it."""
    echo = Watched(browser, "echo-udp")
    channel = browser.send("GET", "/api/events")
    told(channel)
    assert echo.sink is not None
    for _ in range(5_000):
        if echo.sink.room():
            echo.say()
    browser.clock.pump([TICK, FLUSH])
    events = told(channel)
    shown = sum(each.kind == "received" for each in events)
    (sampled,) = [each.data for each in events if each.kind == "sampled"]
    assert 0 < shown <= BURST
    assert (sampled["service"], sampled["count"] + shown) == ("echo-udp", 5_000)


def test_only_the_headers(browser: Browser) -> None:
    """HEAD opens nothing."""
    channel = browser.send("HEAD", "/api/events")
    reply = reply_in(channel.value(), "HEAD")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
    channel.loseConnection()
    assert browser.clock.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"hello", "hello"),
        ("你好 é".encode(), "你好 é"),
        (b"\x00\r\n\t\x1b[31m", r"\x00\r\n\t\x1b[31m"),
        (b"\\n", r"\\n"),
        (b"\xff\x85\xc3", r"\xff\x85\xc3"),
        ("\x85".encode(), r"\u0085"),
        ("\u2028\u202e\ufeff".encode(), r"\u2028\u202e\ufeff"),
        (b"<script>", "<script>"),
    ],
)
def test_previews(data: bytes, text: str) -> None:
    """What prints is as it is; the rest, and a backslash, is escaped."""
    assert escaped(data) == text


@given(st.binary(max_size=3), st.binary(max_size=3))
def test_previews_print_and_differ(one: bytes, other: bytes) -> None:
    """No two messages look the same."""
    assert escaped(one).isprintable()
    assert (escaped(one) == escaped(other)) is (one == other)
