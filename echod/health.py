"""
The pages of metrics and health, and the port of their own that `metrics:` gives them.

An answer to Prometheus is made in pieces, between which the services go on.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector
from twisted.internet.defer import CancelledError, Deferred, DeferredLock
from twisted.internet.task import deferLater
from twisted.web.server import NOT_DONE_YET

from echod.metrics import registry
from echod.web import BoundedSite, Plain, Sentence, send

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import CollectorRegistry, Metric
    from twisted.internet.interfaces import IReactorTime
    from twisted.python.failure import Failure
    from twisted.web.resource import Resource

    from echod import config
    from echod.metrics import Observed

TEXT = "text/plain; version=0.0.4; charset=utf-8"
"""The content type of Prometheus's text format."""

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
"""The content type of OpenMetrics, for those who ask for it."""

SLICE = 0.005
"""Seconds that are spent on an answer before the services have their turn."""

_EOF = b"# EOF\n"


class _One(Collector):
    """A registry of one metric, for the library's formats."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterable[Metric]:
        return [self._metric]


class MetricsPage(Plain):
    """
    All metrics, in the format that is asked for.

    Answers are made one after another, and each gives way after `SLICE` seconds: a thousand services have megabytes
    of metrics, and nobody's echo must wait for them.
    """

    def __init__(self, metrics: CollectorRegistry, clock: IReactorTime) -> None:
        super().__init__()
        self._metrics = metrics
        self._clock = clock
        self._turn = DeferredLock()

    def render_GET(self, request: Any) -> int:
        """Begin to answer. Called by Twisted."""
        over = request.notifyFinish()
        made = Deferred.fromCoroutine(self._answer(request))

        def failed(failure: Failure) -> None:
            """Say so, unless whoever asked has left."""
            if failure.check(CancelledError) is None:
                request.processingFailed(failure)

        made.addErrback(failed)
        over.addErrback(lambda _: made.cancel())
        return NOT_DONE_YET

    async def _answer(self, request: Any) -> None:
        openmetrics = wants_openmetrics(request.requestHeaders.getRawHeaders("Accept", []))
        await self._turn.acquire()
        try:
            body = await self._page(openmetrics=openmetrics)
        finally:
            self._turn.release()
        request.setHeader("Content-Type", OPENMETRICS if openmetrics else TEXT)
        send(request, body)

    async def _page(self, *, openmetrics: bool) -> bytes:
        """Make the page, metric by metric."""
        written = generate_openmetrics if openmetrics else generate_latest
        began = self._clock.seconds()
        pages = []
        for metric in self._metrics.collect():
            pages.append(written(_One(metric)).removesuffix(_EOF))
            if self._clock.seconds() - began >= SLICE:
                await deferLater(self._clock, 0)
                began = self._clock.seconds()
        return b"".join(pages) + (_EOF if openmetrics else b"")


def wants_openmetrics(accept: Iterable[str]) -> bool:
    """Tell whether the values of `Accept` (RFC 9110, section 12.5.1) name OpenMetrics, as those of Prometheus do."""
    ranges = [each.partition(";") for value in accept for each in value.lower().split(",")]
    return any(kind.strip() == "application/openmetrics-text" for kind, _, _ in ranges)


def health_pages(echod: Observed, clock: IReactorTime) -> dict[bytes, Resource]:
    """
    Make the pages of metrics and health, by their names: children for the root of a site.

    `healthz` is for whoever restarts what hangs: it is 200 while the process answers. `readyz` is for whoever
    balances load: it is 503 before everything listens, and again from the moment in which the daemon begins to stop.
    """

    def ready() -> tuple[HTTPStatus, str]:
        if echod.ready:
            return HTTPStatus.OK, "ready"
        return HTTPStatus.SERVICE_UNAVAILABLE, "draining" if echod.draining else "starting"

    return {
        b"metrics": MetricsPage(registry(echod), clock),
        b"healthz": Sentence(lambda: (HTTPStatus.OK, "healthy")),
        b"readyz": Sentence(ready),
    }


def metrics_factory(echod: Observed, settings: config.Metrics, clock: IReactorTime) -> BoundedSite:
    """Make what serves the port of `metrics:`."""
    del settings  # where it listens is not our concern, and there is nothing else to choose
    root = Plain()
    for name, page in health_pages(echod, clock).items():
        root.putChild(name, page)
    return BoundedSite(root, clock)
