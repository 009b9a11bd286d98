"""What the safety tests share: the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.system.safety.wire import laid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.system.safety.wire import Wire


@pytest.fixture
def wire() -> Iterator[Wire]:
    """Give two networks of our own and a wire between them."""
    with laid() as made:
        yield made
