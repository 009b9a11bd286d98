"""A site that stays small: how many, how long, how large; and that all else is plain HTTP."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import ILogObserver, globalLogPublisher
from twisted.python.failure import Failure
from twisted.web.server import NOT_DONE_YET
from zope.interface import provider

from echod.tally import TRACEBACKS
from echod.web import BoundedSite, Plain, Sentence, send
from echod.web_channel import FIRST, HEADERS, IDLE, LEAVE, LINE, LINGER, REQUEST
from tests.browsing import Browser, Turns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twisted.logger import LogEvent

GET = b"GET /here HTTP/1.1\r\nHost: x\r\n\r\n"


class Echo(Plain):
    """Sends a body back."""

    def render_POST(self, request: Any) -> bytes:
        """Read it all."""
        return bytes(request.content.read())


class Broken(Plain):
    """Fails, with what it was sent in the exception; `late` after it has begun to answer."""

    def __init__(self, *, late: bool = False) -> None:
        super().__init__()
        self._late = late

    def render_GET(self, request: Any) -> bytes:
        """Fail."""
        if self._late:
            request.write(b"a beginning")
        raise ValueError("\x1b[31m" + request.args.get(b"q", [b""])[0].decode("latin-1"))


class Waiting(Plain):
    """Answers when the test does."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Any] = []

    def render_GET(self, request: Any) -> int:
        """Keep it."""
        self.requests.append(request)
        return NOT_DONE_YET


class World:
    """A site with its clock, and connections to it."""

    def __init__(self, **limits: int) -> None:
        self.clock = Turns()
        self.waiting = Waiting()
        root = Plain()
        root.putChild(b"here", Sentence(lambda: (HTTPStatus.OK, "hello")))
        root.putChild(b"gone", Sentence(lambda: (HTTPStatus.SERVICE_UNAVAILABLE, "not now")))
        root.putChild(b"echo", Echo())
        root.putChild(b"broken", Broken())
        root.putChild(b"breaks", Broken(late=True))
        root.putChild(b"waits", self.waiting)
        self.site = BoundedSite(root, self.clock, **limits)
        self.browsers: list[Browser] = []

    def browser(self) -> Browser:
        """Connect."""
        self.browsers.append(Browser(self.site))
        return self.browsers[-1]

    def close(self) -> None:
        """End every connection: then no timer may be left."""
        for browser in self.browsers:
            browser.gone()
        assert not self.clock.getDelayedCalls()
        assert self.site.connections == 0


@pytest.fixture
def world() -> Iterator[World]:
    """Give a site, of which nothing may be left."""
    made = World()
    yield made
    made.close()


@pytest.fixture
def logged() -> Iterator[list[LogEvent]]:
    """Give what is logged meanwhile."""
    events: list[LogEvent] = []

    @provider(ILogObserver)
    def note(event: LogEvent) -> None:
        events.append(event)

    globalLogPublisher.addObserver(note)
    yield events
    globalLogPublisher.removeObserver(note)


