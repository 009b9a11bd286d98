"""The metrics: their names, what they count, and that Prometheus reads them."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from twisted.copyright import version

from echod import __version__
from echod.metrics import EchodCollector, registry
from tests.observed import Observed

if TYPE_CHECKING:
    from pathlib import Path

SERVICES = """\
  both: {listen: ["tcp:0", "udp:0"], protocol: echo, limits: {connections: 7}}
  datagrams: {listen: "udp:0", protocol: echo}
"""

Values = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def echod(tmp_path: Path) -> Observed:
    """Give a daemon of two services, each of whose counts is another number."""
    made = Observed.of(tmp_path, SERVICES)
    tally = made.services["both"].tally
    tally.connections, tally.open = 101, 3
    tally.received_bytes, tally.sent_bytes = 202, 203
    tally.messages_received, tally.messages_sent = 204, 205
    tally.dropped.update(denied=301, loop=302)
    made.kernel["both"] = 303
    made.reloads["success"] = 4
    return made


def values(text: bytes) -> Values:
    """Return every sample of a page."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def of(found: Values, name: str, **labels: str) -> float:
    """Return a sample."""
    return found[name, frozenset(labels.items())]


def test_each_count_has_its_name(echod: Observed) -> None:
    """By service, as documented."""
    found = values(generate_latest(registry(echod)))
    assert of(found, "echod_connections_total", service="both") == 101
    assert of(found, "echod_connections_open", service="both") == 3
    assert of(found, "echod_connections_limit", service="both") == 7
    assert of(found, "echod_received_bytes_total", service="both") == 202
    assert of(found, "echod_sent_bytes_total", service="both") == 203
    assert of(found, "echod_messages_received_total", service="both") == 204
    assert of(found, "echod_messages_sent_total", service="both") == 205
    assert of(found, "echod_dropped_total", service="both", reason="denied") == 301
    assert of(found, "echod_dropped_total", service="both", reason="loop") == 302
    assert of(found, "echod_dropped_total", service="both", reason="kernel") == 303
    assert of(found, "echod_connections_total", service="datagrams") == 0
    assert of(found, "echod_config_loaded_timestamp_seconds") == 1_700_000_000.5
    versions = {"version": __version__, "python": platform.python_version(), "twisted": version}
    assert of(found, "echod_build_info", **versions) == 1


def test_both_results_of_reloads_are_always_there(echod: Observed) -> None:
    """An increase of something that was not there before is none to Prometheus."""
    echod.reloads.clear()
    found = values(generate_latest(registry(echod)))
    assert of(found, "echod_reloads_total", result="success") == 0
    assert of(found, "echod_reloads_total", result="failure") == 0


def test_a_limit_only_where_there_are_connections(echod: Observed) -> None:
    """A service of datagrams has none."""
    found = values(generate_latest(registry(echod)))
    limits = [labels for name, labels in found if name == "echod_connections_limit"]
    assert limits == [frozenset({("service", "both")})]


def test_counts_are_read_when_asked(echod: Observed) -> None:
    """They are those of the moment, of the services of the moment."""
    metrics = registry(echod)
    before = values(generate_latest(metrics))
    echod.services["both"].tally.connections += 1
    del echod.services["datagrams"]
    after = values(generate_latest(metrics))
    assert of(after, "echod_connections_total", service="both") == 102
    assert of(before, "echod_connections_total", service="both") == 101
    assert not [labels for name, labels in after if ("service", "datagrams") in labels]


def test_the_process_is_there(echod: Observed) -> None:
    """With what every Prometheus client tells of it, and its Python."""
    found = values(generate_latest(registry(echod)))
    assert of(found, "process_open_fds") > 3
    assert of(found, "process_max_fds") > 3
    assert of(found, "process_start_time_seconds") > 1_600_000_000
    assert of(found, "process_resident_memory_bytes") > 10_000_000
    assert {"process_cpu_seconds_total", "python_info", "python_gc_collections_total"} <= {name for name, _ in found}


def test_each_metric_has_one_help_and_one_type(echod: Observed) -> None:
    """Names begin with `echod_`, counters end in `_total`, and nothing is said twice."""
    for metric in EchodCollector(echod).collect():
        assert metric.name.startswith("echod_")
        assert metric.documentation.endswith(".")
        names = {sample.name for sample in metric.samples}
        ending = {"counter": "_total", "info": "_info", "gauge": ""}[metric.type]
        assert names == {metric.name + ending}
    lines = generate_latest(registry(echod)).decode().splitlines()
    heads = [line.rpartition(" ")[0] if "TYPE" in line else line for line in lines if line.startswith("#")]
    assert len(heads) == len(set(heads))
