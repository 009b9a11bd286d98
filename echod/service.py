"""
The daemon: a configuration becomes running services, and a new one takes its place.

`Echod` is the one Twisted service of the daemon. It binds everything at once or nothing, serves, goes over to another
configuration without losing a byte, and stops without losing what it accepted.
"""

from __future__ import annotations

import socket
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock, maybeDeferred
from twisted.logger import Logger

from echod import __version__
from echod.addresses import written_address
from echod.config import ConfigError
from echod.report import Reporter
from echod.serving import Serving
from echod.systemd import Told, summary
from echod.transport.datagram import RECEIVE_BUFFER, DatagramPort
from echod.watch import Hub

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twisted.internet.interfaces import IProtocolFactory

    from echod.answers.answer import Answer
    from echod.config import Config, Console, Metrics
    from echod.opening import BindError, Opened, Opening
    from echod.plan import Plan
    from echod.running import Running
    from echod.serving import Prepared
    from echod.transport.inherited import Inherited
    from echod.transport.mmsg import Batch

Overlay: TypeAlias = "Mapping[str, bytes | None]"
"""Files by their names, with the bytes that are to be read instead of theirs, or None for one that is to be gone."""

Read: TypeAlias = "Callable[[Overlay], tuple[Config, Mapping[str, Answer]]]"
"""Reads the configuration anew, with what each service answers; raises `ConfigError`."""

PLUGIN_WAIT = 30.0
"""Seconds that an endpoint plugin may take to listen when the configuration changes."""


class StoppingError(Exception):
    """The configuration was to change while the daemon stops."""


class Sides(Protocol):
    """Makes what is served beside the services."""

    def make(self, key: str, echod: Echod, settings: Any) -> IProtocolFactory:
        """Return the factory for `metrics` or `console`; raises `ConfigError` when it cannot be made."""

    def close(self) -> None:
        """End what would not end by itself when the daemon stops."""


