"""A console in memory, for each test its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.console.consoles import Browser

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(name="browser")
def a_browser(tmp_path: Path) -> Browser:
    """Return one who talks to a console on loopback without a token."""
    return Browser(tmp_path)
