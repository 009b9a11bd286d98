"""
What a new configuration changes, and which sockets it needs.

Nothing here does anything: `echod.service` carries plans out. All of it can be tested without a socket.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from echod.config.listen import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from echod.config import Config, Listen, Service

Place: TypeAlias = "tuple[object, ...]"
"""What a listening socket is known by: two descriptions with one place need one and the same socket."""


@dataclass(frozen=True)
class Plan:
    """The names of services, by what happens to them; each in the order of its file."""

    kept: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __str__(self) -> str:
        return (
            f"{len(self.kept)} kept, {len(self.changed)} changed, {len(self.added)} added, {len(self.removed)} removed"
        )


def plan(old: Mapping[str, Service], new: Mapping[str, Service]) -> Plan:
    """Compare services by their names and all of their settings; where these stand in a file changes nothing."""
    return Plan(
        kept=tuple(name for name, settings in new.items() if name in old and old[name] == settings),
        changed=tuple(name for name, settings in new.items() if name in old and old[name] != settings),
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
    )


def place(listen: Listen, owner: str, index: int) -> Place:
    """
    Return what the socket of a listening address is known by.

    :param owner: whose address it is. A free port (0) is the owner's alone, told from its others by `index`.
    """
    kind = "datagram" if listen.datagram else "stream"
    if listen.path is not None:
        return (kind, "path", listen.path)
    words = listen.words
    if listen.kind == "systemd":
        return (kind, "systemd", words.get("name"), words.get("index"))
    if listen.kind not in WORDS:
        return (kind, "plugin", listen.text)
    host = listen.host or ("::" if listen.kind.endswith("6") else "0.0.0.0")  # noqa: S104 - compared only
    if listen.port == 0:
        return (kind, "free", owner, host, index)
    return (kind, "internet", host, listen.port)


def is_plugin(where: Place) -> bool:
    """Tell whether an endpoint plugin listens there, which may do so in any way it likes."""
    return where[1] == "plugin"


def places(config: Config) -> Iterator[Place]:
    """Yield where a whole configuration listens, its services and what is served beside them."""
    for settings in config.services.values():
        for index, listen in enumerate(settings.listen):
            yield place(listen, settings.name, index)
    for key, side in config.top.sides.items():
        yield place(side.listen, side_owner(key), 0)


def side_owner(key: str) -> str:
    """Return the owner of what is served beside the services, which no service can be called."""
    return f"({key})"
