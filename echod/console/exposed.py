"""
What the console does not take, though the file may hold it.

Whoever reaches the console may use the network in the daemon's name: that is what it is for. The daemon's files and its
code are not: a service that is made here reads and makes no file but its own, and runs no code but ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from echod.config.listen import Listen
from echod.config.problems import listed, shown
from echod.config.target import Target
from echod.console.refusal import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KINDS = ("tcp", "tcp6", "udp", "udp6")
"""The kinds of addresses that name nothing but an address: no file, no key, no socket of another's, no plugin."""

_BY_HAND = "in a file that is written by hand"


def refused(settings: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what the console does not take from these settings; what is no setting at all is not looked for."""
    protocol = settings.get("protocol")
    if isinstance(protocol, str) and protocol.startswith("python:"):
        yield Finding("protocol", f"code of your own is only run when it is named {_BY_HAND}")
    quotes = settings.get("quotes")
    if isinstance(quotes, str):
        yield Finding("quotes", f"a file is only read when it is named {_BY_HAND}: write a list of quotes")
    yield from _addresses("listen", settings.get("listen"), Listen, "listen on")
    yield from _addresses("connect", settings.get("connect"), Target, "connect to")


def _addresses(key: str, value: Any, kind: type[Listen | Target], what: str) -> Iterator[Finding]:
    """Yield the addresses of other kinds; those that cannot be read at all are reported by who reads them."""
    for index, text in enumerate(value if isinstance(value, list) else [value]):
        if not isinstance(text, str):
            continue
        try:
            read = kind.parse(text)
        except ValueError:
            continue
        if read.kind not in KINDS:
            path = f"{key}[{index}]" if isinstance(value, list) else key
            sentence = f"the console makes services that {what} {listed(KINDS)}: {shown(read.kind)} can be written"
            yield Finding(path, f"{sentence} {_BY_HAND}")
