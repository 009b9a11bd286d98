"""Who may ask: pages of other sites may not, and elsewhere nobody without the token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from twisted.internet.interfaces import ISSLTransport
from twisted.logger import ILogObserver, globalLogPublisher
from zope.interface import directlyProvides, implementer

from echod.config import ConfigError
from echod.console.guarding import token_in
from tests.console.consoles import MAIN, NEW, Browser, reply_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from twisted.logger import LogEvent

TOKEN = "0123456789abcdef"
REMOTE = MAIN.replace("tcp:8007:interface=127.0.0.1", "ssl:8007:privateKey=key.pem\n  token_file: token")
LOCKED = f"{MAIN}  token_file: token\n"
EVERYTHING = ("/", "/api/services", "/api/openapi.json", "/metrics", "/healthz", "/nothing")


def with_token(folder: Path, main: str, token: str = TOKEN) -> Browser:
    """Return a browser of a console whose file names a token."""
    (folder / "token").write_text(f"{token}\n")
    (folder / "token").chmod(0o600)
    return Browser(folder, main)


def asked(browser: Browser, path: str, headers: Mapping[str, str], method: str = "GET") -> int:
    """Ask over TLS where the console needs it, and return the status."""
    channel = browser.connect()
    if "ssl:" in browser.main.read_text():
        directlyProvides(channel, ISSLTransport)
    return reply_in(browser.send(method, path, None, headers, channel).value(), method).status


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8007", "127.0.0.1:8007", "[::1]:8007", "localhost:9000"])
def test_the_names_of_this_host(browser: Browser, host: str) -> None:
    """With any port: who comes through a tunnel has another."""
    assert asked(browser, "/api/services", {"Host": host}) == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:8007",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "localhost@evil",
        "10.0.0.1",
        "a b",
    ],
)
@pytest.mark.parametrize("path", EVERYTHING)
def test_names_that_were_bent_to_this_host(browser: Browser, host: str, path: str) -> None:
    """DNS rebinding: the browser thinks that it talks to the page's own server, and says its name."""
    assert asked(browser, path, {"Host": host}) == 403


def test_two_names_are_none(browser: Browser) -> None:
    """A proxy in between may have looked at the other."""
    channel = browser.connect()
    channel.protocol.dataReceived(b"GET /api/services HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
    assert reply_in(channel.value()).status == 403


def test_another_address_of_loopback_is_a_name(tmp_path: Path) -> None:
    """If that is where it listens."""
    browser = Browser(tmp_path, MAIN.replace("8007:interface=127.0.0.1", "8007:interface=127.0.0.2"))
    assert asked(browser, "/api/services", {"Host": "127.0.0.2:8007"}) == 200
    assert asked(browser, "/api/services", {"Host": "127.0.0.3:8007"}) == 403


def test_a_unix_socket_is_for_this_host(tmp_path: Path) -> None:
    """Programs say localhost there, as they must say something."""
    browser = Browser(tmp_path, MAIN.replace("tcp:8007:interface=127.0.0.1", "unix:/run/echod.sock"))
    assert asked(browser, "/api/services", {"Host": "localhost"}) == 200
    assert asked(browser, "/api/services", {"Host": "evil.example"}) == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://localhost:8007"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "http://localhost"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost:8007"},
    ],
)
def test_pages_of_other_sites(browser: Browser, headers: dict[str, str]) -> None:
    """They may not use the interface, whatever they send; the page itself may be linked to."""
    for method, path in (
        ("GET", "/api/services"),
        ("POST", "/api/reload"),
        ("GET", "/metrics"),
        ("DELETE", "/api/services/x"),
    ):
        assert asked(browser, path, headers, method) == 403
    assert browser.echod.reloads["success"] == 0
    assert asked(browser, "/", headers) == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://localhost:8007", "Sec-Fetch-Site": "same-origin"},
        {"Host": "127.0.0.1:9000", "Origin": "http://127.0.0.1:9000"},
        {"Sec-Fetch-Site": "none"},
        {},
    ],
)
def test_our_own_page_and_programs(browser: Browser, headers: dict[str, str]) -> None:
    """Programs send neither header."""
    assert asked(browser, "/api/reload", headers, "POST") == 200


@pytest.mark.parametrize("main", [REMOTE, LOCKED], ids=["elsewhere", "on loopback"])
def test_the_token(tmp_path: Path, main: str) -> None:
    """Where one is named it is needed, but for the page, which asks for it, and for health."""
    browser = with_token(tmp_path, main)
    right = {"Authorization": f"Bearer {TOKEN}"}
    for path in ("/api/services", "/api/openapi.json", "/api/events", "/api/nothing", "/metrics"):
        assert asked(browser, path, {}) == 401
        for wrong in (
            "Bearer",
            f"Bearer {TOKEN}x",
            f"Bearer {TOKEN[:-1]}",
            f"Basic {TOKEN}",
            TOKEN,
            "Bearer \xff",
            f"Bearer x{TOKEN}",
        ):
            assert asked(browser, path, {"Authorization": wrong}) == 401
    assert asked(browser, "/api/services", right) == 200
    assert asked(browser, "/api/services", {"Authorization": f"bearer  {TOKEN}"}) == 200
    assert asked(browser, "/metrics", right) == 200
    for path in ("/", "/healthz", "/readyz"):
        assert asked(browser, path, {}) == 200
    assert asked(browser, "/api/services", {**right, "Origin": "https://evil.example"}) == 403


