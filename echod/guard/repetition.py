"""
What comes again and again: how a loop is told from a talk.

Between two answering machines one datagram goes round for ever. At the speed of a local network it meets the limit of
its source within a second, and ends there. A slower one would go on below the limit. But it is always the same
datagram, and it comes again as soon as it was answered. So of a long row of equal datagrams from one peer, one after
the other without a pause, one is not answered now and then: a client that sends equal ones, quickly and for long,
misses one of `ROW` answers; a loop is over.
"""

from __future__ import annotations

ROW = 1_000
"""Equal datagrams in a row, the last of which is not answered: a tenth of a percent."""

PAUSE = 0.25
"""Seconds without a datagram that end a row. A loop that needs longer for a turn is left alone: it does no harm."""

PEERS = 8_192
"""Peers whose last datagrams are remembered; with more of them, all are forgotten, and their rows begin anew."""


class Repetition:
    """Counts equal datagrams in a row, for each peer's address and port."""

    def __init__(self) -> None:
        self._rows: dict[tuple[bytes, int], tuple[int, int, float]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def ends_row(self, address: bytes, port: int, gist: bytes, now: float) -> bool:
        """
        Count one datagram, and tell whether it is the last of a full row, which then begins anew.

        :param gist: what tells datagrams apart.
        :param now: the time in seconds.
        """
        peer = (address, port)
        mark = hash(gist)
        row = self._rows.get(peer)
        if row is None:
            if len(self._rows) >= PEERS:
                self._rows.clear()
        elif row[0] == mark and now - row[2] < PAUSE:
            count = row[1] + 1
            if count < ROW:
                self._rows[peer] = (mark, count, now)
                return False
            del self._rows[peer]
            return True
        self._rows[peer] = (mark, 1, now)
        return False
