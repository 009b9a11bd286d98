"""
The ports of a configuration: all of them are had, or nothing changes.

Everything is prepared first: new addresses are bound, certificates are read, and the ports that stay are told nothing.
What can fail fails here, and is undone. Then `begin`, which cannot fail, lets everything change at once.
"""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.defer import DeferredList
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory

from echod.plan import is_plugin
from echod.transport.accept import StreamPort
from echod.transport.datagram import DatagramPort
from echod.transport.listening import BACKLOG, ListeningReactor, listen_stream
from echod.transport.paths import LONGEST_DATAGRAM
from echod.transport.reflect import ReflectingPort
from echod.transport.sockets import datagram_socket, share
from echod.transport.turning_away import turn_away
from echod.transport.vanished import VANISHED
from echod.udp import DatagramServer, ReflectingServer

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IAddress, IListeningPort, IProtocolFactory
    from twisted.internet.protocol import Protocol as TwistedProtocol
    from twisted.python.failure import Failure

    from echod.config import Listen, Problem
    from echod.plan import Place
    from echod.running import Running
    from echod.transport.inherited import Inherited
    from echod.transport.mmsg import Batch

_DRAIN_READS = 65_536
"""Datagrams answered at most, of those which the kernel holds, when a socket is closed."""


class BindError(Exception):
    """
    A listening address cannot be had.

    :ivar problem: service, address and reason, at their place in the file.
    :ivar denied: whether a permission is missing.
    """

    def __init__(self, problem: Problem, *, denied: bool = False) -> None:
        super().__init__(str(problem))
        self.problem = problem
        self.denied = denied


class Switch(Factory):
    """Stands before a service's factory at the port of an endpoint plugin, which cannot be given another."""

    noisy = False

    def __init__(self, factory: IProtocolFactory) -> None:
        self.factory = factory

    def buildProtocol(self, addr: IAddress | None) -> TwistedProtocol | None:
        """Make a connection's protocol. Called by Twisted."""
        return self.factory.buildProtocol(addr)  # type: ignore[arg-type,return-value]  # the interface knows no None


@dataclass
class Opened:
    """A port at work: where, by which description, and the switch before a plugin's."""

    listen: Listen
    place: Place
    port: Any
    switch: Switch | None = None

    def close(self) -> None:
        """Answer what the kernel accepted for us, as far as it can be asked, and stop listening."""
        if isinstance(self.port, DatagramPort):
            self.port.read(_DRAIN_READS)
        elif isinstance(self.port, StreamPort):
            # What systemd listens on too goes on without us.
            if self.listen.kind != "systemd":
                turn_away(self.port.socket)
            self.port.accept(BACKLOG)
        self.port.stopListening()


class _Step(Protocol):
    """One address, prepared."""

    def begin(self) -> None:
        """Let it serve; must not fail."""

    def undo(self) -> None:
        """Let go of what was taken."""


