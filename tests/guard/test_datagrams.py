"""Which datagrams are answered: every rule on both sides."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echod.guard.buckets import Buckets
from echod.guard.datagrams import DatagramGuard
from echod.guard.repetition import ROW
from echod.guard.sources import Permit, packed

PEER = packed("192.0.2.1")
OWN = frozenset({7007, 55_555})


def guard(
    permit: Permit | None = None, buckets: Buckets | None = None, *, low_ports: bool = False, amplify: bool = False
) -> DatagramGuard:
    """Make a guard at a standing time."""
    made = Permit() if permit is None else permit
    return DatagramGuard(OWN, made, buckets, lambda: 1000.0, low_ports=low_ports, amplify=amplify)


@given(st.integers(0, 65_535), st.booleans(), st.booleans())
def test_every_port(port: int, low_ports: bool, unicast: bool) -> None:
    """Port 0 and own ports never; low ones and 2049 by the switch; and nothing that many hosts got."""
    reason = guard(low_ports=low_ports).refuse(PEER, port, unicast=unicast)
    expected: str | None
    if port == 0:
        expected = "port-zero"
    elif (port < 1024 or port == 2049) and not low_ports:
        expected = "low-port"
    elif port in OWN:
        expected = "own-port"
    else:
        expected = None if unicast else "broadcast"
    assert reason == expected


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_loopback_has_no_rate_but_every_other_rule(host: str) -> None:
    """Nothing is counted for it, so that it need not be asked about again; it may have long answers."""
    guarding = guard(buckets=Buckets(1, 1))
    address = packed(host)
    assert [guarding.refuse(address, 5000, unicast=True) for _ in range(2 * ROW)] == [None] * 2 * ROW
    assert guarding.refuse(address, 7007, unicast=True) == "own-port"
    assert guarding.refuse(address, 7, unicast=True) == "low-port"
    assert not guarding.counts(address)
    assert guarding.trusts(address)


def test_the_rate_counts_sources() -> None:
    """One source has one bucket, whatever its port, and all addresses of an IPv6 /64 are one."""
    guarding = guard(buckets=Buckets(1, 4))
    reasons = [guarding.refuse(PEER, 5000 + number, unicast=True) for number in range(6)]
    assert reasons == [None] * 4 + ["rate"] * 2
    assert guarding.refuse(packed("192.0.2.2"), 5000, unicast=True) is None
    assert guarding.refuse(packed("::ffff:192.0.2.1"), 5000, unicast=True) == "rate"
    sixes = [guarding.refuse(packed(f"2001:db8::{number}"), 5000, unicast=True) for number in range(6)]
    assert sixes == [None] * 4 + ["rate"] * 2
    assert guarding.refuse(packed("2001:db8:0:1::1"), 5000, unicast=True) is None


def test_refused_datagrams_cost_nothing() -> None:
    """What another rule drops does not empty the bucket of the address that it claims to come from."""
    guarding = guard(buckets=Buckets(1, 4))
    for _ in range(100):
        guarding.refuse(PEER, 7, unicast=True)
        guarding.refuse(PEER, 5000, unicast=False)
    assert guarding.refuse(PEER, 5000, unicast=True) is None


def test_a_loop_is_broken() -> None:
    """Equal datagrams in a long row are dropped once in it; without a rate, or from loopback, nothing is watched."""
    guarding = guard(buckets=Buckets(1, 1))
    assert guarding.counts(PEER)
    assert [guarding.repeats(PEER, 5000, b"again") for _ in range(ROW)] == [False] * (ROW - 1) + [True]
    assert not guarding.counts(packed("127.0.0.1"))
    assert not guard().counts(PEER)


@pytest.mark.parametrize(
    ("host", "reason", "trusted"),
    [("192.0.2.1", None, True), ("192.0.2.200", "denied", True), ("198.51.100.1", "denied", False)],
)
def test_who_may_and_who_is_trusted(host: str, reason: str | None, trusted: bool) -> None:
    """Trust is for whom `allow` names."""
    guarding = guard(Permit([ip_network("192.0.2.0/24")], [ip_network("192.0.2.200/32")]))
    assert guarding.refuse(packed(host), 5000, unicast=True) == reason
    assert guarding.trusts(packed(host)) is trusted


def test_trust() -> None:
    """Nobody far away is trusted unless the service says so."""
    assert not guard().trusts(PEER)
    assert guard(amplify=True).trusts(PEER)
