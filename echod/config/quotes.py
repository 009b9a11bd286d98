"""Quotes in a file, as `fortune` keeps them."""

from __future__ import annotations


def split_quotes(raw: bytes) -> list[bytes]:
    """
    Return the quotes in `raw`.

    With a line of a single `%` anywhere, such lines separate the quotes, as in strfile(8); otherwise empty
    lines do. Bytes and line ends stay as they are, empty lines around a quote are dropped, and each ends with
    a line end.
    """
    lines = raw.splitlines(keepends=True)
    separator = b"%" if any(line.strip() == b"%" for line in lines) else b""
    groups: list[list[bytes]] = [[]]
    for line in lines:
        if line.strip() == separator:
            groups.append([])
        else:
            groups[-1].append(line)
    return [quote for quote in map(_trimmed, groups) if quote]


def _trimmed(lines: list[bytes]) -> bytes:
    """Return the lines as one text without empty ones around it."""
    while lines and not lines[0].strip():
        lines = lines[1:]
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    text = b"".join(lines)
    return text if not text or text.endswith((b"\n", b"\r")) else text + b"\n"
