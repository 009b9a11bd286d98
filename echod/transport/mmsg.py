"""
recvmmsg(2) and sendmmsg(2), which Python does not have: many datagrams by one system call.

A `Batch` is an array of message headers with a buffer, a name and a control block for each, laid out as <sys/socket.h>
has them on 64-bit Linux. What was received can be sent back from the very same memory: no Python object is made for a
datagram. All work on many headers at once is slices of memory views, done in C, and as little as possible of it:
there are headers to receive with and headers to reply with, over the same buffers, names and control blocks, so that
of a batch only the lengths need be copied from the ones to the others.

One batch serves every socket of a process, since each is received, judged and sent within one call.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import socket
import struct
import sys
from dataclasses import dataclass

from echod.transport.datagram import GIST

SIZE = 64
"""Datagrams in a batch."""

BUFFER = 65_536

STRIDE = BUFFER + 25 * 64
"""
Bytes from one buffer to the next.

Buffers a power of two apart would all begin in the same few sets of the processor's caches, and push one another out
between receiving and sending. By 25 cache lines more, datagrams of a common size lie side by side there.
"""

NAME = 32
"""Bytes between two names: sockaddr_in6 has 28."""

CONTROL = 64
"""Bytes between two control blocks: a cmsghdr of 16 and an in6_pktinfo of 20, padded."""

_HEADER = 64
_IOVEC = 16
_MSG_DONTWAIT = socket.MSG_DONTWAIT
# In units of 8 bytes within a struct mmsghdr: its msg_controllen and msg_len; and within a struct iovec: its iov_len.
_CONTROL_LEN, _MSG_LEN, _IOV_LEN = 5, 7, 1
# In units of 4 bytes within a control block, after a cmsghdr of 16 bytes: in_pktinfo is (ifindex, local, destination),
# in6_pktinfo is (address, ifindex).
_INDEX_4, _LOCAL_4, _DESTINATION_4, _INDEX_6 = 4, 5, 6, 8
# The first byte of the destination of an IPv6 datagram, within a control block.
_ADDRESS_6 = 16


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def missing() -> str | None:
    """Return why batches cannot be used here, or None when they can."""
    if not sys.platform.startswith("linux"):
        return "recvmmsg is Linux's"
    if struct.calcsize("P") != 8 or sys.byteorder != "little":
        return "the layout of message headers is known for 64-bit little-endian machines only"
    if not hasattr(_libc(), "recvmmsg") or not hasattr(_libc(), "sendmmsg"):
        return "the C library has no recvmmsg"
    return None


@dataclass(frozen=True)
class Shape:
    """
    What the datagrams of a socket bring along.

    :ivar name: bytes of a peer's name.
    :ivar control: bytes for the control block that tells the address which was hit; 0 for none.
    """

    name: int
    control: int


@functools.cache
def shape_of(family: int, *, tells_address: bool) -> Shape:
    """Return the shape of a socket's datagrams: sockaddr_in or sockaddr_in6, with or without a packet info."""
    return Shape(28 if family == socket.AF_INET6 else 16, CONTROL if tells_address else 0)


class _Headers:
    """Message headers with an iovec each: the rows of both can be seen as bytes and as words of 8 bytes."""

    def __init__(self) -> None:
        self._array = ctypes.create_string_buffer(SIZE * _HEADER)
        self._iovecs = ctypes.create_string_buffer(SIZE * _IOVEC)
        self.at = ctypes.addressof(self._array)
        self.bytes = memoryview(self._array).cast("B")
        self.words = self.bytes.cast("Q")
        self.iovec_words = memoryview(self._iovecs).cast("B").cast("Q")

    def point(self, buffers: int, names: int, control: int, shape: Shape) -> None:
        """Point to the places of datagrams, given by the addresses of the first."""
        iovecs = ctypes.addressof(self._iovecs)
        for i in range(SIZE):
            struct.pack_into("QQ", self._iovecs, i * _IOVEC, buffers + i * STRIDE, BUFFER)
            name = (names + i * NAME, shape.name)
            own_control = (control + i * CONTROL if shape.control else 0, shape.control)
            header = (*name, iovecs + i * _IOVEC, 1, *own_control, 0, 0)
            struct.pack_into("QI4xQQQQi4xI4x", self._array, i * _HEADER, *header)


