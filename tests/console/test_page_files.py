"""The page's files: under their own names, with their own types, and under a strict policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from echod.console.page_files import POLICY, page_files

if TYPE_CHECKING:
    from tests.console.consoles import Browser


def test_the_page(browser: Browser) -> None:
    """It may use its own files and its own server, and nobody may put it in a frame."""
    reply = browser("GET", "/")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = dict(each.strip().split(" ", 1) for each in reply.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in POLICY
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Referrer-Policy"] == "no-referrer"
    assert reply.headers["X-Frame-Options"] == "DENY"
    assert browser("GET", "/index.html").body == reply.body


def test_every_file_of_the_page(browser: Browser) -> None:
    """With its type; a browser that has it is told so."""
    files = page_files()
    assert {"index.html", "style.css"} <= files.keys()
    kinds = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
    for name, file in files.items():
        reply = browser("GET", f"/{name}")
        assert (reply.status, reply.body) == (200, file.body)
        assert reply.headers["Content-Type"].startswith(kinds[name.rpartition(".")[2]])
        assert reply.headers["Cache-Control"] == "no-cache"
        again = browser("GET", f"/{name}", If_None_Match=reply.headers["ETag"])
        assert (again.status, again.body) == (304, b"")
        assert browser("GET", f"/{name}", If_None_Match='"other"').status == 200


@pytest.mark.parametrize(
    "name", ["__init__.py", "page/index.html", ".", "..", "index.html%00", "Index.html", "style.css/"]
)
def test_nothing_else_is_served(browser: Browser, name: str) -> None:
    """Names are looked up, never paths."""
    assert browser("GET", f"/{name}").status == 404
