"""The configuration as the daemon uses it, and where each part of it stands in the files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from echod.config.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from echod.config.defaults import Defaults
    from echod.config.model import Service
    from echod.config.top import TopLevel


@dataclass(frozen=True)
class Place:
    """Where something stands: file, and line and column from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True)
class Config:
    """
    A valid configuration.

    `services` by name, in the order of the files; `top` is the rest of the main file; `files` are the files
    that were read, quotes included, the main one first; `places` by the paths that problems have; `own_files` those in
    the console's directory. Equality is about settings.
    """

    services: Mapping[str, Service]
    top: TopLevel
    files: tuple[str, ...] = field(compare=False)
    places: Mapping[str, Place] = field(compare=False, repr=False)
    own_files: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def defaults(self) -> Defaults:
        """What services start from; it is already in every service that takes it."""
        return self.top.defaults

    def listen_path(self, name: str, index: int) -> str:
        """Return the path of a listening address as the file has it: without an index where it is no list."""
        path = f"services.{name}.listen"
        return f"{path}[{index}]" if f"{path}[{index}]" in self.places else path

    def problem(self, path: str, message: str) -> Problem:
        """
        Return a problem that was found later, such as a port that cannot be bound, at the place of `path`.

        A path that the file does not spell out (a default, the `[0]` of a single value) has the place of the
        setting around it.
        """
        at = path
        while at and at not in self.places:
            at = at[: max(at.rfind("."), at.rfind("["), 0)]
        place = self.places.get(at) or Place(self.files[0], 1, 1)
        return Problem(place.file, place.line, place.column, path, message)
