"""How addresses are written for people: `tcp 127.0.0.1:7007`, `tcp6 [::1]:7007`, `unix /run/echo.sock`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from echod.config import Listen, Target

_EVERYWHERE = {False: "0.0.0.0", True: "::"}  # noqa: S104 - shown, not listened on


def written_listen(listen: Listen) -> str:
    """Write a listening address; `systemd:` sockets and plugins' kinds stay as the file has them."""
    if listen.path is not None:
        return f"{listen.kind} {_printable(listen.path)}"
    if listen.port is None:
        return _printable(listen.text)
    host = listen.host or _EVERYWHERE[listen.kind.endswith("6")]
    return f"{listen.kind} {_joined(host, listen.port)}"


def written_target(target: Target) -> str:
    """Write an address to connect to; plugins' kinds stay as they are."""
    if target.path is not None:
        return f"{target.kind} {_printable(target.path)}"
    if target.port is None or not target.host:
        return _printable(target.text)
    return f"{target.kind} {_joined(target.host, target.port)}"


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _printable(text: str) -> str:
    """Escape what does not print: a file must not write to the reader's terminal."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
