"""What the safety tests share: the wire."""

from __future__ import annotations

import os
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


@pytest.fixture
def quiet_machine() -> Iterator[None]:
    """Figures are of us alone: whatever else this machine does has to wait."""
    cores = os.sched_getaffinity(0)
    before = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, -20)
    yield
    os.setpriority(os.PRIO_PROCESS, 0, before)
    os.sched_setaffinity(0, cores)
