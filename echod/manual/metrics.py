"""The daemon's metrics, as what makes them says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple

from echod.metrics import EchodCollector

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUFFIXES = {"counter": "_total", "info": "_info"}


class Described(NamedTuple):
    """One metric: its name as Prometheus has it, its labels, and a sentence."""

    name: str
    labels: tuple[str, ...]
    meaning: str


def metrics() -> Iterator[Described]:
    """Yield what a daemon without services would tell, in its order."""
    nothing = SimpleNamespace(services={}, reloads={}, loaded_at=0.0, ready=True, draining=False, drops=dict)
    for family in EchodCollector(nothing).collect():
        labels = getattr(family, "_labelnames", ())
        yield Described(f"{family.name}{_SUFFIXES.get(family.type, '')}", tuple(labels), family.documentation)
