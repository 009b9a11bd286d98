"""
The files of the services that were made in the console: `NAME.yaml` in one directory, a service in each.

A file is written beside its place, synced, and then renamed, so that it is there whole in its old or its new form
whenever the daemon is killed. What blocks (`stage`, `sync`) is for a thread; `put` and `drop` are one system call each.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from echod.config.files import read_bounded
from echod.config.model import NAME_PATTERN, service_name
from echod.config.text import MOST_BYTES

if TYPE_CHECKING:
    from pathlib import Path

_STAGED = re.compile(rf"\.{NAME_PATTERN}\.yaml\.new")


class Store:
    """
    One directory.

    :param folder: it may not exist yet; it is made when it is needed, but not those above it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """
        Return the file of a service.

        :raises ValueError: it is no name, and might lead elsewhere.
        """
        return self.folder / f"{service_name(name)}.yaml"

    def key(self, name: str) -> str:
        """Return the file's name as the configuration writes it."""
        return os.fsencode(self.path(name)).decode("utf-8", "backslashreplace")

    def read(self, name: str) -> bytes | None:
        """
        Return what is in the file of a service, None if there is no such file.

        :raises ValueError: something is there which cannot be read; the message is a sentence.
        """
        path = self.path(name)
        if not os.path.lexists(path):
            return None
        return read_bounded(path, MOST_BYTES, regular=True)

    def stage(self, name: str, raw: bytes) -> None:
        """
        Write what will be in the file of a service, beside it, and wait until it is on the disk.

        :raises OSError: it cannot be written.
        """
        self._make()
        # What a killed daemon has left behind would never be looked at again.
        for left in self.folder.iterdir():
            if _STAGED.fullmatch(left.name):
                left.unlink()
        # Not through a link which somebody put there.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(self._staged(name), "wb", opener=lambda path, _: os.open(path, flags, 0o666)) as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())

    def put(self, name: str) -> None:
        """Let what was staged take its place."""
        self._staged(name).replace(self.path(name))

    def drop(self, name: str) -> None:
        """Remove the file of a service."""
        self.path(name).unlink()

    def discard(self, name: str) -> None:
        """Let go of what was staged, if anything is."""
        with suppress(OSError):
            self._staged(name).unlink()

    def sync(self) -> None:
        """Wait until it is on the disk which files there are."""
        _sync(self.folder)

    def _staged(self, name: str) -> Path:
        return self.folder / f".{service_name(name)}.yaml.new"

    def _make(self) -> None:
        with suppress(FileExistsError):
            self.folder.mkdir()
            _sync(self.folder.parent)


def _sync(folder: Path) -> None:
    """Wait until a directory is on the disk as it is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
