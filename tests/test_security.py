"""SECURITY.md promises only what a test holds: each that it names is there, and its defaults are the real ones."""

from __future__ import annotations

import re
from pathlib import Path

from echod.config.limits import Limits
from echod.guard.buckets import SHARED, SOURCES
from echod.guard.repetition import ROW

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_every_test_that_is_named_exists() -> None:
    """`file.py::test`, and `::test` for another one of the same file; without a folder, of tests/system/safety."""
    named = re.findall(r"`((?:[\w/]+\.py)?(?:::\w+)?)`", TEXT)
    file = Path()
    found = 0
    for each in named:
        path, _, name = each.partition("::")
        if path:
            file = ROOT / (path if "/" in path else f"tests/system/safety/{path}")
        if not path and not name:
            continue
        assert file.exists(), each
        if name:
            assert f"def {name}(" in file.read_text(encoding="utf-8"), each
        found += 1
    assert found > 30


def test_the_defaults_are_the_real_ones() -> None:
    """What the table says that a limit is."""
    limits = Limits.model_validate({})
    for name in ("connections", "connections_per_source", "datagrams_per_source"):
        assert f"`{name}: {getattr(limits, name)}`" in TEXT
    assert (limits.stall_timeout, limits.idle_timeout, limits.grace, limits.lifetime) == (30, 300, 10, 0)
    for written in ("stall_timeout: 30s", "idle_timeout: 5m", "grace: 10s", "buffer: 64KiB"):
        assert f"`{written}`" in TEXT
    assert limits.buffer == 64 * 1024
    assert f"{SOURCES:,} buckets, then {SHARED:,} shared ones" in TEXT
    assert f"{ROW} equal datagrams" in TEXT.replace("\n", " ")
