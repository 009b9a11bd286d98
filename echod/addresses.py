"""Twisted's addresses and the kernel's names, as answers and as people have them."""

from __future__ import annotations

from typing import Any


def address_of(addr: Any) -> tuple[str, int]:
    """Return host and port of a Twisted address; a Unix socket's path, which may be empty, and 0."""
    if hasattr(addr, "host"):
        return addr.host, addr.port
    return path_of(getattr(addr, "name", None)), 0


def path_of(name: str | bytes | None) -> str:
    """Return a Unix socket's name as text; empty for none."""
    return name if isinstance(name, str) else (name or b"").decode("utf-8", "backslashreplace")


def written_address(addr: Any) -> str:
    """Write a Twisted address as people do: `127.0.0.1:7007`, `[::1]:7007`, or a path, which may be empty."""
    host, port = address_of(addr)
    return written_pair(host, port) if hasattr(addr, "host") else printable(host)


def written_pair(host: str, port: int) -> str:
    """Write an IP address with its port."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def printable(text: str) -> str:
    """Escape what does not print: a peer chooses its path, and must not write to a reader's terminal with it."""
    return "".join([each if each.isprintable() else ascii(each)[1:-1] for each in text])
