"""
A configuration becomes running services.

`Echod` is the one Twisted service of the daemon. It binds everything at once or nothing, serves, and stops without
losing what it accepted.
"""

from __future__ import annotations

import errno
import socket
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from twisted.application.service import Service
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import CannotListenError
from twisted.logger import Logger

from echod import __version__
from echod.answers.choose import framing_for
from echod.connection import StreamLimits
from echod.guard.admission import Admission, Room
from echod.guard.buckets import Buckets
from echod.guard.datagrams import DatagramGuard
from echod.guard.patience import Patience
from echod.guard.sources import Permit
from echod.report import Reporter
from echod.talk import address_of
from echod.tally import Tally
from echod.tcp import StreamServerFactory
from echod.transport.accept import StreamPort
from echod.transport.datagram import RECEIVE_BUFFER, DatagramPort
from echod.transport.listening import BACKLOG, ListeningReactor, datagram_socket, listen_stream
from echod.transport.proxied import ProxiedFactory
from echod.transport.reflect import ReflectingPort
from echod.transport.vanished import unacknowledged_limit
from echod.udp import DatagramServer, ReflectingServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from twisted.internet.interfaces import IListeningPort, IProtocolFactory
    from twisted.python.failure import Failure

    from echod import config
    from echod.answers.answer import Answer
    from echod.config import Config, Listen, Problem
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


@dataclass
class Running:
    """One service at work: its settings, its ports, and what makes its connections."""

    settings: config.Service
    tally: Tally
    factory: StreamServerFactory
    guard: DatagramGuard
    ports: list[tuple[Listen, Any]] = field(default_factory=list)

    def addresses(self) -> Iterator[tuple[Listen, str]]:
        """Return where it listens, with the ports that the kernel gave."""
        for listen, port in self.ports:
            yield listen, written_address(port.getHost())