def test_how_a_token_is_asked_for(tmp_path: Path) -> None:
    """As RFC 6750 has it; a wrong one is told from none."""
    browser = with_token(tmp_path, LOCKED)
    none = browser("GET", "/api/services")
    assert none.headers["WWW-Authenticate"] == 'Bearer realm="echod"'
    wrong = browser("GET", "/api/services", Authorization="Bearer x")
    assert wrong.headers["WWW-Authenticate"] == 'Bearer realm="echod", error="invalid_token"'
    assert "POST" not in none.json["detail"]


def test_elsewhere_any_name_leads_to_it(tmp_path: Path) -> None:
    """The token protects it; but the origin must be what is asked."""
    browser = with_token(tmp_path, REMOTE)
    right = {"Authorization": f"Bearer {TOKEN}", "Host": "console.example"}
    assert asked(browser, "/api/services", right) == 200
    assert asked(browser, "/api/services", {**right, "Origin": "https://console.example"}) == 200
    assert asked(browser, "/api/services", {**right, "Origin": "http://console.example"}) == 403


def test_a_new_token_comes_into_force_with_its_configuration(tmp_path: Path) -> None:
    """Also for connections that are open; and not before, nor when the reload fails."""
    browser = with_token(tmp_path, LOCKED)
    old, new = ({"Authorization": f"Bearer {token}"} for token in (TOKEN, TOKEN[::-1]))
    kept = browser.connect()

    def status(headers: Mapping[str, str]) -> int:
        kept.clear()
        return reply_in(browser.send("GET", "/api/services", None, headers, kept).value()).status

    assert status(old) == 200
    (tmp_path / "token").write_text(TOKEN[::-1])
    assert (status(old), status(new)) == (200, 401)
    browser.main.write_text(LOCKED.replace("protocol: echo", "protocol: ecko"))
    assert browser("POST", "/api/reload", Authorization=old["Authorization"]).status == 422
    assert (status(old), status(new)) == (200, 401)
    browser.echod.busy.add("udp:7007:interface=127.0.0.1")
    browser.main.write_text(LOCKED)
    assert browser("POST", "/api/reload", Authorization=old["Authorization"]).status == 409
    assert (status(old), status(new)) == (200, 401)
    browser.echod.busy.clear()
    assert browser("POST", "/api/reload", Authorization=old["Authorization"]).status == 200
    assert (status(old), status(new)) == (401, 200)


def test_a_console_that_is_gone(browser: Browser) -> None:
    """Who is still connected to it is told."""
    kept = browser.connect()
    browser.main.write_text(MAIN[: MAIN.index("console:")])
    assert browser("POST", "/api/reload").status == 200
    assert reply_in(browser.send("GET", "/api/services", channel=kept).value()).status == 503


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"0123456789abcde\n", "15 characters"),
        (b"two words of a token\n", "one word"),
        ("0123456789abcdeé\n".encode(), "ASCII"),
        (b"x" * 5_000, "4,096 bytes"),
        (None, "cannot be read"),
    ],
)
def test_tokens_that_are_none(tmp_path: Path, raw: bytes | None, word: str) -> None:
    """The daemon does not start, or the reload fails: a console must not be open by mistake."""
    if raw is not None:
        (tmp_path / "token").write_bytes(raw)
    with pytest.raises(ConfigError) as caught:
        Browser(tmp_path, LOCKED)
    (problem,) = caught.value.problems
    assert (problem.file, problem.path) == (str(tmp_path / "token"), "console.token_file")
    assert word in problem.message


@pytest.mark.parametrize(("mode", "warnings"), [(0o600, 0), (0o640, 0), (0o644, 1)])
def test_a_token_that_everyone_may_read(tmp_path: Path, mode: int, warnings: int) -> None:
    """It is used, and the log says so."""
    (tmp_path / "token").write_text(f" {TOKEN}\r\n")
    (tmp_path / "token").chmod(mode)
    logged: list[LogEvent] = []

    @implementer(ILogObserver)
    class Observer:
        def __call__(self, event: LogEvent) -> None:
            logged.append(event)

    observer = Observer()
    globalLogPublisher.addObserver(observer)
    try:
        assert token_in(tmp_path / "token") == TOKEN.encode()
    finally:
        globalLogPublisher.removeObserver(observer)
    assert len(logged) == warnings


def test_a_refused_request_does_nothing(browser: Browser) -> None:
    """Whatever it brings."""
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        assert browser.send("POST", "/api/services", NEW, headers).value().startswith(b"HTTP/1.1 403 ")
    assert not browser.kept.exists()
