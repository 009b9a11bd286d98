"""The interface over HTTP: what is answered to what, as design section 7 has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from echod.console import api
from echod.console.writing import MARK
from tests.console.consoles import MAIN, NEW, Browser, reply_in

if TYPE_CHECKING:
    from pathlib import Path

ECHO = "{listen: udp:9000, protocol: echo}"
CHANGED = {"listen": "tcp:7778:interface=127.0.0.1", "protocol": "echo"}


def test_services_are_listed_as_their_files_have_them(browser: Browser) -> None:
    """With the place where each is written, its addresses and its counts."""
    browser.echod.services["echo-udp"].tally.received_bytes = 5
    browser.echod.services["echo-udp"].tally.dropped.update({"rate": 2, "loop": 0})
    reply = browser("GET", "/api/services")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
    assert reply.headers["Cache-Control"] == "no-store"
    document = reply.json
    assert document["directory"] == str(browser.kept)
    assert document["reloads"] == {"success": 0, "failure": 0}
    hello, echo = document["services"]
    assert hello["name"] == "hello-tcp"
    assert hello["settings"] == {
        "listen": "tcp:55555:interface=127.0.0.1",
        "protocol": "reply",
        "reply": "hi",
        "then": "close",
    }
    assert (hello["source"]["file"], hello["source"]["line"]) == (str(browser.main), 2)
    assert hello["source"]["editable"] is False
    assert f"by hand in {browser.main}: change line 2" in hello["source"]["reason"]
    assert hello["etag"] == browser.etag("hello-tcp")
    assert echo["addresses"] == [
        {"listen": "udp:7007:interface=127.0.0.1", "kind": "udp", "address": "127.0.0.1:7007", "datagram": True}
    ]
    assert echo["counters"]["received_bytes"] == 5
    assert echo["counters"]["dropped"] == {"rate": 2}


def test_a_service_is_made(browser: Browser) -> None:
    """201, where it is, its version and what it is; and a file that says the same."""
    reply = browser("POST", "/api/services", NEW)
    assert (reply.status, reply.headers["Location"]) == (201, "/api/services/new")
    got = browser("GET", "/api/services/new")
    assert (got.status, got.json, got.headers["ETag"]) == (200, reply.json, reply.headers["ETag"])
    assert got.json["settings"] == {"listen": NEW["listen"], "protocol": "echo"}
    assert got.json["source"] == {
        "file": str(browser.kept / "new.yaml"),
        "line": 3,
        "editable": True,
        "reason": None,
    }
    assert list(browser.echod.services) == ["hello-tcp", "echo-udp", "new"]
    assert [each.name for each in browser.kept.iterdir()] == ["new.yaml"]


def test_a_service_is_changed_by_who_has_seen_it(browser: Browser) -> None:
    """Of two editors the second is told; who says nothing of a version must say so."""
    browser("POST", "/api/services", NEW)
    seen = browser.etag("new")
    assert browser("PUT", "/api/services/new", CHANGED).status == 428
    first = browser("PUT", "/api/services/new", CHANGED, If_Match=seen)
    assert (first.status, first.json["settings"]) == (200, CHANGED)
    assert first.headers["ETag"] == browser.etag("new") != seen
    second = browser("PUT", "/api/services/new", {**CHANGED, "protocol": "discard"}, If_Match=seen)
    assert second.status == 412
    assert browser("GET", "/api/services/new").json["settings"] == CHANGED
    assert browser("PUT", "/api/services/new", {**CHANGED, "protocol": "discard"}, If_Match="*").status == 200
    assert browser.echod.config.services["new"].protocol == "discard"


def test_a_service_is_made_by_put(browser: Browser) -> None:
    """Where there is none; with a condition that says so, only there."""
    settings = {"listen": NEW["listen"], "protocol": "echo"}
    assert browser("PUT", "/api/services/new", settings, If_Match='"x"').status == 412
    made = browser("PUT", "/api/services/new", settings, If_None_Match="*")
    assert (made.status, made.headers["Location"]) == (201, "/api/services/new")
    assert browser("PUT", "/api/services/new", settings, If_None_Match="*").status == 412
    other = browser("PUT", "/api/services/other", {"listen": "udp:1234", "protocol": "echo"})
    assert other.status == 201


def test_a_service_is_removed(browser: Browser) -> None:
    """With its file; a stale version is not."""
    browser("POST", "/api/services", NEW)
    seen = browser.etag("new")
    browser("PUT", "/api/services/new", CHANGED, If_Match=seen)
    assert browser("DELETE", "/api/services/new", If_Match=seen).status == 412
    gone = browser("DELETE", "/api/services/new", If_Match=browser.etag("new"))
    assert (gone.status, gone.body) == (204, b"")
    assert browser("GET", "/api/services/new").status == 404
    assert list(browser.kept.iterdir()) == []
    assert browser("DELETE", "/api/services/new").status == 404
    assert browser("DELETE", "/api/services/new", If_Match=seen).status == 412
    browser("POST", "/api/services", NEW)
    assert browser("DELETE", "/api/services/new").status == 204


def test_a_removal_is_undone_by_making_it_again(browser: Browser) -> None:
    """With the settings that were shown."""
    settings = {
        "listen": "tcp:1234",
        "protocol": "reply",
        "rules": [{"when": {"regex": "a$"}, "reply": {"hex": "00 ff"}}],
    }
    browser("POST", "/api/services", {"name": "x", **settings})
    shown = browser("GET", "/api/services/x").json
    browser("DELETE", "/api/services/x")
    again = browser("POST", "/api/services", {"name": "x", **shown["settings"]})
    assert (again.status, again.json["settings"]) == (201, settings)
    assert again.headers["ETag"] == browser.etag("x")


def test_what_is_written_by_hand_stays(browser: Browser) -> None:
    """409, with the file and the line where it can be changed."""
    before = browser.main.read_bytes()
    for method, body in (("PUT", CHANGED), ("DELETE", None)):
        reply = browser(method, "/api/services/hello-tcp", body, If_Match="*")
        assert reply.status == 409
        assert f"by hand in {browser.main}: change line 2 there" in reply.json["detail"]
    assert browser.main.read_bytes() == before
    assert browser("POST", "/api/services", {**NEW, "name": "hello-tcp"}).status == 409


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"services: {{put: {ECHO}}}", "by hand"),
        (f"{MARK}so\nservices: {{put: {ECHO}}}", None),
        (f"{MARK}so\nservices: {{put: {{listen: 'udp:${{PORT}}', protocol: echo}}}}", "variables"),
        (
            f"{MARK}so\nservices: {{put: {ECHO}, other: {{listen: udp:9001, protocol: echo}}}}",
            "holds more",
        ),
    ],
)
def test_files_that_were_put_there(tmp_path: Path, text: str, reason: str | None) -> None:
    """By hand or by a deployment: they are read, and shown; the console changes its own."""
    (tmp_path / "conf.d").mkdir()
    file = tmp_path / "conf.d" / "put.yaml"
    file.write_text(text)
    browser = Browser(tmp_path, environ={"PORT": "9000"})
    source = browser("GET", "/api/services/put").json["source"]
    assert source["editable"] is (reason is None)
    assert (reason or "") in (source["reason"] or "")
    reply = browser("PUT", "/api/services/put", {"listen": "udp:9002", "protocol": "echo"}, If_Match="*")
    assert reply.status == (409 if reason else 200)
    assert (file.read_text() == text) is bool(reason)


def test_a_file_of_another_name(tmp_path: Path) -> None:
    """The console writes NAME.yaml alone: a service in another file is somebody else's."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "put.yaml").write_text(f"{MARK}so\nservices: {{other: {ECHO}}}")
    browser = Browser(tmp_path)
    assert "another name" in browser("GET", "/api/services/other").json["source"]["reason"]
    # Its own file would be over another's: nothing is lost.
    reply = browser("POST", "/api/services", {"name": "put", "listen": "udp:9001", "protocol": "echo"})
    assert (reply.status, "move it away" in reply.json["detail"]) == (409, True)