class Echod(Service):
    """
    The daemon.

    :param config: what to serve.
    :param answers: what each service says.
    :param reactor: hosts the listening sockets; its seconds should never be set, see `echod.steady`.
    :param host: hosts the connections: the reactor, or a `echod.transport.poller.Poller` in it.
    :param batch: room for the datagrams that are sent back unseen; None to look at each.
    :param inherited: sockets that were passed to this process.
    :param read: reads the configuration anew; by default it stays the same.
    :param sides: makes what is served beside the services; needed by configurations that have it.
    :param aside: runs what takes a while and touches nothing of ours, in a thread perhaps.
    :param wall: the time in seconds since 1970.
    :param hub: where the services can be watched.
    :ivar hint: a command to try, said at the start.
    :ivar at_parent: called with the application that this service is of.
    :ivar at_start: called first of all at the start, in the process that serves.
    :ivar at_change: called with each configuration that comes into force, the first one at the start.
    :ivar told: hears what becomes of the daemon.
    :ivar reloads: how many changes of the configuration there were, by `success` and `failure`.
    :ivar loaded_at: when the configuration in force was loaded, in seconds since 1970.
    :ivar draining: whether the stop has begun.
    """

    _log = Logger()

    def __init__(
        self,
        config: Config,
        answers: Mapping[str, Answer],
        reactor: Any,
        host: Any,
        batch: Batch | None,
        inherited: Inherited,
        *,
        read: Read | None = None,
        sides: Sides | None = None,
        aside: Callable[..., Deferred[Any]] = maybeDeferred,
        wall: Callable[[], float] = time.time,
        hub: Hub | None = None,
    ) -> None:
        self.setName("echod")
        self.config = config
        self.reloads = Counter(success=0, failure=0)
        self.loaded_at = wall()
        self.draining = False
        self.hint: str | None = None
        self.at_parent: Callable[[Any], object] = lambda _: None
        self.at_start: Callable[[], object] = lambda: None
        self.at_change: Callable[[Config], object] = lambda _: None
        self.told = Told()
        self._answers = answers
        self._reactor = reactor
        self._read: Read = read or (lambda _: (self.config, self._answers))
        self._sides = sides
        self._aside = aside
        self._wall = wall
        self.hub = hub or Hub(reactor, wall)
        self._serving = Serving(reactor, host, batch, inherited, self._make_side, self._came_late, self.hub)
        self._opened = False
        self._failed: Callable[[BindError], object] = self._log_failure
        self._reporter = Reporter(reactor, self.drops)
        self._turn = DeferredLock()

    @property
    def services(self) -> dict[str, Running]:
        """The services at work, by their names."""
        return self._serving.services

    @property
    def ready(self) -> bool:
        """Whether everything listens, and will go on to."""
        return self._opened and bool(self.running) and not self.draining

    def bind(self) -> None:
        """
        Open every listening address.

        Done before the daemon forks and gives up privileges, so that a failure still reaches who started it.

        :raises BindError: one of them cannot be had; then none is left open.
        :raises ConfigError: something that is served beside the services cannot be made.
        """
        prepared = self._serving.prepare(self.config, self._answers)
        self._serving.commit(prepared)
        prepared.opening.settled().addCallback(lambda _: self._settled(prepared.opening))

    def on_late_failure(self, failed: Callable[[BindError], object]) -> None:
        """Tell `failed` when an endpoint that listens only after the reactor started could not."""
        self._failed = failed

    def setServiceParent(self, parent: Any) -> None:
        """Become a part of an application. Called by twistd, before anything is logged."""
        super().setServiceParent(parent)
        self.at_parent(parent)

    def startService(self) -> None:
        """Say what listens where. Called by Twisted."""
        super().startService()
        self.at_start()
        self.at_change(self.config)
        self._log.info(
            "echod {version} serves {file}: {summary}",
            version=__version__,
            file=self.config.files[0],
            summary=self._summary(),
        )
        for name, running in self.services.items():
            for opened in running.ports:
                self._say_listening(name, self.services[name].settings.protocol, opened)
            self._say_buffers(running)
        for key, opened in self._serving.sides.items():
            self._say_listening(key, "http", opened)
        if (url := self.console_url()) is not None:
            self._log.info("open {url} in a browser", url=url)
        if self.hint is not None:
            self._log.info("try: {hint}", hint=self.hint)
        self._reporter.start()
        self._tell_ready()

    def stopService(self) -> Deferred[Any]:
        """Stop listening, answer what was accepted, and close. Called by Twisted."""
        super().stopService()
        self.draining = True
        self.told.stopping(max((each.settings.limits.grace for each in self.services.values()), default=0.0))
        self._reporter.stop()
        # Until the end, whoever asks for health is told that this one drains.
        sides, self._serving.sides = self._serving.sides, {}
        self._serving.close()
        return self._serving.drain().addBoth(self._drained, sides)

    def _drained(self, result: Any, sides: Mapping[str, Opened]) -> Any:
        """Close what is served beside the services, and let nobody watch any more."""
        for opened in sides.values():
            opened.port.stopListening()
        if self._sides is not None:
            self._sides.close()
        self.hub.close()
        return result

    def abort(self) -> None:
        """Cut every connection now: whoever stops the daemon has no patience left."""
        self._serving.abort()

    def drops(self) -> dict[str, Counter[str]]:
        """Return what each service dropped since it started, by reason."""
        return {name: running.dropped() for name, running in self.services.items()}

    def console_url(self) -> str | None:
        """Return where a browser on this host finds the console, or None where there is none for it."""
        opened = self._serving.sides.get("console")
        if opened is None or opened.listen.kind not in ("tcp", "tcp6", "ssl"):
            return None
        address = written_address(opened.port.getHost()).replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")  # noqa: S104
        return f"{'https' if opened.listen.kind == 'ssl' else 'http'}://{address}/"

    def reload(self) -> Deferred[Plan]:
        """Read the configuration anew, and go over to it as `change` does; a failure is counted and logged."""
        return self._turn.run(lambda: Deferred.fromCoroutine(self._reload()))

    def change(self, overlay: Overlay, persist: Callable[[], object]) -> Deferred[Plan]:
        """
        Go over to the configuration that there is with some files changed: to all of it, or to none.

        Unchanged services keep their ports and connections; changed ones keep the ports that they need on, and the
        connections finish under the old settings. Certificates are read anew. One change follows another.

        :param overlay: the changed files, by names as in `Config.files`.
        :param persist: called when all is prepared and nothing changed yet; what it raises prevents the change.
        :returns: a Deferred with what was done. It fails with `ConfigError`, `BindError`, `StoppingError`, or what
            `persist` raised; nothing has changed then.
        """
        return self._turn.run(lambda: Deferred.fromCoroutine(self._change(overlay, persist)))

    async def _reload(self) -> Plan:
        self.told.reloading()
        try:
            return await self._change({}, lambda: None)
        except Exception as problem:
            self.reloads["failure"] += 1
            self._log.error("reload failed, nothing was changed: {reason}", reason=_in_one_line(problem))
            self.told.reloaded(f"{self._status()}; the last reload failed, see the log")
            raise

    async def _change(self, overlay: Overlay, persist: Callable[[], object]) -> Plan:
        prepared = await self._prepare(overlay, persist)
        known = {opened.port for running in self.services.values() for opened in running.ports}
        self._serving.commit(prepared)
        self.reloads["success"] += 1
        self.loaded_at = self._wall()
        self._log.info("reloaded: {steps}", steps=str(prepared.steps))
        for name in (*prepared.steps.changed, *prepared.steps.added):
            for opened in self.services[name].ports:
                # The port that the kernel gave.
                if opened.port not in known and opened.listen.port == 0:
                    self._say_listening(name, self.services[name].settings.protocol, opened)
        self.at_change(self.config)
        self.told.reloaded(f"{self._status()}; reloaded: {prepared.steps}")
        return prepared.steps

    async def _prepare(self, overlay: Overlay, persist: Callable[[], object]) -> Prepared:
        """Do everything that can fail; afterwards `config` is the new one."""
        config, answers = await self._aside(self._read, overlay)
        self._refuse_when_stopping()
        prepared = self._serving.prepare(config, answers)
        try:
            if prepared.opening.waits():
                await prepared.opening.settled().addTimeout(PLUGIN_WAIT, self._reactor, _late)
                self._refuse_when_stopping()
            prepared.opening.check()
            persist()
        except Exception:
            prepared.opening.undo()
            raise
        self.config = config
        return prepared

    def _refuse_when_stopping(self) -> None:
        if self.draining:
            raise StoppingError("the daemon is stopping")

    def _make_side(self, key: str, settings: Metrics | Console) -> IProtocolFactory:
        assert self._sides is not None, "see the parameter"
        return self._sides.make(key, self, settings)

    def _settled(self, opening: Opening) -> None:
        """Go on when every address that was to be opened late is open, or not."""
        self._opened = not opening.failures
        for failure in opening.failures:
            self._failed(failure)
        self._tell_ready()

    def _came_late(self, name: str, opened: Opened) -> None:
        """Take the port of an endpoint plugin which took its time."""
        if self.draining:
            self.services[name].ports.remove(opened)
            opened.close()
        elif self.running:
            self._say_listening(name, self.services[name].settings.protocol, opened)

    def _tell_ready(self) -> None:
        if self.ready:
            self.told.ready(self._status())

    def _status(self) -> str:
        """Return in words what is done."""
        return f"serving {self._summary()}"

    def _summary(self) -> str:
        """Return in words what is served; of very much, the beginning."""
        services = [
            (name, [f"{listen.kind} {address}" for listen, address in running.addresses()])
            for name, running in self.services.items()
        ]
        return summary(services)

    def _say_listening(self, name: str, protocol: str, opened: Opened) -> None:
        self._log.info(
            "{service} ({protocol}) listens on {kind} {address}",
            service=name,
            protocol=protocol,
            kind=opened.listen.kind,
            address=written_address(opened.port.getHost()),
        )

    def _say_buffers(self, running: Running) -> None:
        """Say the kernel's real figure where it is less than asked for."""
        for opened in running.ports:
            port = opened.port
            if isinstance(port, DatagramPort) and port.socket.family != socket.AF_UNIX:
                given = port.receive_buffer() // 2
                if given < RECEIVE_BUFFER:
                    self._log.warn(
                        "{service}: the receive buffer has {given} bytes, not {wanted}: bursts may be lost; raise"
                        " net.core.rmem_max, or give CAP_NET_ADMIN",
                        service=running.settings.name,
                        given=given,
                        wanted=RECEIVE_BUFFER,
                    )

    def _log_failure(self, error: BindError) -> None:
        self._log.critical("{problem}", problem=str(error))


def _in_one_line(problem: Exception) -> str:
    """Return why a change failed; of several problems the first, and how many more there are."""
    if isinstance(problem, ConfigError):
        first, *more = problem.problems
        return f"{first}{f' (and {len(more)} more: echod check lists them)' if more else ''}"
    return str(problem) or type(problem).__name__


def _late(result: Any, timeout: float) -> Any:
    """Say what did not happen in time. Called by Twisted."""
    del result
    raise TimeoutError(f"an endpoint plugin did not listen within {timeout:g} seconds")
