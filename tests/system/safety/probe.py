"""How an innocent client fares meanwhile, and what the log says in the end."""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import TYPE_CHECKING

from tests.system.clients import connected, exactly

if TYPE_CHECKING:
    from tests.system.clients import Where
    from tests.system.daemon import Daemon

MOST_LOG = 1 << 20
MOST_LINES = 10


def echo_time(where: Where, limit: float = 5.0) -> float:
    """Connect over TCP, get one echo, and return how many seconds that took; a time-out counts as the limit."""
    began = time.perf_counter()
    try:
        with connected(where, limit=limit) as sock:
            sock.sendall(b"are you there?")
            assert exactly(sock, 14) == b"are you there?"
    except TimeoutError:
        return limit
    return time.perf_counter() - began


def echo_times(where: Where, count: int = 20, pause: float = 0.1) -> list[float]:
    """Do so several times."""
    times = []
    for _ in range(count):
        time.sleep(pause)
        times.append(echo_time(where))
    return times


def percentile(values: list[float], part: float) -> float:
    """Return the value below which such a part of all lies."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def check_log(daemon: Daemon) -> None:
    """Fail when the log is long, or has the same line, numbers aside, again and again within a minute."""
    log = daemon.log
    assert len(log) < MOST_LOG, f"the log has {len(log)} bytes"
    minutes = Counter(
        (line[:16], re.sub(r"\d+", "#", line[24:])) for line in log.splitlines() if re.match(r"\d{4}-\d\d-\d\dT", line)
    )
    often = {kind: count for kind, count in minutes.items() if count > MOST_LINES}
    assert not often, often
