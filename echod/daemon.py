"""
The parts of the daemon, put together.

What only some configurations have, and what it needs, is imported when a configuration has it.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from twisted.internet.threads import deferToThread

from echod.access import Access
from echod.logs import log_for
from echod.service import Echod
from echod.steady import steady
from echod.systemd import Supervisor
from echod.transport.inherited import Inherited
from echod.transport.mmsg import Batch
from echod.transport.paths import plain_datagrams, plain_streams
from echod.transport.poller import Poller
from echod.watch import Hub

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twisted.internet.interfaces import IProtocolFactory

    from echod.answers.answer import Answer
    from echod.config import Config
    from echod.console.site import Console
    from echod.service import Read


def daemon(
    reactor: Any,
    loaded: tuple[Config, Mapping[str, Answer]],
    read: Read,
    environ: Mapping[str, str],
    options: Mapping[str, Any] | None,
) -> Echod:
    """
    Make the daemon of a configuration; nothing is bound yet.

    :param loaded: the configuration, and what each service answers.
    :param read: reads it anew.
    :param options: twistd's own; None when another program runs us.
    """
    steady(reactor)
    host = reactor if plain_streams(environ) else Poller(reactor)
    batch = None if plain_datagrams(environ) else Batch()
    hub = Hub(reactor, time.time)
    service = Echod(
        *loaded,
        reactor,
        host,
        batch,
        Inherited.from_environment(environ),
        read=read,
        sides=Sides(reactor, hub),
        aside=deferToThread,
        hub=hub,
    )
    log = log_for(options, environ, reactor)
    access = Access(hub)

    def change(config: Config) -> None:
        log.apply(config.top.log)
        access.become(config.top.log)

    log.apply(loaded[0].top.log)
    service.at_parent = log.install
    service.at_change = change
    service.told = Supervisor(environ, reactor, os.getpid, time.monotonic_ns)
    return service


class Sides:
    """
    Makes what is served beside the services.

    :param reactor: connects to services, gives the time, and calls later.
    :param hub: where the services are watched.
    """

    def __init__(self, reactor: Any, hub: Hub) -> None:
        self._reactor = reactor
        self._hub = hub
        self._console: Console | None = None

    def make(self, key: str, echod: Echod, settings: Any) -> IProtocolFactory:
        """
        Return the factory for `metrics` or `console`.

        :raises ConfigError: it cannot be made.
        """
        if key == "metrics":
            from echod.health import metrics_factory  # noqa: PLC0415 - see above

            return metrics_factory(echod, settings, self._reactor)
        from echod.console.site import Console  # noqa: PLC0415 - see above

        if self._console is None:
            self._console = Console(self._reactor, self._hub, deferToThread)
        return self._console(echod, settings)

    def close(self) -> None:
        """End what would not end by itself when the daemon stops."""
        if self._console is not None:
            self._console.close()