def test_every_problem_has_its_place_in_the_form(browser: Browser) -> None:
    """As `echod check` says them, with paths that are those of the settings."""
    body = {
        "name": "bad",
        "listen": ["tcp:7777", "tcp:99999"],
        "protocol": "reply",
        "rules": [{"when": {"regex": "("}, "reply": "x"}],
        "limits": {"buffer": 0},
        "replly": "hi",
    }
    reply = browser("POST", "/api/services", body)
    assert (reply.status, reply.headers["Content-Type"]) == (422, "application/problem+json")
    assert set(reply.paths) == {"listen[1]", "rules[0].when.regex", "limits.buffer", "replly"}
    first = reply.json["problems"][0]
    assert first["file"] == str(browser.kept / "bad.yaml")
    assert (
        first["text"]
        == f"{first['file']}:{first['line']}:{first['column']}: services.bad.{first['path']}: {first['message']}"
    )
    assert not browser.kept.exists() or list(browser.kept.iterdir()) == []
    assert "bad" not in browser.echod.services


@pytest.mark.parametrize(
    ("change", "paths"),
    [
        ({"name": None}, ["name"]),
        ({"name": "../x"}, ["name"]),
        ({"name": 5}, ["name"]),
        ({"protocol": "python:os:system"}, ["protocol"]),
        ({"protocol": "qotd", "quotes": "/etc/passwd"}, ["quotes"]),
        ({"listen": ["unix:/tmp/x", "ssl:443"]}, ["listen[0]", "listen[1]"]),
        ({"listen": None}, ["listen"]),
        ({"listen": []}, ["listen"]),
        ({"reply": "x"}, ["reply"]),
        ({"description": "\ud800"}, ["description"]),
        ({"limits": {"frame": 1e300}}, ["limits.frame"]),
        ({"listen": "tcp:${PORT}"}, ["listen"]),
        ({"protocol": "reply"}, [""]),
    ],
)
def test_problems(browser: Browser, change: dict[str, Any], paths: list[str]) -> None:
    """What a console cannot keep is a problem of its setting, and nothing is changed."""
    reply = browser("POST", "/api/services", {**NEW, **change})
    assert (reply.status, reply.paths) == (422, paths)
    assert list(browser.echod.services) == ["hello-tcp", "echo-udp"]


