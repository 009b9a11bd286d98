"""
What a reload changes: the difference between two sets of services. Pure: settings in, names out.

A service whose settings are equal is kept, with its ports and every connection. A changed one keeps the ports whose
address it still has; its open connections finish under the old settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from echod.config import Service


@dataclass(frozen=True, slots=True)
class Plan:
    """Names of services, each in the order of the file that has it."""

    kept: tuple[str, ...]
    changed: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{len(self.kept)} kept, {len(self.changed)} changed, {len(self.added)} added, {len(self.removed)} removed"
        )


def plan(old: Mapping[str, Service], new: Mapping[str, Service]) -> Plan:
    """Compare the services that run with those that are wanted, by name."""
    return Plan(
        kept=tuple(name for name, settings in new.items() if old.get(name) == settings),
        changed=tuple(name for name, settings in new.items() if name in old and old[name] != settings),
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
    )
