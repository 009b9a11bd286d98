"""Changes: one at a time, each wholly or not at all, and nobody's work is overwritten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from twisted.internet.defer import Deferred

from echod.console.changes import MOST_WAITING
from echod.console.store import Store
from echod.service import StoppingError
from tests.console.consoles import MAIN, NEW, Browser, reply_in

if TYPE_CHECKING:
    from pathlib import Path

CHANGED = {"listen": "tcp:7778:interface=127.0.0.1", "protocol": "echo"}


def files(browser: Browser) -> dict[str, bytes]:
    """Return what is in the console's directory."""
    return {each.name: each.read_bytes() for each in browser.kept.iterdir()} if browser.kept.exists() else {}


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (StoppingError("the daemon is stopping"), 503),
        (TimeoutError("a plugin did not listen"), 503),
        (OSError("odd"), 500),
    ],
)
def test_what_fails_changes_nothing(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, problem: Exception, status: int
) -> None:
    """Neither what is served nor any file."""
    browser("POST", "/api/services", NEW)
    before = files(browser)

    def fails() -> None:
        raise problem

    monkeypatch.setattr(browser.site, "failed", lambda _: None)
    browser.echod.before = fails
    assert browser("PUT", "/api/services/new", CHANGED, If_Match="*").status == status
    assert browser("POST", "/api/services", {**NEW, "name": "other", **CHANGED}).status == status
    assert browser("DELETE", "/api/services/new").status == status
    assert files(browser) == before
    assert browser.echod.config.services.keys() == {"hello-tcp", "echo-udp", "new"}


def test_the_file_changes_in_the_moment_in_which_all_changes(browser: Browser) -> None:
    """Before, it is as it was, for a daemon that is killed now and started again."""
    seen: list[dict[str, bytes]] = []
    browser.echod.before = lambda: seen.append(files(browser))
    browser("POST", "/api/services", NEW)
    first = files(browser)
    browser("PUT", "/api/services/new", CHANGED, If_Match="*")
    second = files(browser)
    browser("DELETE", "/api/services/new")
    assert [each.get("new.yaml") for each in seen] == [None, first["new.yaml"], second["new.yaml"]]
    assert [sorted(each) for each in seen] == [[".new.yaml.new"], [".new.yaml.new", "new.yaml"], ["new.yaml"]]
    assert sorted(first) == sorted(second) == ["new.yaml"]
    assert first != second
    assert files(browser) == {}


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_what_was_edited_by_hand_is_not_overwritten(browser: Browser, method: str, *, late: bool) -> None:
    """Be it before the change was asked for, or while it is made ready."""
    browser("POST", "/api/services", NEW)
    etag = browser.etag("new")
    file = browser.kept / "new.yaml"
    edited = file.read_text().replace("7777", "7779")
    if late:
        browser.echod.before = lambda: file.write_text(edited)
    else:
        file.write_text(edited)
    reply = browser(method, "/api/services/new", CHANGED if method == "PUT" else None, If_Match=etag)
    assert reply.status == 409
    assert "changed by hand since it was loaded" in reply.json["detail"]
    assert (file.read_text(), sorted(files(browser))) == (edited, ["new.yaml"])
    browser.echod.before = lambda: None
    browser("POST", "/api/reload")
    assert browser("GET", "/api/services/new").json["settings"]["listen"] == "tcp:7779:interface=127.0.0.1"
    assert browser(method, "/api/services/new", CHANGED, If_Match=etag).status == 412


@pytest.mark.parametrize("what", ["file", "directory", "link"])
def test_a_file_that_is_in_the_way_stays(browser: Browser, what: str) -> None:
    """It may be one that somebody has just put there, and not loaded yet."""
    browser.kept.mkdir()
    file = browser.kept / "new.yaml"
    if what == "file":
        file.write_text("services: {}")
    elif what == "directory":
        file.mkdir()
    else:
        file.symlink_to("/nowhere")
    reply = browser("POST", "/api/services", NEW)
    assert reply.status == 409
    assert [each.name for each in browser.kept.iterdir()] == ["new.yaml"]


def test_a_directory_that_cannot_be_had(tmp_path: Path) -> None:
    """It is said, with its name."""
    browser = Browser(tmp_path, MAIN + "  directory: not/here\n")
    reply = browser("POST", "/api/services", NEW)
    assert reply.status == 409
    assert reply.json["detail"].endswith("not/here cannot be written to: No such file or directory")


def test_a_disk_that_does_not_confirm(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """The change is in force, and who asked for it is told what is doubtful."""

    def broken(_: Store) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Store, "sync", broken)
    reply = browser("POST", "/api/services", NEW)
    assert (reply.status, "in force" in reply.json["detail"]) == (500, True)
    assert "new" in browser.echod.services


def test_a_disk_that_is_full(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is changed."""

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Store, "put", full)
    reply = browser("POST", "/api/services", NEW)
    assert (reply.status, "No space left" in reply.json["detail"]) == (409, True)
    assert "new" not in browser.echod.services
    assert files(browser) == {}


def test_one_change_after_another(browser: Browser) -> None:
    """The second sees what the first has done, also when both were asked for at once."""
    browser("POST", "/api/services", NEW)
    etag = browser.etag("new")
    hold = browser.echod.hold = Deferred()
    first = browser.send("PUT", "/api/services/new", CHANGED, {"If-Match": etag})
    second = browser.send("PUT", "/api/services/new", {**CHANGED, "protocol": "discard"}, {"If-Match": etag})
    assert not first.value()
    assert not second.value()
    # Who only looks need not wait.
    assert browser("GET", "/api/services/new").json["settings"]["listen"] == NEW["listen"]
    hold.callback(None)
    assert (reply_in(first.value()).status, reply_in(second.value()).status) == (200, 412)
    assert browser.echod.config.services["new"].protocol == "echo"


def test_who_leaves_stops_nothing(browser: Browser) -> None:
    """A change that has begun is finished, and the next one follows it."""
    hold = browser.echod.hold = Deferred()
    first = browser.send("POST", "/api/services", NEW)
    waiting = browser.send("POST", "/api/services", {**NEW, **CHANGED, "name": "second"})
    first.loseConnection()
    waiting.loseConnection()
    third = browser.send("POST", "/api/services", {**NEW, "name": "third"})
    hold.callback(None)
    reply = reply_in(third.value())
    assert (reply.status, "taken by service new" in reply.json["detail"]) == (409, True)
    assert browser.echod.config.services.keys() == {"hello-tcp", "echo-udp", "new", "second"}


def test_the_queue_is_bounded(browser: Browser) -> None:
    """Who comes too late comes again."""
    hold = browser.echod.hold = Deferred()
    channels = [browser.send("POST", "/api/reload") for _ in range(MOST_WAITING + 2)]
    reply = reply_in(channels[-1].value())
    assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
    assert not any(channel.value() for channel in channels[:-1])
    hold.callback(None)
    assert [reply_in(channel.value()).status for channel in channels[:-1]] == [200] * (MOST_WAITING + 1)
