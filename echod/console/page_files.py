"""The files of the page: read once, and served as they are, each under its own name."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

INDEX = "index.html"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
    " font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
"""What the page may do (Content-Security-Policy): use its own files and its own server, and write no markup."""

_NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.(?P<suffix>[a-z0-9]+)")
_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "ico": "image/x-icon",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "png": "image/png",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
    "woff2": "font/woff2",
}


@dataclass(frozen=True)
class PageFile:
    """One file: its bytes, its type, and its strong ETag."""

    body: bytes
    content_type: str
    etag: str

    def render(self, request: Any) -> bytes:
        """Set the headers of the answer, and return its body, which is empty if the browser has it already."""
        request.setHeader(b"Content-Type", self.content_type.encode())
        request.setHeader(b"Content-Security-Policy", POLICY.encode())
        request.setHeader(b"Cross-Origin-Opener-Policy", b"same-origin")
        request.setHeader(b"Cache-Control", b"no-cache")
        has_it = request.setETag(self.etag.encode())
        return b"" if has_it else self.body


def page_files() -> Mapping[str, PageFile]:
    """Return the files of the page by their names."""
    found: dict[str, PageFile] = {}
    for each in files("echod.console").joinpath("page").iterdir():
        match = _NAME.fullmatch(each.name)
        content_type = _TYPES.get(match["suffix"]) if match else None
        if content_type is not None and each.is_file():
            body = each.read_bytes()
            found[each.name] = PageFile(body, content_type, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
    return found
