"""
How many connections there may be: in the process, in a service, and from one source.

A service that is full stops accepting, and the kernel queues what comes; a source that has its share is turned away at
once, since queueing it would make others wait.
"""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Protocol
from weakref import WeakSet

from echod.guard.sources import packed, source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from echod.guard.sources import Permit

RESERVED_DESCRIPTORS = 64
"""Descriptors of the process that no connection may take: for logging, reloading and reading files."""

SIDE_CONNECTIONS = 100
"""Connections that each of the things served over HTTP beside the services has at most."""


class Gate(Protocol):
    """What accepts connections, and can be told to stop."""

    def hold(self) -> None:
        """Stop accepting."""

    def release(self) -> None:
        """Accept again."""


class Room:
    """
    The room that all services of the process share.

    :param limit: connections in all.
    """

    def __init__(self, limit: int) -> None:
        self.limit = max(1, limit)
        self.used = 0
        self._admissions: WeakSet[Admission] = WeakSet()

    @classmethod
    def of_process(cls) -> Room:
        """Make the room that the process's descriptor limit leaves."""
        return cls(_left(0))

    def leave_to_others(self, taken: int) -> None:
        """Make room for so many descriptors of another sort, beside those that are reserved."""
        self.limit = max(1, _left(taken))
        self._tell()

    @property
    def full(self) -> bool:
        """Whether no connection has room."""
        return self.used >= self.limit

    def share(self, admission: Admission) -> None:
        """Tell an admission from now on when the last room is taken, and when there is room again."""
        self._admissions.add(admission)

    def enter(self) -> None:
        """Take one connection's room."""
        self.used += 1
        if self.full:
            self._tell()

    def leave(self) -> None:
        """Give one connection's room back."""
        was_full = self.full
        self.used -= 1
        if was_full:
            self._tell()

    def _tell(self) -> None:
        for admission in list(self._admissions):
            admission.reconsider()


def _left(taken: int) -> int:
    """Return the descriptors that the process's limit (RLIMIT_NOFILE of getrlimit(2)) leaves to connections."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (1 << 31 if soft == resource.RLIM_INFINITY else soft) - RESERVED_DESCRIPTORS - taken


class Admission:
    """
    Who is let in to one service.

    :param permit: its `allow` and `deny`.
    :param room: the process's.
    :param most: its own connections, at most.
    :param most_per_source: of one source, at most.
    """

    def __init__(self, permit: Permit, room: Room, most: int, most_per_source: int) -> None:
        self._room = room
        self.become(permit, most, most_per_source)
        self._used = 0
        self._sources: dict[bytes, int] = {}
        self._gates: list[Gate] = []
        self._holding = False
        room.share(self)

    def become(self, permit: Permit, most: int, most_per_source: int) -> None:
        """Go by other settings from now on; who is in stays, and counts."""
        self._permit = permit
        self._most = most
        self._most_per_source = most_per_source

    def guard(self, gates: Iterable[Gate]) -> None:
        """Have these gates alone; those that are left out are released."""
        before, self._gates = self._gates, []
        after = list(gates)
        for gate in before:
            if self._holding and gate not in after:
                gate.release()
        for gate in after:
            self.add_gate(gate)
        self.reconsider()

    def add_gate(self, gate: Gate) -> None:
        """Let a port be told when the service is full."""
        self._gates.append(gate)
        if self._holding:
            gate.hold()

    def enter(self, host: str) -> str | None:
        """
        Let a connection in from an address, or return the reason why not.

        Each one let in must `leave` again. When it was the last that has room, the gates are held.
        """
        address = packed(host)
        if not self._permit.open and not self._permit.admits(address):
            return "denied"
        key = source(address)
        count = self._sources.get(key, 0)
        if key and count >= self._most_per_source:
            return "per-source"
        if self._used >= self._most or self._room.full:
            return "full"
        self._sources[key] = count + 1
        self._used += 1
        self._room.enter()
        self.reconsider()
        return None

    def leave(self, host: str) -> None:
        """Give a connection's place back."""
        key = source(packed(host))
        count = self._sources[key] - 1
        if count:
            self._sources[key] = count
        else:
            del self._sources[key]
        self._used -= 1
        self._room.leave()
        self.reconsider()

    def reconsider(self) -> None:
        """Hold or release the gates, as there is room."""
        holding = self._used >= self._most or self._room.full
        if holding == self._holding:
            return
        self._holding = holding
        for gate in self._gates:
            if holding:
                gate.hold()
            else:
                gate.release()
