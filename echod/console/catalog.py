"""
The services as the console shows them: what their files say, where that stands, and who may change it.

Files are read again here, because what a configuration keeps is what the settings mean and no longer how they are
written. They are looked at once for each configuration in force, and read if they are not as they were.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from echod import __version__
from echod.config.files import read_bounded
from echod.config.gather import EMBEDDED
from echod.config.nodes import Table
from echod.config.problems import ProblemList, TooManyProblems
from echod.config.sides import resolved
from echod.config.text import MOST_BYTES, read
from echod.config.top import SERVICES_KEY
from echod.console.store import Store
from echod.console.writing import MARK, as_json, has_variables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from echod.config import Config, Place, Service
    from echod.running import Running
    from echod.service import Echod

Stamp: TypeAlias = "tuple[int, ...] | None"


@dataclass(frozen=True)
class File:
    """One file as it is on the disk: its bytes, the services in it, and what changes when somebody writes to it."""

    raw: bytes
    services: Table
    stamp: Stamp


@dataclass(frozen=True)
class Entry:
    """
    A service as its file has it.

    :ivar settings: the YAML's own keys, as JSON.
    :ivar reason: why it cannot be changed here, with the place where it can; None if it can.
    :ivar raw: the bytes of its file, where it can be changed.
    """

    name: str
    settings: dict[str, Any]
    file: str
    line: int
    reason: str | None
    raw: bytes | None


class Catalog:
    """
    The services of a daemon.

    :ivar store: where the configuration in force keeps the services that were made in the console.
    """

    def __init__(self, echod: Echod) -> None:
        self._echod = echod
        self._config: Config | None = None
        self._files: dict[str, File | None] = {}
        self._before: dict[str, File | None] = {}
        self._entries: dict[str, Entry] = {}

    @property
    def store(self) -> Store:
        """The directory of the configuration in force."""
        config = self._echod.config
        console = config.top.console
        assert console is not None, "who asks is the console"
        main = config.files[0]
        return Store(Path(resolved("" if main == EMBEDDED else main, console.directory)))

    def find(self, name: str) -> Entry | None:
        """Return the entry of a service that is served, None if there is no such service."""
        self._look()
        entry = self._entries.get(name)
        if entry is None and name in self._echod.config.services:
            entry = self._entries[name] = self._entry(name, self._echod.config)
        return entry

    def shown(self, entry: Entry) -> dict[str, Any]:
        """Return a service for a program, without what changes by itself."""
        settings = self._echod.config.services[entry.name]
        running = self._echod.services.get(entry.name)
        return {
            "name": entry.name,
            "protocol": settings.protocol,
            "description": settings.description,
            "settings": entry.settings,
            "source": {
                "file": entry.file,
                "line": entry.line,
                "editable": entry.reason is None,
                "reason": entry.reason,
            },
            "addresses": [] if running is None else list(_addresses(running)),
        }

    def listing(self) -> Iterator[bytes]:
        """Yield the daemon's state and all services, in the order of their files, as pieces of one JSON document."""
        echod = self._echod
        state = {
            "version": __version__,
            "file": echod.config.files[0],
            "directory": str(self.store.folder),
            "loaded_at": echod.loaded_at,
            "reloads": {result: echod.reloads[result] for result in ("success", "failure")},
        }
        counters = self.counters()
        yield _written(state).removesuffix(b"}") + b', "services": ['
        for index, name in enumerate(echod.config.services):
            entry = self.find(name)
            assert entry is not None, "it is one of the services"
            shown = _written(self.shown(entry))
            more = _written({"etag": _tag(shown), "counters": counters[name]})
            yield (b", " if index else b"") + shown.removesuffix(b"}") + b", " + more.removeprefix(b"{")
        yield b"]}\n"

    def counters(self) -> dict[str, dict[str, Any]]:
        """Return what every service has counted."""
        drops = self._echod.drops()
        return {
            name: {
                "open": running.tally.open,
                "connections": running.tally.connections,
                "received_bytes": running.tally.received_bytes,
                "sent_bytes": running.tally.sent_bytes,
                "messages_received": running.tally.messages_received,
                "messages_sent": running.tally.messages_sent,
                "dropped": {reason: count for reason, count in sorted(drops.get(name, {}).items()) if count},
            }
            for name, running in self._echod.services.items()
        }

    def _look(self) -> None:
        """Forget what was read for another configuration."""
        if self._config is not self._echod.config:
            self._config = self._echod.config
            self._before, self._files = self._files, {}
            self._entries.clear()

    def _entry(self, name: str, config: Config) -> Entry:
        place = config.places[f"{SERVICES_KEY}.{name}"]
        file = self._file(place.file)
        found = None if file is None else file.services.entries.get(name)
        if file is None or found is None or not isinstance(found.node, Table):
            changed = f"{place.file} was changed since it was loaded: reload, and look again"
            return Entry(name, _outline(config.services[name]), place.file, place.line, changed, None)
        reason = _by_hand(file, found.node, place, self.store.key(name))
        settings = as_json(found.node)
        return Entry(name, settings, place.file, place.line, reason, None if reason else file.raw)

    def _file(self, name: str) -> File | None:
        """Return a file; None if it cannot be read any more."""
        if name not in self._files:
            before = self._before.get(name)
            stamp = _stamp(name)
            unchanged = before is not None and stamp is not None and before.stamp == stamp
            self._files[name] = before if unchanged else _read(name, stamp)
        return self._files[name]


def etag(shown: dict[str, Any]) -> str:
    """Return the strong ETag of what is shown of a service."""
    return _tag(_written(shown))


def _tag(written: bytes) -> str:
    return f'"{hashlib.sha256(written).hexdigest()[:32]}"'


def _written(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode("ascii")


def _stamp(name: str) -> Stamp:
    """Return what changes when a file is written to; None if there is no such file."""
    try:
        status = Path(name).stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _read(name: str, stamp: Stamp) -> File | None:
    problems = ProblemList()
    try:
        if name == EMBEDDED:
            raw = package_files("echod.config").joinpath("default.yaml").read_bytes()
        else:
            raw = read_bounded(Path(name), MOST_BYTES, regular=True)
        tree = read(raw, name, problems)
    except (ValueError, TooManyProblems):
        return None
    entry = tree.entries.get(SERVICES_KEY) if isinstance(tree, Table) else None
    return File(raw, entry.node, stamp) if entry is not None and isinstance(entry.node, Table) else None


def _by_hand(file: File, settings: Table, place: Place, own: str) -> str | None:
    """Return why a service is not changed in the console, and where it is; None if it is in the console."""
    if place.file == EMBEDDED:
        return "it is part of echod's own example: start echod with --config and a file of your own"
    where = f"change line {place.line} there, and reload"
    if not file.raw.startswith(MARK.encode()):
        return f"it is written by hand in {place.file}: {where}"
    if place.file != own or len(file.services.entries) != 1:
        return f"{place.file} holds more, or has another name, than the console wrote: {where}"
    if has_variables(settings):
        return f"{place.file} has variables, which the console does not write: {where}"
    return None


def _outline(settings: Service) -> dict[str, Any]:
    """Return what is known of a service whose file cannot be read any more."""
    return {"listen": [listen.text for listen in settings.listen], "protocol": settings.protocol}


def _addresses(running: Running) -> Iterator[dict[str, Any]]:
    for listen, address in running.addresses():
        yield {
            "listen": listen.text,
            "kind": listen.kind,
            "address": address,
            "datagram": listen.datagram,
        }