class Batch:
    """
    Room for `SIZE` datagrams.

    :ivar count: how many the last `receive` brought.
    """

    def __init__(self) -> None:
        libc = _libc()
        self._receive = libc.recvmmsg
        self._receive.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
        self._send = libc.sendmmsg
        self._send.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
        # Untouched pages of the buffers cost no memory.
        self._buffers = ctypes.create_string_buffer(SIZE * STRIDE)
        self._names = ctypes.create_string_buffer(SIZE * NAME)
        self._control = ctypes.create_string_buffer(SIZE * CONTROL)
        self._buffer_bytes = memoryview(self._buffers).cast("B")
        self._name_bytes = memoryview(self._names).cast("B")
        self._name_words = self._name_bytes.cast("Q")
        self._control_bytes = memoryview(self._control).cast("B")
        self._control_words = self._control_bytes.cast("I")
        self._zeros = memoryview(bytes(4 * SIZE)).cast("I")
        self._fitted: dict[Shape, tuple[_Headers, _Headers, bytes]] = {}
        self._shape: Shape | None = None
        self._fit(shape_of(socket.AF_INET, tells_address=False))
        self.count = 0

    def _fit(self, shape: Shape) -> None:
        """Take the headers for datagrams of another shape."""
        if shape not in self._fitted:
            places = [ctypes.addressof(each) for each in (self._buffers, self._names, self._control)]
            both = _Headers(), _Headers()
            for headers in both:
                headers.point(places[0], places[1], places[2], shape)
            self._fitted[shape] = (*both, bytes(both[0].bytes))
        self._requests, self._replies, self._fresh = self._fitted[shape]
        self._request_words, self._reply_words = self._requests.words, self._replies.words
        self._reply_iovecs = self._replies.iovec_words
        self._shape = shape

    def receive(self, descriptor: int, shape: Shape) -> int:
        """
        Receive what waits, at most `SIZE` datagrams, and return their number.

        :raises BlockingIOError: nothing waits.
        :raises OSError: as recvmmsg(2).
        """
        if shape is not self._shape:
            self._fit(shape)
        elif shape.control:
            # The kernel wrote how much of each block it used, which is all that the next one would get.
            self._requests.bytes[:] = self._fresh
        count: int = self._receive(descriptor, self._requests.at, SIZE, _MSG_DONTWAIT, None)
        if count < 0:
            self.count = 0
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        self.count = count
        if shape.control:
            used = self._request_words[_CONTROL_LEN : 8 * count : 8]
            self._reply_words[_CONTROL_LEN : 8 * count : 8] = used
        return count

    def lengths(self) -> list[int]:
        """Return the length of each datagram."""
        return self._request_words[_MSG_LEN : 8 * self.count : 8].tolist()

    def names_4(self) -> list[int]:
        """Return family, port and address of each IPv4 peer as one number, good for comparing."""
        return self._name_words[0 : self.count * NAME // 8 : NAME // 8].tolist()

    def name(self, index: int) -> bytes:
        """Return a peer's name: a sockaddr_in or sockaddr_in6 (28 bytes)."""
        return bytes(self._name_bytes[index * NAME : index * NAME + 28])

    def gist(self, index: int) -> bytes:
        """Return a datagram, or both ends of a long one."""
        start = index * STRIDE
        end = start + self._request_words[8 * index + _MSG_LEN]
        if end - start <= 2 * GIST:
            return bytes(self._buffer_bytes[start:end])
        return bytes(self._buffer_bytes[start : start + GIST]) + bytes(self._buffer_bytes[end - GIST : end])

    def unicast(self, family: int) -> bool:
        """Tell whether every datagram was sent to this host alone, not to a broadcast or multicast address."""
        if family == socket.AF_INET6:
            first = self._control_bytes[_ADDRESS_6 : self.count * CONTROL : CONTROL]
            return b"\xff" not in bytes(first)
        words, end, step = self._control_words, self.count * CONTROL // 4, CONTROL // 4
        return words[_LOCAL_4:end:step] == words[_DESTINATION_4:end:step]

    def is_unicast(self, index: int, family: int) -> bool:
        """Tell whether one datagram was sent to this host alone."""
        if family == socket.AF_INET6:
            return self._control_bytes[index * CONTROL + _ADDRESS_6] != 0xFF
        at = index * CONTROL // 4
        return self._control_words[at + _LOCAL_4] == self._control_words[at + _DESTINATION_4]

    def arrived_at(self, index: int, family: int) -> str:
        """Return the local address that one datagram hit, where the kernel tells it."""
        first, size = (_ADDRESS_6, 16) if family == socket.AF_INET6 else (4 * _LOCAL_4, 4)
        start = index * CONTROL + first
        return socket.inet_ntop(family, self._control_bytes[start : start + size])

    def turn_back(self) -> int:
        """
        Make the received messages into replies: the same bytes, to the sender, from the address that was hit.

        :returns: the sum of their lengths, in bytes.
        """
        count = self.count
        lengths = self._request_words[_MSG_LEN : 8 * count : 8]
        self._reply_iovecs[_IOV_LEN : 2 * count : 2] = lengths
        return sum(lengths.tolist())

    def forget_interfaces(self, family: int) -> None:
        """
        Leave the replies' interface to the routing table: they may well take another way than the requests.

        Only a link-local address, valid on one link alone, needs its interface.
        """
        count = self.count
        first = _INDEX_6 if family == socket.AF_INET6 else _INDEX_4
        kept = self._link_local() if family == socket.AF_INET6 else []
        self._control_words[first : count * CONTROL // 4 : CONTROL // 4] = self._zeros[:count]
        for at, interface in kept:
            self._control_words[at] = interface

    def _link_local(self) -> list[tuple[int, int]]:
        """
        Return place and interface of each datagram that hit a link-local address, the only ones that begin with 0xFE.

        (Site-local ones, fec0::/10, do too, but RFC 3879 has done away with them.)
        """
        first = bytes(self._control_bytes[_ADDRESS_6 : self.count * CONTROL : CONTROL])
        if 0xFE not in first:
            return []
        places = [index * CONTROL // 4 + _INDEX_6 for index, byte in enumerate(first) if byte == 0xFE]
        return [(at, self._control_words[at]) for at in places]

    def send(self, descriptor: int, start: int, end: int) -> int:
        """
        Send the messages from `start` up to `end`, and return how many left before the first that did not.

        :raises BlockingIOError: the socket's send buffer is full.
        :raises OSError: the first of them cannot be sent.
        """
        count: int = self._send(descriptor, self._replies.at + start * _HEADER, end - start, _MSG_DONTWAIT)
        if count < 0:
            code = ctypes.get_errno()
            raise OSError(code, errno.errorcode.get(code, ""))
        return count