def test_a_page(world: World) -> None:
    """Text, with its length, not to be kept by anybody, and without a word about the server."""
    answer = world.browser().get("/here")
    assert (answer.status, answer.text) == (200, "hello\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "server" not in answer.headers
    assert "date" in answer.headers


def test_only_its_headers(world: World) -> None:
    """HEAD gives those of GET, the length too, and no body; for pages that are not there as well."""
    browser = world.browser()
    for path in ("/here", "/gone", "/nowhere"):
        answer = browser.get(path)
        head = browser.get(path, "HEAD")
        assert (head.status, head.headers, head.body) == (answer.status, answer.headers, b"")


@pytest.mark.parametrize("path", ["/", "/nowhere", "/here/", "/here/more", "/%00", "/here%2f", "//", "/.."])
def test_no_page(world: World, path: str) -> None:
    """404 in a sentence, whatever the method, and the path is not repeated."""
    for method in ("GET", "POST", "FOO"):
        answer = world.browser().get(path, method)
        assert (answer.status, answer.text) == (404, "Nothing is served under this path.\n")


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", "get", "FOO", "CONNECT"])
def test_wrong_method(world: World, method: str) -> None:
    """405 says what is right, for machines and for people."""
    answer = world.browser().get("/here", method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert answer.text == "The method must be one of GET, HEAD.\n"


def test_several_requests_on_a_connection(world: World) -> None:
    """A connection is kept, unless the client wants it otherwise."""
    browser = world.browser()
    assert [browser.get("/here").status for _ in range(3)] == [200] * 3
    assert not browser.closing
    answer = browser.get("/here", headers="Connection: close\r\n")
    assert answer.headers["connection"] == "close"
    assert browser.closing


def test_an_old_browser(world: World) -> None:
    """HTTP/1.0 has one request on a connection."""
    browser = world.browser()
    browser.send(b"GET /here HTTP/1.0\r\n\r\n")
    assert [answer.text for answer in browser.answers()] == ["hello\n"]
    assert browser.closing


# --- how long ----------------------------------------------------------------------------------------------------


def test_says_nothing(world: World) -> None:
    """Who connects and says nothing is let go."""
    browser = world.browser()
    world.clock.advance(FIRST - 0.1)
    assert not browser.closing
    world.clock.advance(0.1)
    assert browser.closing
    world.clock.advance(LEAVE)
    assert browser.cut


def test_trickles(world: World) -> None:
    """Slowloris: a byte now and then keeps no connection."""
    browser = world.browser()
    for byte in b"GET /here HTTP/1.1\r\nX-A: b\r\n" * 10:
        browser.send(bytes([byte]))
        world.clock.advance(1)
        if browser.closing:
            break
    assert world.clock.seconds() == REQUEST + LINGER
    (answer,) = browser.answers()
    assert (answer.status, answer.headers["connection"]) == (408, "close")


def test_trickles_a_body(world: World) -> None:
    """The body is a part of the request."""
    browser = world.browser()
    browser.send(b"POST /echo HTTP/1.1\r\nContent-Length: 100\r\n\r\n")
    for _ in range(int(REQUEST)):
        browser.send(b"x")
        world.clock.advance(1)
    assert [answer.status for answer in browser.answers()] == [408]


def test_is_idle(world: World) -> None:
    """A connection is kept as long as Prometheus may need from one time to the next."""
    browser = world.browser()
    for _ in range(3):
        browser.get("/here")
        world.clock.advance(IDLE - 0.1)
        assert not browser.closing
    world.clock.advance(0.1)
    assert browser.closing
    browser.send(GET)
    world.clock.advance(LEAVE)
    assert browser.cut
    assert browser.transport.value() == b""


def test_the_deadline_is_each_requests_own(world: World) -> None:
    """Slow requests, each in time, may follow one another."""
    browser = world.browser()
    for _ in range(3):
        browser.send(GET[:10])
        world.clock.advance(REQUEST - 0.1)
        browser.send(GET[10:])
        assert [answer.status for answer in browser.answers()] == [200]


def test_an_answer_takes_as_long_as_it_takes(world: World) -> None:
    """No deadline runs while we are at work."""
    browser = world.browser()
    browser.send(b"GET /waits HTTP/1.1\r\n\r\n")
    world.clock.advance(1000)
    assert not browser.closing
    send(world.waiting.requests[0], b"at last")
    assert [answer.text for answer in browser.answers()] == ["at last"]
    world.clock.advance(IDLE)
    assert browser.closing


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_does_not_read_the_answer(world: World, version: bytes) -> None:
    """An answer that nobody takes is not kept, even if the client said that it was the last."""
    browser = world.browser()
    browser.send(b"GET /here HTTP/%b\r\nConnection: close\r\n\r\n" % version)
    assert browser.closing
    world.clock.advance(LEAVE - 0.1)
    assert not browser.cut
    world.clock.advance(0.1)
    assert browser.cut


# --- how much ----------------------------------------------------------------------------------------------------


def test_a_long_line(world: World) -> None:
    """A line may be as long as the limit, whole or in pieces."""
    fits = b"GET /here?" + b"x" * (LINE - 19) + b" HTTP/1.1\r\n\r\n"
    browser = world.browser()
    browser.send(fits)
    assert [answer.status for answer in browser.answers()] == [200]
    browser.send(fits.replace(b"x", b"xx", 1))
    assert [answer.status for answer in browser.answers()] == [431]
    for piece in (b"GET /" + b"x" * LINE, b"x", b"\r\n\r\n"):
        other = world.browser()
        other.send(b"GET /" + b"x" * LINE)
        other.send(piece)
        assert [answer.status for answer in other.answers()] == [431]


def test_many_headers(world: World) -> None:
    """Together they may have so many bytes, and be so many."""
    for header, count in ((b"X: " + b"y" * 1000, HEADERS // 1000), (b"X: y", 100)):
        browser = world.browser()
        browser.send(b"GET /here HTTP/1.1\r\n" + (header + b"\r\n") * (count - 1) + b"\r\n")
        assert [answer.status for answer in browser.answers()] == [200]
        browser.send(b"GET /here HTTP/1.1\r\n" + (header + b"\r\n") * (count + 2) + b"\r\n")
        assert [answer.status for answer in browser.answers()] == [400]
        assert browser.closing


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_a_body(world: World, size: int) -> None:
    """It is given back whole, however it comes."""
    body = b"x" * size
    browser = world.browser()
    assert browser.get("/echo", "POST", f"Content-Length: {size}\r\n", body).body == body
    chunked = b"".join([b"%x\r\n%b\r\n" % (1, body[at : at + 1]) for at in range(size)]) + b"0\r\n\r\n"
    assert browser.get("/echo", "POST", "Transfer-Encoding: chunked\r\n", chunked).body == body


def test_a_large_body() -> None:
    """One byte more than may be is refused: before it comes, if it is announced."""
    world = World(body=1000)
    browser = world.browser()
    assert browser.get("/echo", "POST", "Content-Length: 1000\r\n", b"x" * 1000).body == b"x" * 1000
    answer = browser.get("/echo", "POST", "Content-Length: 1001\r\nExpect: 100-continue\r\n")
    assert (answer.status, answer.text) == (413, "The body of a request may have at most 1000 bytes.\n")
    chunked = world.browser()
    chunked.send(b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" + b"x" * 1000 + b"\r\n")
    assert chunked.answers() == []
    chunked.send(b"1\r\nx\r\n0\r\n\r\n" + GET)
    assert [answer.status for answer in chunked.answers()] == [413]
    world.close()


def test_what_is_refused_is_over(world: World) -> None:
    """The answer can be read, what still comes is thrown away, and then the connection ends."""
    browser = world.browser()
    browser.send(b"POST /echo HTTP/1.1\r\nContent-Length: 99999999\r\n\r\nxxx" + GET)
    assert [answer.status for answer in browser.answers()] == [413]
    browser.send(b"x" * 100_000 + GET)
    assert not browser.closing
    world.clock.advance(LINGER)
    assert browser.transport.disconnecting
    browser.send(GET)
    world.clock.advance(LEAVE)
    assert browser.cut
    assert browser.answers() == []


def test_a_length_of_many_digits(world: World, logged: list[LogEvent]) -> None:
    """Python makes no integers of such lengths, which is no reason for a traceback in the log."""
    browser = world.browser()
    browser.send(b"POST /echo HTTP/1.1\r\nContent-Length: " + b"9" * 6000 + b"\r\nX: y\r\n\r\n" + GET)
    assert [answer.status for answer in browser.answers()] == [413]
    assert logged == []


@given(st.lists(st.binary(max_size=60) | st.sampled_from([GET, b"\r\n", b"POST /echo HTTP/1.1\r\n", b"X: y\r\n"])))
def test_garbage(pieces: list[bytes]) -> None:
    """Whatever comes, there is an answer or none, nothing is logged but by us, and nothing is left."""
    world = World()
    browser = world.browser()
    for piece in pieces:
        browser.send(piece)
        world.clock.advance(0)
    assert all(200 <= answer.status < 500 for answer in browser.answers())
    for seconds in (IDLE, LINGER, LEAVE):
        world.clock.advance(seconds)
    assert browser.cut
    assert world.site.failures == 0
    world.close()


# --- how many ----------------------------------------------------------------------------------------------------


def test_full() -> None:
    """A new connection takes the place of the one that has waited longest."""
    world = World(most=3)
    first, second, third = (world.browser() for _ in range(3))
    first.get("/here")
    world.browser()
    assert [each.cut for each in (first, second, third)] == [False, True, False]
    assert world.site.connections == 3
    world.browser()
    assert [each.cut for each in (first, second, third)] == [False, True, True]
    world.close()


def test_full_of_work() -> None:
    """Nobody is let in while every connection is being answered, and none of them is cut."""
    world = World(most=2)
    busy = [world.browser() for _ in range(2)]
    for browser in busy:
        browser.send(b"GET /waits HTTP/1.1\r\n\r\n")
    assert world.site.buildProtocol(None) is None
    send(world.waiting.requests[0], b"")
    world.browser()
    assert [browser.cut for browser in busy] == [True, False]
    world.close()


def test_sent_all_at_once(world: World) -> None:
    """Requests that nobody waited with are answered in order, one in a turn of the reactor."""
    browser = world.browser()
    browser.send(GET * 100 + GET[:-1])
    for count in range(100):
        assert len(browser.answers()) == 1, count
        world.clock.turn()
    assert browser.answers() == []
    browser.send(GET[-1:] + GET[:-1])
    assert len(browser.answers()) == 1
    world.clock.turn()
    world.clock.advance(REQUEST)
    assert [answer.status for answer in browser.answers()] == [408]


def test_sent_while_we_are_at_work(world: World) -> None:
    """What comes meanwhile waits, in order."""
    browser = world.browser()
    browser.send(b"GET /waits HTTP/1.1\r\n\r\nGET /he")
    browser.send(b"re HTTP/1.1\r\n\r\nGET /gone HTTP/1.1\r\n\r\n")
    assert browser.answers() == []
    send(world.waiting.requests[0], b"at last")
    world.clock.pump([0] * 5)
    assert [answer.status for answer in browser.answers()] == [200, 200, 503]


def test_sent_between_two_turns(world: World) -> None:
    """What comes while the next request waits for its turn comes after it."""
    browser = world.browser()
    browser.send(GET + b"GET /go")
    browser.send(b"ne HTTP/1.1\r\n\r\n")
    browser.send(GET)
    world.clock.pump([0] * 5)
    assert [answer.status for answer in browser.answers()] == [200, 503, 200]


# --- what is said of it ------------------------------------------------------------------------------------------


def test_requests_are_not_logged(world: World, logged: list[LogEvent]) -> None:
    """Whoever asks, or times out, writes nothing into the log."""
    browser = world.browser()
    browser.get("/here")
    browser.get("/here", "HEAD")
    browser.get("/nowhere", "FOO")
    world.browser().send(b"\r\n\r\nrubbish\r\n\r\n")
    world.clock.advance(IDLE)
    world.clock.advance(LEAVE)
    assert browser.cut
    world.site.doStart()
    world.site.doStop()
    assert logged == []


def test_faults_of_ours(world: World, logged: list[LogEvent], logged_failures: list[Failure]) -> None:
    """The client learns that we failed, the log learns how, a few times, with nothing raw in it."""
    for count in range(TRACEBACKS + 5):
        answer = world.browser().get(f"/broken?q={count}%1b")
        assert (answer.status, answer.text) == (500, "This request failed by a fault of echod's own.\n")
    assert world.site.failures == TRACEBACKS + 5
    assert len(logged_failures) == len(logged) == TRACEBACKS
    assert all("\x1b" not in failure.getTraceback() for failure in logged_failures)
    assert "ValueError" in logged_failures[0].getTraceback()
    logged_failures.clear()


def test_a_fault_in_the_middle(world: World, logged_failures: list[Failure]) -> None:
    """Half an answer must not look like a whole one."""
    browser = world.browser()
    browser.send(b"GET /breaks HTTP/1.1\r\n\r\n")
    assert browser.cut
    assert len(logged_failures) == 1
    logged_failures.clear()


def test_a_fault_after_the_client_has_left(world: World, logged_failures: list[Failure]) -> None:
    """There is nobody to tell."""
    browser = world.browser()
    browser.send(b"GET /waits HTTP/1.1\r\n\r\n")
    browser.gone()
    world.browsers.remove(browser)
    world.waiting.requests[0].processingFailed(Failure(ValueError()))
    assert len(logged_failures) == 1
    logged_failures.clear()


def test_a_fault_of_the_server_itself(world: World, logged_failures: list[Failure]) -> None:
    """It costs the connection, not the daemon."""
    browser = world.browser()
    world.site.answers = None  # type: ignore[assignment,method-assign]
    browser.send(GET)
    assert browser.cut
    assert len(logged_failures) == 1
    logged_failures.clear()


def test_no_other_protocol(world: World) -> None:
    """TLS clients are offered HTTP/1.1 only: what bounds it does not bound HTTP/2."""
    assert world.site.acceptableProtocols() == [b"http/1.1"]
