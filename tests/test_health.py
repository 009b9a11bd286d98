"""The pages of metrics and health, and how long others wait for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text_metrics
from prometheus_client.registry import Collector

from echod.config import Metrics
from echod.health import OPENMETRICS, SLICE, TEXT, MetricsPage, metrics_factory, wants_openmetrics
from echod.web import BoundedSite, Plain
from tests.browsing import Browser, Turns
from tests.observed import Observed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from twisted.python.failure import Failure

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;q=0.75,application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=0.0.4;q=0.25,*/*;q=0.1"
)


@pytest.fixture
def echod(tmp_path: Path) -> Observed:
    """Give a daemon."""
    return Observed.of(tmp_path, '  echo: {listen: "tcp:0", protocol: echo}\n')


@pytest.fixture
def browser(echod: Observed) -> Iterator[Browser]:
    """Give a connection to its port of metrics."""
    clock = Turns()
    settings = Metrics.model_validate({"listen": "tcp:9107:interface=127.0.0.1"})
    made = Browser(metrics_factory(echod, settings, clock))
    yield made
    made.gone()
    assert not clock.getDelayedCalls()


class Slow(Collector):
    """Metrics of which each takes a while."""

    def __init__(self, clock: Turns, *, fails: bool = False) -> None:
        self._clock = clock
        self._fails = fails
        self.made = 0

    def describe(self) -> list[Metric]:
        """Name none."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Make three, slowly."""
        for name in "abc":
            self.made += 1
            self._clock.rightNow += 2 * SLICE
            if self._fails and name == "c":
                raise ValueError
            yield GaugeMetricFamily(name, "Text.", 1)


class Waited:
    """A page of slow metrics, and connections that ask for it."""

    def __init__(self, count: int, *, fails: bool = False) -> None:
        self.clock = Turns()
        self.slow = Slow(self.clock, fails=fails)
        metrics = CollectorRegistry()
        metrics.register(self.slow)
        root = Plain()
        root.putChild(b"metrics", MetricsPage(metrics, self.clock))
        site = BoundedSite(root, self.clock)
        self.browsers = [Browser(site) for _ in range(count)]
        for browser in self.browsers:
            browser.send(b"GET /metrics HTTP/1.1\r\n\r\n")

    def statuses(self) -> list[list[int]]:
        """Return what each got since it was last asked."""
        return [[answer.status for answer in browser.answers()] for browser in self.browsers]

    def close(self) -> None:
        """End every connection."""
        for browser in self.browsers:
            browser.gone()
        assert not self.clock.getDelayedCalls()


def test_metrics_as_text(browser: Browser) -> None:
    """What everybody gets who does not ask for anything else."""
    answer = browser.get("/metrics")
    assert (answer.status, answer.headers["content-type"]) == (200, TEXT)
    names = {family.name for family in text_metrics(answer.text)}
    assert {"echod_connections", "echod_reloads", "echod_build_info", "process_open_fds"} <= names


def test_metrics_as_openmetrics(browser: Browser) -> None:
    """What Prometheus asks for; its own reader takes it, and it ends once."""
    answer = browser.get("/metrics", headers=f"Accept: {PROMETHEUS}\r\n")
    assert (answer.status, answer.headers["content-type"]) == (200, OPENMETRICS)
    names = {family.name for family in openmetrics(answer.text)}
    assert {"echod_connections", "echod_reloads", "echod_build", "process_open_fds"} <= names
    assert answer.text.count("# EOF") == 1


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ([], False),
        (["*/*"], False),
        (["text/plain;version=0.0.4"], False),
        ([PROMETHEUS], True),
        (["text/html, Application/OpenMetrics-Text ; version=99"], True),
        (["text/plain", "application/openmetrics-text"], True),
        (["application/openmetrics-texts", ",;,", ";=;"], False),
    ],
)
def test_who_wants_openmetrics(accept: list[str], wanted: bool) -> None:
    """Whoever names it, in any of the headers, with whatever parameters."""
    assert wants_openmetrics(accept) is wanted


def test_the_content_type_is_ours(browser: Browser) -> None:
    """Nothing of what was asked for gets into it."""
    answer = browser.get("/metrics", headers="Accept: application/openmetrics-text;version=9.9.9;escaping=x\r\n")
    assert answer.headers["content-type"] == OPENMETRICS


def test_health(echod: Observed, browser: Browser) -> None:
    """Healthy is whoever answers; ready is whoever has started, until the stop begins."""

    def health() -> list[tuple[int, str]]:
        pages = [browser.get(path) for path in ("/healthz", "/readyz")]
        return [(page.status, page.text) for page in pages]

    assert health() == [(200, "healthy\n"), (503, "starting\n")]
    echod.ready = True
    assert health() == [(200, "healthy\n"), (200, "ready\n")]
    echod.ready, echod.draining = False, True
    assert health() == [(200, "healthy\n"), (503, "draining\n")]


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
def test_each_page_is_only_read(browser: Browser, path: str) -> None:
    """HEAD gives the length, other methods are refused, and there is nothing beneath."""
    assert browser.get(path).body
    head = browser.get(path, "HEAD")
    assert int(head.headers["content-length"]) > 4
    assert browser.get(path, "POST", "Content-Length: 1\r\n", b"x").status == 405
    assert browser.get(f"{path}/").status == 404
    assert browser.get(f"{path}/more").status == 404
    assert browser.get("/").status == 404


def test_others_have_their_turn() -> None:
    """Of a long page, no more than a slice is made in a turn."""
    waited = Waited(1)
    for made in (1, 2, 3):
        assert waited.slow.made == made
        assert waited.statuses() == [[]]
        waited.clock.turn()
    assert waited.statuses() == [[200]]
    waited.close()


def test_one_page_at_a_time() -> None:
    """Many who ask at once wait for one another, and each gets a page."""
    waited = Waited(3)
    assert waited.slow.made == 1
    turns = 0
    found: list[list[int]] = [[], [], []]
    while found != [[200]] * 3:
        before = waited.slow.made
        waited.clock.turn()
        turns += 1
        assert waited.slow.made - before <= 1
        found = [old + new for old, new in zip(found, waited.statuses(), strict=True)]
        assert turns < 100
    assert waited.slow.made == 9
    waited.close()


def test_who_leaves_is_not_waited_for() -> None:
    """Neither while the page is made nor in the queue."""
    waited = Waited(3)
    for browser in reversed(waited.browsers[:2]):
        browser.gone()
    del waited.browsers[:2]
    for _ in range(4):
        waited.clock.turn()
    assert waited.slow.made == 1 + 3
    assert waited.statuses() == [[200]]
    waited.close()


def test_a_metric_that_fails(logged_failures: list[Failure]) -> None:
    """It is a fault of ours, which the next one who asks does not wait for."""
    waited = Waited(2, fails=True)
    for _ in range(6):
        waited.clock.turn()
    assert waited.statuses() == [[500], [500]]
    assert len(logged_failures) == 2
    logged_failures.clear()
    waited.close()


def test_pages_are_new_for_each_site(echod: Observed) -> None:
    """The console has them as well, beside the port of metrics."""
    settings: Any = None
    first, second = (Browser(metrics_factory(echod, settings, Turns())) for _ in range(2))
    assert first.get("/healthz").status == second.get("/healthz").status == 200
    first.gone()
    second.gone()
