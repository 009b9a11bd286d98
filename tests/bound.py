"""Whole services in this process's reactor, from the text of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from echod.answers.answer import World
from echod.answers.choose import answers_for
from echod.config import load
from echod.service import Echod
from echod.transport.inherited import Inherited
from echod.transport.poller import Poller

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from echod.answers.answer import Answer
    from echod.config import Config
    from echod.transport.mmsg import Batch

WORLD = World(lambda: 0.0, lambda: "", lambda: 0.0)


class Maker:
    """Makes services, without binding them, and closes what they left open."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._made: list[Echod] = []

    def __call__(self, text: str, batch: Batch | None = None, inherited: Inherited | None = None) -> Echod:
        """Make the service of the text under `services:`, which reads its file anew at a reload."""
        from twisted.internet import reactor

        self.write(text)
        passed = inherited or Inherited([], [])
        self._made.append(Echod(*self._read({}), reactor, Poller(reactor), batch, passed, read=self._read))
        return self._made[-1]

    def write(self, text: str) -> None:
        """Change the file."""
        self._file.write_text("services:\n" + text)

    def _read(self, overlay: Mapping[str, bytes | None]) -> tuple[Config, dict[str, Answer]]:
        config = load(self._file, {}, overlay)
        return config, answers_for(config, WORLD)

    def close(self) -> None:
        """Leave nothing."""
        for service in self._made:
            service._serving.close()
            service.abort()


def at(service: Echod, name: str, number: int = 0) -> tuple[str, int]:
    """Return the address which a service got."""
    _, address = list(service.services[name].addresses())[number]
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


MIXED = """
  echo:
    listen: [tcp:0:interface=127.0.0.1, udp:0:interface=127.0.0.1]
    protocol: echo
  hello:
    listen: [udp:0:interface=127.0.0.1, 'tcp6:0:interface=\\:\\:1']
    protocol: reply
    reply: hi
"""
