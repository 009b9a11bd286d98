"""
Closing a listening socket without cutting those who have just been let in.

Between the moment in which the last connection is taken from a listening socket and the one in which it is closed the
kernel goes on to make connections, and resets them then: their clients believed to be connected, and may have sent
something. So nobody new is let in first, and then the rest is taken.
"""

from __future__ import annotations

import ctypes
import socket
from contextlib import suppress

_SO_ATTACH_FILTER = 26
"""From <asm-generic/socket.h>; Python has no name for it."""


class _Instruction(ctypes.Structure):
    """`struct sock_filter` of <linux/filter.h>."""

    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    """`struct sock_fprog` of <linux/filter.h>."""

    _fields_ = (("len", ctypes.c_uint16), ("filter", ctypes.POINTER(_Instruction)))


# What a filter of a TCP socket sees begins with the TCP header; the flags are in byte 13, and SYN is 2 (RFC 9293, 3.1).
_INSTRUCTIONS = (_Instruction * 4)(
    _Instruction(0x30, 0, 0, 13),  # load byte 13
    _Instruction(0x45, 0, 1, 2),  # is SYN set?
    _Instruction(0x06, 0, 0, 0),  # then drop it
    _Instruction(0x06, 0, 0, 0xFFFF_FFFF),  # else keep all of it
)
_WITHOUT_SYN = bytes(_Program(len(_INSTRUCTIONS), _INSTRUCTIONS))


def turn_away(listener: socket.socket) -> None:
    """
    Let nobody new come to a listening socket, which is about to be closed; who waits in its queue can be accepted.

    Over TCP, new clients find no answer: they ask again, after a second at first, and are refused then, or find whoever
    listens there by that time. Handshakes that have begun can come to their end. Over a Unix socket, they are refused
    now.

    Not for a socket that another process listens on too, since it is the socket that turns away, not the descriptor.
    Where the kernel refuses to do so, nothing has changed.
    """
    with suppress(OSError):
        if listener.family == socket.AF_UNIX:
            listener.shutdown(socket.SHUT_RD)
        else:
            listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, _WITHOUT_SYN)
