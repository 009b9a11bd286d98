"""The tables of README.md, by the heading that each stands under. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from echod.manual.markdown import table
from echod.manual.metrics import metrics
from echod.manual.settings import settings
from echod.manual.tables import LISTENING, PROTOCOLS, REASONS, sentence

if TYPE_CHECKING:
    from collections.abc import Iterable


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


TABLES: Final = {
    "### Where to listen": table(("", ""), ((_code(examples), what) for examples, what in LISTENING)),
    "### What is answered": table(
        ("`protocol`", "TCP", "UDP", ""),
        ((f"`{one.name}`", one.stream, one.datagram, one.source) for one in PROTOCOLS),
    ),
    "### Every setting": table(
        ("setting", "default", "meaning"), ((f"`{one.key}`", one.default, one.meaning) for one in settings())
    ),
    "### Logs": table(("reason", ""), ((f"`{reason}`", sentence(what)) for reason, what in REASONS.items())),
    "### Metrics": table(
        ("metric", "labels", ""), ((f"`{one.name}`", ", ".join(one.labels), one.meaning) for one in metrics())
    ),
}
