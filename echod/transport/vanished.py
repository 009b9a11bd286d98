"""
Peers that vanish without a word.

Nothing comes from a host that lost its power or its network, so the kernel has to ask (SO_KEEPALIVE), and must not wait
for what it sent to be acknowledged as long as it does by itself, about a quarter of an hour.
"""

from __future__ import annotations

import socket

VANISHED = 40.0
"""Seconds that sent bytes may go unacknowledged (TCP_USER_TIMEOUT)."""

_MARGIN = 10.0

_OPTIONS = (
    # Asked after 20 s in which nothing came, then every 8 s; gone when VANISHED has passed, after 44 s.
    (socket.TCP_KEEPIDLE, 20),
    (socket.TCP_KEEPINTVL, 8),
    (socket.TCP_KEEPCNT, 3),
    # Small answers leave at once.
    (socket.TCP_NODELAY, 1),
)


def unacknowledged_limit(stall: float) -> float:
    """
    Return how long sent bytes may go unacknowledged, or 0 for no limit of ours.

    Linux applies this limit also to a living peer that does not read, which is for the service's own `stall` limit to
    decide: so it is never the shorter of the two.
    """
    return max(VANISHED, stall + _MARGIN) if stall else 0.0


def notice_vanished(listener: socket.socket, unacknowledged: float) -> None:
    """Let the kernel end connections whose peers vanished. Accepted connections inherit these options (tcp(7))."""
    for option, value in _OPTIONS:
        listener.setsockopt(socket.IPPROTO_TCP, option, value)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(unacknowledged * 1000))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