def test_the_environment_is_nobody_s_business(tmp_path: Path) -> None:
    """What is typed is what is meant, and a file's variables are shown as they are written."""
    main = MAIN.replace("reply: hi", "reply: ${SECRET}")
    browser = Browser(tmp_path, main, {"SECRET": "swordfish"})
    browser(
        "POST", "/api/services", {**NEW, "protocol": "reply", "reply": "a ${{SECRET}} b", "description": "$${SECRET}"}
    )
    made = browser.echod.config.services["new"]
    assert made.reply == (b"a ${{SECRET}} b",)  # type: ignore[attr-defined]
    assert made.description == "$${SECRET}"
    reply = browser("GET", "/api/services")
    assert b"swordfish" not in reply.body
    assert [each["settings"]["reply"] for each in reply.json["services"] if "reply" in each["settings"]] == [
        "${SECRET}",
        "a ${{SECRET}} b",
    ]


def test_a_port_that_is_taken_is_named(browser: Browser) -> None:
    """By somebody else's program, or by another service, whose name is said: 409, at the field."""
    browser.echod.busy.add("tcp:9999")
    by_program = browser("POST", "/api/services", {**NEW, "listen": ["tcp:1234", "tcp:9999"]})
    assert (by_program.status, by_program.paths) == (409, ["listen[1]"])
    assert "tcp:9999" in by_program.json["detail"]
    for listen, who in {
        "udp:7007": "echo-udp",
        "tcp:55555:interface=127.0.0.1": "hello-tcp",
        "tcp:8007": "console",
    }.items():
        for name in ("aaa", "zzz"):
            reply = browser("POST", "/api/services", {"name": name, "listen": listen, "protocol": "echo"})
            assert (reply.status, reply.paths) == (409, ["listen"])
            assert who in reply.json["detail"]
    assert browser.echod.config.services.keys() == {"hello-tcp", "echo-udp"}


