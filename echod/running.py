"""One service at work: its settings, its ports, and what makes its connections."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from echod.addresses import written_address
from echod.answers.choose import framing_for
from echod.connection import StreamLimits
from echod.guard.admission import Admission
from echod.guard.buckets import Buckets
from echod.guard.datagrams import DatagramGuard
from echod.guard.sources import Permit
from echod.tally import Tally
from echod.tcp import StreamServerFactory
from echod.transport.accept import StreamPort
from echod.transport.datagram import DatagramPort
from echod.transport.proxied import ProxiedFactory

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator

    from twisted.internet.interfaces import IProtocolFactory

    from echod import config
    from echod.answers.answer import Answer
    from echod.config import Limits, Listen
    from echod.guard.admission import Room
    from echod.guard.patience import Patience
    from echod.opening import Opened
    from echod.sink import Watchable


@dataclass
class Running:
    """
    A service with its counts; what makes its connections and guards its datagrams goes by its settings.

    :ivar ports: where it listens.
    """

    settings: config.Service
    tally: Tally
    factory: StreamServerFactory
    guard: DatagramGuard
    ports: list[Opened] = field(default_factory=list)

    def addresses(self) -> Iterator[tuple[Listen, str]]:
        """Return where it listens, with the ports that the kernel gave."""
        for opened in self.ports:
            yield opened.listen, written_address(opened.port.getHost())

    def dropped(self) -> Counter[str]:
        """Return what it dropped since it started, by reason; what the kernel dropped before us is `kernel`."""
        counts = self.tally.dropped.copy()
        for opened in self.ports:
            if isinstance(opened.port, DatagramPort):
                counts["kernel"] += opened.port.kernel_drops()
        return counts

    def watchables(self) -> Iterator[Watchable]:
        """Return what can be watched: the connections, and each datagram socket."""
        yield self.factory
        for opened in self.ports:
            if isinstance(opened.port, DatagramPort):
                yield opened.port.protocol  # type: ignore[misc]  # all of ours are a DatagramServer

    def settle(self) -> None:
        """Let the settings decide who comes in from now on, at all ports."""
        admission = self.factory.admission
        assert admission is not None
        limits = self.settings.limits
        admission.become(permit(self.settings), limits.connections, limits.connections_per_source)
        admission.guard(opened.port for opened in self.ports if isinstance(opened.port, StreamPort))

    def release(self) -> None:
        """Let its ports be another's: they are not held for its sake any more."""
        admission = self.factory.admission
        assert admission is not None
        admission.guard(())


class Maker:
    """
    Makes services from their settings.

    :param patience: times the connections.
    :param clock: the time, and delayed calls.
    :param room: for the connections of all services.
    :param own_ports: the ports of all datagram services, see `echod.guard.datagrams`.
    """

    def __init__(self, patience: Patience, clock: Any, room: Room, own_ports: set[int]) -> None:
        self._patience = patience
        self._clock = clock
        self._room = room
        self._own_ports = own_ports

    def make(self, settings: config.Service, answer: Answer, before: Running | None = None) -> Running:
        """
        Make a service, without ports; nothing of the one `before` it changes.

        It goes on with its counts: what it has served, who is in, and how much each source has sent.
        """
        limits = settings.limits
        permitted = permit(settings)
        admission = None if before is None else before.factory.admission
        if admission is None:
            admission = Admission(permitted, self._room, limits.connections, limits.connections_per_source)
        tally = Tally() if before is None else before.tally
        factory = StreamServerFactory(
            answer,
            self._patience,
            self._clock,
            tally,
            framing_for(settings),
            StreamLimits(limits.idle_timeout, limits.stall_timeout, limits.lifetime, limits.buffer, limits.frame),
            admission,
        )
        guard = DatagramGuard(
            self._own_ports,
            permitted,
            _buckets(limits, before),
            self._clock.seconds,
            low_ports=settings.low_ports,
            amplify=settings.amplify,
        )
        return Running(settings, tally, factory, guard)

    def wrap(self, running: Running) -> Callable[[IProtocolFactory], IProtocolFactory]:
        """Return what makes a factory read PROXY headers, where the service has them."""
        mode = running.settings.proxy_protocol
        if mode == "off":
            return lambda factory: factory
        trusted = Permit(running.settings.trusted_proxies)
        return lambda factory: ProxiedFactory(factory, trusted, self._clock, running.factory, required=mode == "on")


def permit(settings: config.Service) -> Permit:
    """Return who may use a service."""
    return Permit(settings.allow, settings.deny)


def _buckets(limits: Limits, before: Running | None) -> Buckets | None:
    """Return how much each source may send; the buckets in use, where they do."""
    rate, burst = limits.datagrams_per_source, limits.datagrams_burst
    if not rate:
        return None
    used = None if before is None else before.guard.buckets
    return used if used is not None and (used.rate, used.burst) == (rate, burst) else Buckets(rate, burst)
