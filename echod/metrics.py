"""
Metrics for Prometheus.

Nothing is counted here: what the services count anyway, in plain integers, is read when somebody asks. So metrics cost
an echo nothing.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any, Protocol

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector
from twisted.copyright import version as twisted_version

from echod import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client import Metric

    from echod import config
    from echod.tally import Tally


class Counted(Protocol):
    """A service with its counts."""

    @property
    def settings(self) -> config.Service:
        """Its settings."""

    @property
    def tally(self) -> Tally:
        """Its counts."""


class Observed(Protocol):
    """
    What is read of the daemon.

    :ivar services: by name.
    :ivar reloads: how many there were, by result: `success` or `failure`.
    :ivar loaded_at: since when the configuration is in force, in Unix seconds.
    :ivar ready: whether it has started and is not draining.
    :ivar draining: whether its stop has begun.
    """

    @property
    def services(self) -> Mapping[str, Counted]: ...  # noqa: D102 - said above

    @property
    def reloads(self) -> Mapping[str, int]: ...  # noqa: D102

    @property
    def loaded_at(self) -> float: ...  # noqa: D102

    @property
    def ready(self) -> bool: ...  # noqa: D102

    @property
    def draining(self) -> bool: ...  # noqa: D102

    def drops(self) -> Mapping[str, Mapping[str, int]]:
        """Return what was dropped, by service and reason."""


class EchodCollector(Collector):
    """Makes metrics of what the daemon counts, each when it is asked for."""

    def __init__(self, echod: Observed) -> None:
        self._echod = echod

    def collect(self) -> Iterator[Metric]:
        """Make one metric after another. Called by the library."""
        counter, gauge = CounterMetricFamily, GaugeMetricFamily
        yield self._by_service(counter, "connections", "Connections accepted.", lambda tally: tally.connections)
        yield self._by_service(gauge, "connections_open", "Connections that are open now.", lambda tally: tally.open)
        yield self._limits()
        received, sent = "Bytes received, without headers.", "Bytes sent, without headers."
        yield self._by_service(counter, "received_bytes", received, lambda tally: tally.received_bytes)
        yield self._by_service(counter, "sent_bytes", sent, lambda tally: tally.sent_bytes)
        received, sent = "Messages received; of an unframed stream, reads.", "Messages sent."
        yield self._by_service(counter, "messages_received", received, lambda tally: tally.messages_received)
        yield self._by_service(counter, "messages_sent", sent, lambda tally: tally.messages_sent)
        yield self._dropped()
        yield self._reloads()
        loaded = "Unix time at which the configuration in force was loaded."
        yield gauge("echod_config_loaded_timestamp_seconds", loaded, self._echod.loaded_at)
        versions = {"version": __version__, "python": platform.python_version(), "twisted": twisted_version}
        yield InfoMetricFamily("echod_build", "Versions of echod and of what it runs on.", versions)

    def _by_service(self, kind: Any, name: str, text: str, value: Callable[[Tally], int]) -> Metric:
        family: Metric = kind(f"echod_{name}", text, labels=["service"])
        for service, counted in self._echod.services.items():
            family.add_metric([service], value(counted.tally))  # type: ignore[attr-defined]  # each kind has it
        return family

    def _limits(self) -> Metric:
        text = "Connections that may be open, by the limit of the service."
        family = GaugeMetricFamily("echod_connections_limit", text, labels=["service"])
        for service, counted in self._echod.services.items():
            if any(not listen.datagram for listen in counted.settings.listen):
                family.add_metric([service], counted.settings.limits.connections)
        return family

    def _dropped(self) -> Metric:
        text = "Datagrams not answered, connections refused or cut off, and failures, by reason."
        family = CounterMetricFamily("echod_dropped", text, labels=["service", "reason"])
        for service, reasons in self._echod.drops().items():
            for reason, count in sorted(reasons.items()):
                family.add_metric([service, reason], count)
        return family

    def _reloads(self) -> Metric:
        text = "Reloads of the configuration, by result."
        family = CounterMetricFamily("echod_reloads", text, labels=["result"])
        for result in ("success", "failure"):
            family.add_metric([result], self._echod.reloads.get(result, 0))
        return family


def registry(echod: Observed) -> CollectorRegistry:
    """Make a registry of all metrics: the daemon's, its process's and its Python's."""
    made = CollectorRegistry()
    made.register(EchodCollector(echod))
    ProcessCollector(registry=made)
    PlatformCollector(registry=made)
    GCCollector(registry=made)
    return made
