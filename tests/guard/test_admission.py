"""How many connections there may be."""

from __future__ import annotations

import resource
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echod.guard.admission import RESERVED_DESCRIPTORS, Admission, Room
from echod.guard.sources import Permit


class Port:
    """A gate that notes whether it is open."""

    def __init__(self) -> None:
        self.open = True

    def hold(self) -> None:
        """Close; never twice."""
        assert self.open
        self.open = False

    def release(self) -> None:
        """Open; never twice."""
        assert not self.open
        self.open = True


def service(room: Room, most: int = 100, per_source: int = 100, permit: Permit | None = None) -> tuple[Admission, Port]:
    """Make a service with one port."""
    admission = Admission(Permit() if permit is None else permit, room, most, per_source)
    port = Port()
    admission.add_gate(port)
    return admission, port


def test_a_full_service_holds_its_port() -> None:
    """At the limit the port is held, before another connection is accepted, and released as soon as one leaves."""
    admission, port = service(Room(100), most=3)
    for number in range(3):
        assert port.open
        assert admission.enter(f"192.0.2.{number}") is None
    assert not port.open
    assert admission.enter("192.0.2.9") == "full"
    admission.leave("192.0.2.0")
    assert port.open
    assert admission.enter("192.0.2.9") is None
    assert not port.open
    late = Port()
    admission.add_gate(late)
    assert not late.open


def test_a_source_has_its_share() -> None:
    """One more than its share is refused, a neighbour is not, and a slot is free as soon as one leaves."""
    admission, port = service(Room(100), per_source=2)
    assert [admission.enter("192.0.2.1") for _ in range(3)] == [None, None, "per-source"]
    assert admission.enter("::ffff:192.0.2.1") == "per-source"
    assert admission.enter("192.0.2.2") is None
    admission.leave("::ffff:192.0.2.1")
    assert admission.enter("192.0.2.1") is None
    assert [admission.enter(f"2001:db8::{number}") for number in range(3)] == [None, None, "per-source"]
    assert admission.enter("2001:db8:0:1::1") is None
    assert port.open


def test_peers_without_an_address_have_no_share() -> None:
    """All clients of a Unix socket are of this host: only the number of connections limits them."""
    admission, _ = service(Room(100), most=5, per_source=1)
    assert [admission.enter("") for _ in range(6)] == [None] * 5 + ["full"]


def test_rules_come_first() -> None:
    """Who is denied is told so, whatever is full, and takes no place."""
    admission, _ = service(Room(100), most=1, permit=Permit(deny=[ip_network("192.0.2.0/24")]))
    assert admission.enter("192.0.2.1") == "denied"
    assert admission.enter("198.51.100.1") is None


def test_the_process_is_shared() -> None:
    """When one service takes the last room of the process, the ports of all are held, and released together."""
    room = Room(3)
    (one, gate), (other, other_gate) = service(room), service(room)
    assert [one.enter("192.0.2.1"), one.enter("192.0.2.1"), other.enter("192.0.2.1")] == [None] * 3
    assert not gate.open
    assert not other_gate.open
    assert other.enter("192.0.2.2") == "full"
    one.leave("192.0.2.1")
    assert gate.open
    assert other_gate.open
    assert other.enter("192.0.2.2") is None
    assert not gate.open


def test_the_room_is_below_the_limit_of_descriptors() -> None:
    """There are always descriptors left for all else."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = Room.of_process()
    assert room.limit == soft - RESERVED_DESCRIPTORS
    room.leave_to_others(10)
    assert room.limit == soft - RESERVED_DESCRIPTORS - 10
    room.leave_to_others(soft)
    assert room.limit == 1


def test_less_room_than_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another port or page takes from the room: nobody is cut, and nobody comes in until enough have left."""
    monkeypatch.setattr("echod.guard.admission.resource.getrlimit", lambda _: (RESERVED_DESCRIPTORS + 5, 0))
    room = Room.of_process()
    admission, gate = service(room)
    for number in range(4):
        assert admission.enter(f"192.0.2.{number}") is None
    assert gate.open
    room.leave_to_others(2)
    assert not gate.open
    assert admission.enter("192.0.2.9") == "full"
    admission.leave("192.0.2.0")
    assert not gate.open
    admission.leave("192.0.2.1")
    assert gate.open
    room.leave_to_others(0)
    assert gate.open


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), st.booleans()), max_size=200))
def test_whatever_comes_and_goes(steps: list[tuple[int, int, bool]]) -> None:
    """Counts never pass a limit, ports are held exactly while something is full, and in the end all is free."""
    room = Room(5)
    services = [service(room, most=4, per_source=2) for _ in range(2)]
    inside: list[tuple[int, str]] = []
    for which, host, enters in steps:
        admission, _ = services[which]
        name = f"192.0.2.{host}"
        if enters:
            of_source = inside.count((which, name))
            of_service = sum(each[0] == which for each in inside)
            reason = admission.enter(name)
            assert (reason is None) == (of_source < 2 and of_service < 4 and len(inside) < 5)
            if reason is None:
                inside.append((which, name))
        elif (which, name) in inside:
            inside.remove((which, name))
            admission.leave(name)
        assert room.used == len(inside)
        for number, (_, port) in enumerate(services):
            assert port.open == (sum(each[0] == number for each in inside) < 4 and len(inside) < 5)
    for which, name in inside:
        services[which][0].leave(name)
    assert room.used == 0
    assert all(port.open for _, port in services)


@pytest.mark.parametrize("limit", [-60, 0, 1])
def test_there_is_always_room_for_one(limit: int) -> None:
    """Even where the process may hardly open anything."""
    admission, _ = service(Room(limit))
    assert admission.enter("192.0.2.1") is None