def test_of_two_services_the_new_one_has_the_problem(browser: Browser) -> None:
    """Also when its file comes before the other's; and other problems are told with it."""
    browser("POST", "/api/services", NEW)
    body = {"name": "early", "listen": ["udp:1", NEW["listen"]], "protocol": "echo"}
    reply = browser("POST", "/api/services", body)
    assert (reply.status, reply.paths) == (409, ["listen[1]"])
    reply = browser("POST", "/api/services", {**body, "reply": "x"})
    assert reply.status == 422
    assert set(reply.paths) == {"listen[1]", "reply"}
    twice = browser("POST", "/api/services", {**body, "listen": ["udp:1", "udp:1"]})
    assert (twice.status, twice.paths) == (409, ["listen[1]"])


def test_other_files_may_have_problems(browser: Browser) -> None:
    """Somebody is editing one: the sentence says where, and nothing is changed."""
    browser.main.write_text(MAIN.replace("protocol: echo", "protocol: ecko"))
    reply = browser("POST", "/api/services", NEW)
    assert (reply.status, reply.paths) == (422, [""])
    assert reply.json["problems"][0]["message"].startswith(f"{browser.main}:9:15: services.echo-udp.protocol: ")
    assert "in files of the configuration" in reply.json["detail"]
    assert browser("GET", "/api/services/echo-udp").json["protocol"] == "echo"


def test_reload(browser: Browser) -> None:
    """What was written by hand comes into force, or nothing."""
    browser.main.write_text(MAIN.replace("reply: hi", "reply: ho"))
    reply = browser("POST", "/api/reload")
    assert reply.status == 200
    assert reply.json == {
        "summary": "1 kept, 1 changed, 0 added, 0 removed",
        "kept": 1,
        "changed": 1,
        "added": 0,
        "removed": 0,
        "names": {"kept": ["echo-udp"], "changed": ["hello-tcp"], "added": [], "removed": []},
    }
    assert browser("GET", "/api/services/hello-tcp").json["settings"]["reply"] == "ho"
    browser.main.write_text("services: {x: {}}")
    reply = browser("POST", "/api/reload")
    assert (reply.status, reply.paths) == (422, ["services.x.listen", "services.x.protocol"])
    assert "hello-tcp" in browser.echod.services


def test_the_embedded_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is nobody's file, and cannot be changed; services can be made beside it, kept in the working directory."""
    monkeypatch.chdir(tmp_path)
    browser = Browser(tmp_path, None)
    document = browser("GET", "/api/services").json
    assert (document["file"], document["directory"]) == ("(embedded default)", "conf.d")
    source = document["services"][0]["source"]
    assert (source["editable"], "--config" in source["reason"]) == (False, True)
    assert browser("DELETE", "/api/services/hello-tcp").status == 409
    made = browser("POST", "/api/services", NEW)
    assert (made.status, made.json["source"]["file"]) == (201, "conf.d/new.yaml")
    assert [each.name for each in browser.kept.iterdir()] == ["new.yaml"]