class Echod(Service):
    """
    The daemon.

    :param config: what to serve.
    :param answers: what each service says.
    :param reactor: hosts the listening sockets; its seconds should never be set, see `echod.steady`.
    :param host: hosts the connections: the reactor, or a `echod.transport.poller.Poller` in it.
    :param batch: room for the datagrams that are sent back unseen; None to look at each.
    :param inherited: sockets that were passed to this process.
    :ivar hint: a command to try, said at the start.
    :ivar at_start: called first of all at the start, in the process that serves.
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
    ) -> None:
        self.setName("echod")
        self.config = config
        self.services: dict[str, Running] = {}
        self._reactor = reactor
        self._host = host
        self._answers = answers
        self._inherited = inherited
        self._patience = Patience(reactor)
        self._room = Room.of_process()
        self._own_ports: set[int] = set()
        self._batch = batch
        self._failed: Callable[[BindError], object] = self._log_failure
        self._reporter = Reporter(reactor, self._losses)
        self._abandoned = False
        self.hint: str | None = None
        self.at_start: Callable[[], object] = lambda: None

    def bind(self) -> None:
        """
        Open every listening address.

        Done before the daemon forks and gives up privileges, so that a failure still reaches who started it.

        :raises BindError: one of them cannot be had; then none is left open.
        """
        try:
            for settings in self.config.services.values():
                running = self.services[settings.name] = self._make(settings)
                for index, listen in enumerate(settings.listen):
                    self._open(running, index, listen)
        except BindError:
            self._close_ports()
            raise

    def on_late_failure(self, failed: Callable[[BindError], object]) -> None:
        """Tell `failed` when an endpoint that listens only after the reactor started could not."""
        self._failed = failed

    def startService(self) -> None:
        """Say what listens where. Called by Twisted."""
        super().startService()
        self.at_start()
        self._log.info("echod {version} serves {file}", version=__version__, file=self.config.files[0])
        for running in self.services.values():
            for listen, address in running.addresses():
                self._say_listening(running, listen, address)
            self._say_buffers(running)
        if self.hint is not None:
            self._log.info("try: {hint}", hint=self.hint)
        self._reporter.start()

    def stopService(self) -> Deferred[Any]:
        """Stop listening, answer what was accepted, and close. Called by Twisted."""
        super().stopService()
        self._reporter.stop()
        for running in self.services.values():
            for _, port in running.ports:
                # What the kernel accepted for us is ours to answer.
                if isinstance(port, DatagramPort):
                    port.read(_DRAIN_READS)
                elif isinstance(port, StreamPort):
                    port.accept(BACKLOG)
        self._close_ports()
        drains = [
            Deferred.fromCoroutine(running.factory.drain(running.settings.limits.grace))
            for running in self.services.values()
        ]
        return gatherResults(drains)

    def abort(self) -> None:
        """Cut every connection now: whoever stops the daemon has no patience left."""
        for running in self.services.values():
            running.factory.abort()

    def _say_listening(self, running: Running, listen: Listen, address: str) -> None:
        self._log.info(
            "{service} ({protocol}) listens on {kind} {address}",
            service=running.settings.name,
            protocol=running.settings.protocol,
            kind=listen.kind,
            address=address,
        )

    def _say_buffers(self, running: Running) -> None:
        """Say the kernel's real figure where it is less than asked for."""
        for _, port in running.ports:
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

    def _losses(self) -> dict[str, Counter[str]]:
        """Return what each service dropped so far, by reason; what the kernel dropped before us is `kernel`."""
        losses: dict[str, Counter[str]] = {}
        for name, running in self.services.items():
            lost = losses[name] = Counter(running.tally.dropped)
            lost["kernel"] = sum(port.kernel_drops() for _, port in running.ports if isinstance(port, DatagramPort))
        return losses

    def _make(self, settings: config.Service) -> Running:
        limits = settings.limits
        tally = Tally()
        permit = Permit(settings.allow, settings.deny)
        factory = StreamServerFactory(
            self._answers[settings.name],
            self._patience,
            self._reactor,
            tally,
            framing_for(settings),
            StreamLimits(limits.idle_timeout, limits.stall_timeout, limits.lifetime, limits.buffer, limits.frame),
            Admission(permit, self._room, limits.connections, limits.connections_per_source),
        )
        rate = limits.datagrams_per_source
        guard = DatagramGuard(
            self._own_ports,
            permit,
            Buckets(rate, limits.datagrams_burst) if rate else None,
            self._reactor.seconds,
            low_ports=settings.low_ports,
            amplify=settings.amplify,
        )
        return Running(settings, tally, factory, guard)

    def _open(self, running: Running, index: int, listen: Listen) -> None:
        path = self.config.listen_path(running.settings.name, index)
        reuse = running.settings.reuse_port
        try:
            if listen.datagram:
                running.ports.append((listen, self._open_datagram(running, listen)))
                return
            facade = ListeningReactor(
                self._reactor,
                self._host,
                reuse_port=reuse,
                wrap=self._proxied(running),
                unacknowledged=unacknowledged_limit(running.settings.limits.stall_timeout),
            )
            listening = listen_stream(facade, listen, running.factory)
        except Exception as problem:
            raise self._bind_error(path, listen, problem) from problem
        failures: list[BindError] = []
        listening.addCallback(lambda port: self._opened(running, listen, port))

        def failed(failure: Failure) -> None:
            assert failure.value is not None
            failures.append(self._bind_error(path, listen, failure.value))

        listening.addErrback(failed)
        if failures:
            raise failures[0]
        # An installed endpoint plugin may listen only once the reactor runs.
        listening.addCallback(lambda _: [self._failed(failure) for failure in failures if not self._abandoned])

    def _proxied(self, running: Running) -> Callable[[IProtocolFactory], IProtocolFactory]:
        """Return what makes a factory read PROXY headers, where the service has them."""
        mode = running.settings.proxy_protocol
        if mode == "off":
            return lambda factory: factory
        trusted = Permit(running.settings.trusted_proxies)
        return lambda factory: ProxiedFactory(factory, trusted, self._reactor, running.factory, required=mode == "on")

    def _open_datagram(self, running: Running, listen: Listen) -> DatagramPort:
        sock, on_close = datagram_socket(listen, self._inherited, reuse_port=running.settings.reuse_port)
        internet = sock.family != socket.AF_UNIX
        guard = running.guard if internet else None
        answer, longest = running.factory.answer, running.settings.limits.frame
        port: DatagramPort
        if answer.reflects and internet and self._batch is not None:
            server = ReflectingServer(answer, running.tally, longest, guard)
            port = ReflectingPort(sock, server, self._host, self._batch, on_close, running.tally.dropped)
        else:
            plain = DatagramServer(answer, running.tally, longest, guard)
            port = DatagramPort(sock, plain, self._host, on_close, running.tally.dropped)
        port.startListening()
        if internet:
            self._own_ports.add(sock.getsockname()[1])
        return port

    def _opened(self, running: Running, listen: Listen, port: IListeningPort) -> None:
        if self._abandoned:
            port.stopListening()
        else:
            running.ports.append((listen, port))
            if isinstance(port, StreamPort):
                running.factory.admit_at(port)
            if self.running:
                self._say_listening(running, listen, written_address(port.getHost()))

    def _close_ports(self) -> None:
        self._abandoned = True
        for running in self.services.values():
            for _, port in running.ports:
                port.stopListening()
            running.ports.clear()

    def _bind_error(self, path: str, listen: Listen, problem: BaseException) -> BindError:
        cause = problem.socketError if isinstance(problem, CannotListenError) else problem
        if isinstance(cause, OSError) and cause.strerror:
            reason = f"{cause.strerror.lower()}{_advice(cause)}"
        elif isinstance(cause, KeyError):
            reason = str(cause.args[0])
        else:
            reason = f"{type(cause).__name__}: {cause}" if isinstance(cause, TypeError) else str(cause)
        message = f"cannot listen on {listen.text}: {reason}"
        return BindError(self.config.problem(path, message), denied=isinstance(cause, PermissionError))

    def _log_failure(self, error: BindError) -> None:
        self._log.critical("{problem}", problem=str(error))


def written_address(address: Any) -> str:
    """Write a Twisted address as people do: `127.0.0.1:7007`, `[::1]:7007`, or a path."""
    host, port = address_of(address)
    if not isinstance(address, (IPv4Address, IPv6Address)):
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _advice(problem: OSError) -> str:
    """Return what would be right, for the errors that people meet."""
    if problem.errno == errno.EADDRINUSE:
        return "; stop what listens there, or choose another port"
    if problem.errno == errno.EADDRNOTAVAIL:
        return "; no interface of this machine has that address"
    if problem.errno == errno.EACCES:
        return "; ports below 1024 need root or CAP_NET_BIND_SERVICE, and a path a directory that may be written"
    return ""
