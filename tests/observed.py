"""A daemon of which only the counts are there, for the tests of the metrics."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from echod.config import Service, load
from echod.tally import Tally

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Counted:
    """A service with its counts."""

    settings: Service
    tally: Tally = field(default_factory=Tally)


class Observed:
    """What the metrics read of a daemon."""

    def __init__(self, services: dict[str, Service]) -> None:
        self.services = {name: Counted(settings) for name, settings in services.items()}
        self.kernel: dict[str, int] = {}
        self.reloads: dict[str, int] = {}
        self.loaded_at = 1_700_000_000.5
        self.ready = False
        self.draining = False

    @classmethod
    def of(cls, folder: Path, services: str) -> Observed:
        """Make it of the services of a file."""
        file = folder / "echod.yaml"
        file.write_text("services:\n" + services)
        return cls(dict(load(file, {}).services))

    def drops(self) -> dict[str, Counter[str]]:
        """Return them with those of the kernel."""
        return {
            name: counted.tally.dropped + Counter(kernel=self.kernel.get(name, 0))
            for name, counted in self.services.items()
        }