def test_what_was_edited_since_is_not_passed_off_as_what_is_served(browser: Browser) -> None:
    """A service whose file cannot be read any more is shown by what is known of it."""
    browser.main.write_text("services: [")
    shown = browser("GET", "/api/services/hello-tcp").json
    assert shown["settings"] == {"listen": ["tcp:55555:interface=127.0.0.1"], "protocol": "reply"}
    assert "was changed since it was loaded" in shown["source"]["reason"]
    browser.main.unlink()
    assert browser("DELETE", "/api/services/hello-tcp").status == 409


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/api", 404, None),
        ("GET", "/api/", 404, None),
        ("GET", "/api/nothing", 404, None),
        ("GET", "/api/services/", 404, None),
        ("GET", "/api//services", 404, None),
        ("GET", "/api/services/nobody", 404, None),
        ("GET", "/api/services/a%2Fb", 404, None),
        ("GET", "/api/services/%ff", 404, None),
        ("DELETE", "/api/services/..%2Fx", 404, None),
        ("DELETE", "/api/services", 405, "GET, HEAD, POST"),
        ("POST", "/api/services/hello-tcp", 405, "DELETE, GET, HEAD, PUT"),
        ("GET", "/api/reload", 405, "POST"),
        ("OPTIONS", "/api/services", 405, "GET, HEAD, POST"),
        ("POST", "/", 405, "GET, HEAD"),
        ("GET", "/index.html/x", 404, None),
        ("GET", "/../echod.yaml", 404, None),
        ("GET", "/..%2f..%2fapi.py", 404, None),
    ],
)
def test_paths_and_methods(browser: Browser, method: str, path: str, status: int, allow: str | None) -> None:
    """Whatever is asked, it is said what there is."""
    reply = browser(method, path)
    assert (reply.status, reply.headers.get("Allow")) == (status, allow)
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.json["status"] == status


def test_head_has_the_headers_alone(browser: Browser) -> None:
    """As of every resource."""
    whole = browser("GET", "/api/services/hello-tcp")
    head = browser("HEAD", "/api/services/hello-tcp")
    assert (head.status, head.body) == (200, b"")
    for name in ("Content-Length", "Content-Type", "ETag"):
        assert head.headers[name] == whole.headers[name]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b'{"a": 1, "a": 2}', {}, 400),
        (b"{}", {"Content_Type": "text/plain"}, 415),
        (b" " * 70_000 + b"{}", {}, 413),
    ],
)
def test_bodies_that_are_none(browser: Browser, body: bytes, headers: dict[str, str], status: int) -> None:
    """Nothing is read from them."""
    for method, path in (
        ("POST", "/api/services"),
        ("PUT", "/api/services/x"),
        ("POST", "/api/services/hello-tcp/try"),
    ):
        reply = browser(method, path, body, **headers)
        assert (reply.status, reply.json["status"]) == (status, status)


def test_a_fault_of_ours_is_said_and_logged(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its text, which is for the log."""

    def broken() -> None:
        raise ZeroDivisionError("secret")

    failures: list[Any] = []
    monkeypatch.setattr(browser.site, "failed", failures.append)
    monkeypatch.setattr(browser.echod, "drops", broken)
    reply = browser("GET", "/api/services")
    assert (reply.status, b"secret" in reply.body) == (500, False)
    assert failures[0].check(ZeroDivisionError)


def test_a_long_list_gives_way(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others have their turn; what changes meanwhile is not mixed with what was before."""
    monkeypatch.setattr(api, "SLICE", 0.0)
    channel = browser.send("GET", "/api/services")
    left = browser.send("GET", "/api/services")
    assert not channel.value()
    left.loseConnection()
    browser.main.write_text(MAIN.replace("reply: hi", "reply: ho").replace("echo-udp", "renamed"))
    browser.echod.reload()
    browser.clock.pump([0] * 10)
    listed = reply_in(channel.value()).json
    assert [each["name"] for each in listed["services"]] == ["hello-tcp", "renamed"]
    assert listed["services"][0]["settings"]["reply"] == "ho"
    assert listed["loaded_at"] == 1001.0
    assert not left.value()
