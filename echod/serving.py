"""
What is served at a moment, and how that changes: all at once, or not at all.

`Serving.prepare` makes what is new and opens its ports, which can fail; `Serving.commit` then lets everything change,
which cannot. Services that are kept are not touched at all, but for their certificates.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, gatherResults

from echod.guard.admission import SIDE_CONNECTIONS, Room
from echod.guard.patience import Patience
from echod.opening import BindError, Opened, Opening, reason_of
from echod.plan import Plan, place, places, plan, side_owner
from echod.running import Maker
from echod.transport.datagram import DatagramPort
from echod.transport.reflect import ReflectingPort
from echod.transport.vanished import unacknowledged_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twisted.internet.interfaces import IProtocolFactory

    from echod.answers.answer import Answer
    from echod.config import Config, Console, Listen, Metrics
    from echod.running import Running
    from echod.tcp import StreamServerFactory
    from echod.transport.inherited import Inherited
    from echod.transport.mmsg import Batch
    from echod.watch import Hub


@dataclass
class Prepared:
    """A configuration that is ready to come into force: its services, what is served beside them, and the steps."""

    opening: Opening
    steps: Plan
    services: dict[str, Running] = field(default_factory=dict)
    sides: dict[str, Opened] = field(default_factory=dict)
    committed: bool = False


class Serving:
    """
    The services at work.

    :param reactor: hosts the listening sockets.
    :param host: hosts the connections and the datagram sockets.
    :param batch: room for the datagrams that are sent back unseen; None to look at each.
    :param inherited: sockets that were passed to this process.
    :param side: makes the factory of what is served beside the services, by its key and settings.
    :param late: called with the name of a service and a port that came after its configuration did.
    :param hub: where the services can be watched.
    :ivar services: by their names, in the order of the files.
    :ivar sides: what is served beside them, by `metrics` and `console`.
    """

    def __init__(
        self,
        reactor: Any,
        host: Any,
        batch: Batch | None,
        inherited: Inherited,
        side: Callable[[str, Metrics | Console], IProtocolFactory],
        late: Callable[[str, Opened], object],
        hub: Hub,
    ) -> None:
        self.services: dict[str, Running] = {}
        self.sides: dict[str, Opened] = {}
        self._reactor = reactor
        self._host = host
        self._batch = batch
        self._inherited = inherited
        self._side = side
        self._late = late
        self._hub = hub
        self._own_ports: set[int] = set()
        self._room = Room.of_process()
        self._maker = Maker(Patience(reactor), reactor, self._room, self._own_ports)
        # Of changed services, with the grace of their settings: their connections finish under those.
        self._retired: dict[StreamServerFactory, float] = {}
        self._drains: dict[StreamServerFactory, Deferred[None]] = {}

    def prepare(self, config: Config, answers: Mapping[str, Answer]) -> Prepared:
        """
        Make what is new and open its ports. Nothing that serves is changed.

        :raises BindError: an address cannot be had; then nothing is left open.
        :raises ConfigError: something that is served beside the services cannot be made.
        """
        steps = plan({name: running.settings for name, running in self.services.items()}, config.services)
        present = {opened.place: opened for opened in self.sides.values()}
        for name, running in self.services.items():
            for opened in running.ports:
                if name not in steps.kept or opened.listen.kind == "ssl":
                    present[opened.place] = opened
        wanted = frozenset(places(config))
        opening = Opening(self._reactor, self._host, self._batch, self._inherited, present, wanted)
        prepared = Prepared(opening, steps)
        try:
            for name in config.services:
                self._prepare_service(prepared, config, name, answers)
            for key, side in config.top.sides.items():
                self._prepare_side(prepared, config, key, side)
        except BaseException:
            opening.undo()
            raise
        return prepared

    def commit(self, prepared: Prepared) -> None:
        """Let everything change that was prepared."""
        steps = prepared.steps
        before, self.services, self.sides = self.services, prepared.services, prepared.sides
        self._learn_own_ports()
        listening = sum(len(running.ports) for running in self.services.values()) + len(self.sides)
        self._room.leave_to_others(listening + SIDE_CONNECTIONS * len(self.sides))
        prepared.committed = True
        prepared.opening.begin()
        for name in steps.removed:
            # Its ports may be another's now, which it must not hold.
            before[name].release()
        for name in (*steps.changed, *steps.added):
            self.services[name].settle()
            for watchable in self.services[name].watchables():
                self._hub.add(name, watchable)
        prepared.opening.close_the_rest()
        for name in steps.changed:
            self._retired[before[name].factory] = before[name].settings.limits.grace
        for factory in [factory for factory in self._retired if not factory.open]:
            del self._retired[factory]
        for name in steps.removed:
            # Until its connections have ended, it is told how they do.
            self._drain(before[name].factory, before[name].settings.limits.grace)

    def close(self) -> None:
        """Stop listening, and answer what the kernel accepted for us."""
        for running in self.services.values():
            for opened in running.ports:
                opened.close()
            running.ports.clear()
        for opened in self.sides.values():
            opened.port.stopListening()
        self.sides.clear()

    def drain(self) -> Deferred[Any]:
        """Let every connection end, within the grace of its service."""
        for running in self.services.values():
            self._drain(running.factory, running.settings.limits.grace)
        for factory, grace in self._retired.items():
            self._drain(factory, grace)
        return gatherResults(list(self._drains.values()))

    def abort(self) -> None:
        """Cut every connection now."""
        for factory in [*(each.factory for each in self.services.values()), *self._retired, *self._drains]:
            factory.abort()

    def _prepare_service(self, prepared: Prepared, config: Config, name: str, answers: Mapping[str, Answer]) -> None:
        settings = config.services[name]
        kept = name in prepared.steps.kept
        before = self.services.get(name)
        running = before if before is not None and kept else self._maker.make(settings, answers[name], before)
        prepared.services[name] = running
        for index, listen in enumerate(settings.listen):
            where = place(listen, name, index)
            blame = _Blame(config, config.listen_path(name, index), listen)
            if listen.datagram and not kept:
                prepared.opening.datagram(listen, where, running, blame)
            elif listen.kind == "ssl" or not kept:
                prepared.opening.stream(
                    listen,
                    where,
                    running.factory,
                    _ignore if kept else self._taker(prepared, name),
                    blame,
                    wrap=self._maker.wrap(running),
                    unacknowledged=unacknowledged_limit(settings.limits.stall_timeout),
                    reuse_port=settings.reuse_port,
                )

    def _taker(self, prepared: Prepared, name: str) -> Callable[[Opened], None]:
        """Return what gives a service its port, which may come late."""
        running = prepared.services[name]

        def taken(opened: Opened) -> None:
            running.ports.append(opened)
            if prepared.committed:
                running.settle()
                self._late(name, opened)

        return taken

    def _prepare_side(self, prepared: Prepared, config: Config, key: str, side: Metrics | Console) -> None:
        where = place(side.listen, side_owner(key), 0)
        blame = _Blame(config, f"{key}.listen", side.listen)

        def taken(opened: Opened) -> None:
            prepared.sides[key] = opened

        prepared.opening.stream(side.listen, where, self._side(key, side), taken, blame)

    def _learn_own_ports(self) -> None:
        """Know the ports of all datagram services: what comes from one is never answered."""
        ports = [opened.port for running in self.services.values() for opened in running.ports]
        own = {port.socket.getsockname()[1] for port in ports if _has_number(port)}
        if own == self._own_ports:
            return
        self._own_ports.clear()
        self._own_ports.update(own)
        for port in ports:
            if isinstance(port, ReflectingPort):
                port.forget()

    def _drain(self, factory: StreamServerFactory, grace: float) -> None:
        """Let a factory's connections end, unless they are being ended."""
        if factory in self._drains or not factory.open:
            return
        done = self._drains[factory] = Deferred.fromCoroutine(factory.drain(grace))
        done.addBoth(self._drained, factory)

    def _drained(self, result: Any, factory: StreamServerFactory) -> Any:
        self._drains.pop(factory, None)
        return result


class _Blame:
    """Makes the error for an address, at its place in the file."""

    def __init__(self, config: Config, path: str, listen: Listen) -> None:
        self._config = config
        self._path = path
        self._listen = listen

    def __call__(self, problem: BaseException) -> BindError:
        reason, denied = reason_of(problem)
        message = f"cannot listen on {self._listen.text}: {reason}"
        return BindError(self._config.problem(self._path, message), denied=denied)


def _ignore(opened: Opened) -> None:
    """Hear of a port that is known."""


def _has_number(port: Any) -> bool:
    """Tell whether a port is one of UDP."""
    return isinstance(port, DatagramPort) and port.socket.family != socket.AF_UNIX
