"""
The console of one daemon, as a site on its port.

There is one site for the daemon's life: when the configuration changes, connections stay, and what a request may do and
which page it gets go by the configuration that is in force when it comes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import maybeDeferred
from twisted.web.resource import Resource, getChildForRequest

from echod.config.gather import EMBEDDED
from echod.config.sides import resolved
from echod.console.api import Api
from echod.console.bodies import MOST_BYTES
from echod.console.catalog import Catalog
from echod.console.changes import Changes
from echod.console.exchange import refused
from echod.console.guarding import Guard, token_in
from echod.console.page_files import INDEX, PageFile, page_files
from echod.console.refusal import Refusal
from echod.console.streams import Streams
from echod.health import health_pages
from echod.web import BoundedSite

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twisted.internet.defer import Deferred

    from echod.config import Console as Settings
    from echod.service import Echod
    from echod.watch import Hub


@dataclass(frozen=True)
class Terms:
    """What a configuration says of the console."""

    settings: Settings
    guard: Guard
    pages: Mapping[str, PageFile]


class Console:
    """
    Makes the console's site; a maker for `echod.service.Echod`, one for a daemon.

    :param reactor: connects to the services that are tried, gives the time, and calls later.
    :param hub: where the services are watched.
    :param aside: runs what blocks, in a thread perhaps.
    :param wall: gives the time in seconds since 1970.
    """

    def __init__(
        self,
        reactor: Any,
        hub: Hub,
        aside: Callable[..., Deferred[Any]] = maybeDeferred,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._reactor = reactor
        self._hub = hub
        self._aside = aside
        self._wall = wall
        self._site: BoundedSite | None = None
        self._made: list[Terms] = []
        self._echod: Echod | None = None
        self._streams: Streams | None = None

    def __call__(self, echod: Echod, settings: Settings) -> BoundedSite:
        """
        Take the terms of a configuration, which come into force with it, and return the site.

        :raises ConfigError: the token cannot be used.
        """
        token = None
        if settings.token_file is not None:
            main = echod.config.files[0]
            token = token_in(Path(resolved("" if main == EMBEDDED else main, settings.token_file)))
        self._made.append(Terms(settings, Guard(settings, token), page_files()))
        if self._site is None:
            self._site = self._make(echod)
        return self._site

    @property
    def terms(self) -> Terms | None:
        """What is in force; None when the configuration has no console any more."""
        assert self._echod is not None, "a site was made"
        settings = self._echod.config.top.console
        found = [terms for terms in self._made if terms.settings is settings]
        if found:
            # Those before it are over, and those of changes that failed never began.
            self._made = self._made[self._made.index(found[-1]) :]
        return found[-1] if found else None

    def close(self) -> None:
        """End the streams of events: the daemon stops."""
        if self._streams is not None:
            self._streams.close()

    def _make(self, echod: Echod) -> BoundedSite:
        self._echod = echod
        catalog = Catalog(echod)
        streams = self._streams = Streams(echod, catalog, self._hub, self._reactor, self._wall)
        changes = Changes(echod, catalog, self._aside, streams.look)
        api = Api(echod, catalog, changes, streams, self._reactor, self._still_allowed)
        # A little more than is taken comes in, so that the interface can say itself that it is too much.
        return BoundedSite(Front(self, api, health_pages(echod, self._reactor)), self._reactor, body=2 * MOST_BYTES)

    def _still_allowed(self) -> Callable[[], bool]:
        """Return what tells whether a request that is let in now still would be."""
        before = self.terms

        def allowed() -> bool:
            now = self.terms
            return before is not None and now is not None and before.guard == now.guard

        return allowed


class Front(Resource):
    """
    The root of the site: asks who comes, and shows the way.

    :param health: pages by their names.
    """

    isLeaf = True

    def __init__(self, console: Console, api: Api, health: Mapping[bytes, Resource]) -> None:
        super().__init__()
        self._console = console
        self._api = api.app.resource()
        self._health = health

    def render(self, request: Any) -> Any:
        """Answer a request. Called by Twisted."""
        terms = self._console.terms
        try:
            if terms is None:
                raise Refusal(503, "there is no console any more")  # noqa: TRY301 - answered as the guard's are
            return self._admitted(request, terms)
        except Refusal as refusal:
            return refused(request, refusal)

    def _admitted(self, request: Any, terms: Terms) -> Any:
        first = request.postpath[0] if request.postpath else b""
        terms.guard.check_host(request)
        if first == b"api":
            # klein would write each such path to the log.
            if not all(map(_is_text, request.postpath)):
                raise Refusal(404, "nothing is served under this path")
            terms.guard.check_origin(request)
            terms.guard.check_token(request)
            return self._api.render(request)
        if first in self._health:
            if first == b"metrics":
                terms.guard.check_origin(request)
                terms.guard.check_token(request)
            request.prepath.append(request.postpath.pop(0))
            return getChildForRequest(self._health[first], request).render(request)
        return _page(request, terms.pages)


def _is_text(part: bytes) -> bool:
    """Tell whether a part of a path is UTF-8."""
    try:
        part.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _page(request: Any, pages: Mapping[str, PageFile]) -> bytes:
    """Return a file of the page."""
    if request.method not in (b"GET", b"HEAD"):
        raise Refusal(405, "what can be done here is GET, HEAD", headers={"Allow": "GET, HEAD"})
    name = "/".join(part.decode("utf-8", "replace") for part in request.postpath)
    found = pages.get(name or INDEX)
    if found is None:
        raise Refusal(404, "nothing is served under this path")
    return found.render(request)