class Opening:
    """
    Opens ports for a configuration.

    :param reactor: hosts the listening sockets.
    :param host: hosts the connections and the datagram sockets.
    :param batch: room for the datagrams that are sent back unseen; None to look at each.
    :param inherited: sockets that were passed to this process.
    :param present: the ports that may be taken over, by their places.
    :param wanted: the places of the whole new configuration: ports that it does not need are about to leave.
    """

    def __init__(
        self,
        reactor: Any,
        host: Any,
        batch: Batch | None,
        inherited: Inherited,
        present: Mapping[Place, Opened],
        wanted: Container[Place],
    ) -> None:
        self._reactor = reactor
        self._host = host
        self._batch = batch
        self._inherited = inherited
        self._present = present
        self._leaving = [
            opened.port.socket
            for place, opened in present.items()
            if place not in wanted and isinstance(opened.port, (StreamPort, DatagramPort))
        ]
        self._shared = [(sock, bool(_shares(sock))) for sock in self._leaving]
        self._taken: set[Place] = set()
        self._steps: list[_Step] = []
        self._pending: list[Deferred[None]] = []
        self._over = False
        self.failures: list[BindError] = []

    def stream(
        self,
        listen: Listen,
        place: Place,
        factory: IProtocolFactory,
        opened: Callable[[Opened], object],
        blame: Callable[[BaseException], BindError],
        *,
        wrap: Callable[[IProtocolFactory], IProtocolFactory] = lambda factory: factory,
        unacknowledged: float = VANISHED,
        reuse_port: bool = False,
    ) -> None:
        """
        Prepare an address for connections.

        :param opened: called with its port: at once, or later by an endpoint plugin.
        :param blame: makes the error of an exception.
        :raises BindError: it cannot be had. What fails later is found in `failures`.
        """
        present = self._present.get(place)
        self._taken.add(place)
        if present is not None and is_plugin(place):
            assert present.switch is not None
            self._steps.append(_Switching(present.switch, wrap(factory)))
            opened(present)
            return
        switch = Switch(factory) if is_plugin(place) else None
        facade = ListeningReactor(
            self._reactor,
            self._host,
            reuse_port=reuse_port,
            wrap=wrap,
            unacknowledged=unacknowledged,
            existing=None if present is None else present.port,
            leaving=self._leaving,
        )
        try:
            listening = listen_stream(facade, listen, switch or factory, self._inherited)
        except Exception as problem:
            raise blame(problem) from problem
        self._steps.append(facade)
        before = len(self.failures)

        def had(port: IListeningPort) -> None:
            if self._over:
                port.stopListening()
            else:
                opened(Opened(listen, place, port, switch))

        def failed(failure: Failure) -> None:
            assert failure.value is not None
            self.failures.append(blame(failure.value))

        done = listening.addCallbacks(had, failed)
        if len(self.failures) > before:
            raise self.failures[-1]
        if not done.called:
            self._pending.append(done)

    def datagram(
        self, listen: Listen, place: Place, running: Running, blame: Callable[[BaseException], BindError]
    ) -> None:
        """
        Prepare an address for datagrams; its port is `running`'s.

        :raises BindError: it cannot be had.
        """
        present = self._present.get(place)
        self._taken.add(place)
        reuse = running.settings.reuse_port
        on_close = None
        try:
            if present is None:
                sock, on_close = datagram_socket(listen, self._inherited, reuse_port=reuse, leaving=self._leaving)
            else:
                sock = present.port.socket
            port = self._datagram_port(sock, running, on_close)
        except Exception as problem:
            raise blame(problem) from problem
        running.ports.append(Opened(listen, place, port))
        before = None if present is None else present.port
        self._steps.append(_Datagrams(port, before, reuse_port=None if listen.kind == "systemd" else reuse))

    def _datagram_port(
        self, sock: socket.socket, running: Running, on_close: Callable[[], object] | None
    ) -> DatagramPort:
        internet = sock.family != socket.AF_UNIX
        guard = running.guard if internet else None
        answer, longest, tally = running.factory.answer, running.settings.limits.frame, running.tally
        # A batch is sent back whole: nothing in it may be too long.
        if answer.reflects and internet and longest >= LONGEST_DATAGRAM and self._batch is not None:
            server = ReflectingServer(answer, tally, longest, guard)
            return ReflectingPort(sock, server, self._host, self._batch, on_close, tally.dropped)
        plain = DatagramServer(answer, tally, longest, guard)
        return DatagramPort(sock, plain, self._host, on_close, tally.dropped)

    def waits(self) -> bool:
        """Tell whether an endpoint plugin has yet to say whether it listens."""
        return any(not each.called for each in self._pending)

    def settled(self) -> Deferred[Any]:
        """Wait for the endpoint plugins; what failed is in `failures` then."""
        return DeferredList(self._pending)

    def check(self) -> None:
        """
        Hear whether everything could be had.

        :raises BindError: the first address that could not.
        """
        if self.failures:
            raise self.failures[0]

    def begin(self) -> None:
        """Let everything change. The ports that nobody needs any more are still to be closed."""
        for step in self._steps:
            step.begin()

    def undo(self) -> None:
        """Let go of everything that was prepared."""
        self._over = True
        for step in self._steps:
            step.undo()
        for sock, shared in self._shared:
            if sock.fileno() >= 0 and shared != _shares(sock):
                share(sock, on=shared)

    def close_the_rest(self) -> None:
        """Close the ports that were there and are not needed."""
        for place, opened in self._present.items():
            if place not in self._taken:
                opened.close()


class _Switching:
    """A plugin's port, which stays."""

    def __init__(self, switch: Switch, factory: IProtocolFactory) -> None:
        self._switch = switch
        self._factory = factory

    def begin(self) -> None:
        self._switch.factory = self._factory

    def undo(self) -> None:
        pass


class _Datagrams:
    """A datagram port, perhaps with the socket of the one `before` it."""

    def __init__(self, port: DatagramPort, before: DatagramPort | None, *, reuse_port: bool | None) -> None:
        self._port = port
        self._before = before
        self._reuse_port = reuse_port

    def begin(self) -> None:
        if self._before is not None:
            self._port.close_with(self._before.hand_over())
        if self._reuse_port is not None:
            share(self._port.socket, on=self._reuse_port)
        self._port.startListening()

    def undo(self) -> None:
        if self._before is None:
            self._port.abandon()


def _shares(sock: socket.socket) -> bool:
    """Tell whether a socket lets others share its port."""
    if sock.family == socket.AF_UNIX:
        return False
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT))


def reason_of(problem: BaseException) -> tuple[str, bool]:
    """Return in words why an address cannot be had, and whether for want of a permission."""
    cause = problem.socketError if isinstance(problem, CannotListenError) else problem
    denied = isinstance(cause, PermissionError)
    if isinstance(cause, OSError) and cause.strerror:
        return f"{cause.strerror.lower()}{_advice(cause)}", denied
    if isinstance(cause, KeyError):
        return str(cause.args[0]), denied
    return f"{type(cause).__name__}: {cause}" if isinstance(cause, TypeError) else str(cause), denied


def _advice(problem: OSError) -> str:
    """Return what would be right, for the errors that people meet."""
    if problem.errno == errno.EADDRINUSE:
        return "; stop what listens there, or choose another port"
    if problem.errno == errno.EADDRNOTAVAIL:
        return "; no interface of this machine has that address"
    if problem.errno == errno.EACCES:
        return "; ports below 1024 need root or CAP_NET_BIND_SERVICE, and a path a directory that may be written"
    return ""
