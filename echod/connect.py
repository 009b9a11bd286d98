"""
From a client endpoint description to a connected client.

Streams go through Twisted's `clientFromString`, so that installed endpoint plugins work; datagrams, for which Twisted
has no endpoints, are read here.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, NoReturn

from OpenSSL import SSL
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    clientFromString,
    quoteStringArgument,
    wrapClientTLS,
)
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IResolutionReceiver, ISSLTransport
from zope.interface import implementer

from echod.failures import TalkError, unreached
from echod.tcp import SelfConnectionError
from echod.transport.datagram import DatagramPort

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress, IHostResolution, IStreamClientEndpoint

    from echod.config import Target
    from echod.tcp import StreamClient, StreamClientFactory
    from echod.udp import DatagramClient, DatagramClientFactory


class TargetError(ValueError):
    """A client endpoint description cannot be used, or not on this machine; the message says why."""


async def connect_stream(
    reactor: Any, target: Target, factory: StreamClientFactory, timeout: float, certificate: bytes | None = None
) -> StreamClient:
    """
    Connect to a stream service.

    :param timeout: seconds that it may take, name lookup and TLS handshake included.
    :param certificate: the SHA-256 fingerprint of the TLS certificate that the server must show. None leaves trust to
        the endpoint: then names and authorities are checked as Twisted does.
    :raises TalkError: it cannot be reached; the word says why.
    :raises TargetError: the description cannot be read.
    """
    try:
        endpoint = _endpoint(reactor, target, pinned=certificate is not None)
    except Exception as problem:
        # The parsers of endpoints and their plugins raise what they like.
        raise TargetError(_unreadable(target, problem)) from problem
    made: StreamClient | None = None
    deadline = reactor.seconds() + timeout
    try:
        connecting: Deferred[Any] = endpoint.connect(factory)
        connecting.addTimeout(timeout, reactor, _out_of_time)
        client: StreamClient = await connecting
        made = client
        if client.joined_itself:
            raise SelfConnectionError("TCP connected to itself: nothing listens there")  # noqa: TRY301 - reported below
        if ISSLTransport.providedBy(client.transport):
            await client.secured(reactor, max(0.0, deadline - reactor.seconds()))
    except (CancelledError, ConnectingCancelledError):
        # Our caller gave up, which says nothing about the service.
        _close(made)
        raise CancelledError from None
    except Exception as problem:
        _close(made)
        raise unreached(problem, target.text) from problem
    if certificate is not None and client.fingerprint() != certificate:
        client.close()
        raise TalkError("tls", f"{target.text}: shows another certificate than the file names", reached=True)
    return client


async def connect_datagram(
    reactor: Any, target: Target, factory: DatagramClientFactory, timeout: float
) -> DatagramClient:
    """
    Open a socket connected to a datagram service. Whether anything listens there is seen only when something is sent.

    :param timeout: seconds that the name lookup may take.
    :raises TalkError: the name is not known, or there is no route.
    """
    try:
        if target.kind == "unixgram":
            sock = _unix_socket(target.path or "")
        else:
            looking_up = _Lookup.start(reactor, target)
            sock = _internet_socket(await looking_up.addTimeout(timeout, reactor))
    except CancelledError:
        raise
    except Exception as problem:
        raise unreached(problem, target.text) from problem
    client = factory.buildProtocol(None)
    DatagramPort(sock, client, reactor).startListening()
    return client


def _endpoint(reactor: Any, target: Target, *, pinned: bool) -> IStreamClientEndpoint:
    if not pinned:
        if target.kind == "tcp6":
            return _tcp6_endpoint(reactor, target)
        # Twisted's `ssl:` client trusts everyone; its `tls:` does not.
        described: IStreamClientEndpoint = clientFromString(reactor, _with_address(target))
        return described
    plain = TCP6ClientEndpoint if ":" in target.host else TCP4ClientEndpoint
    assert target.port is not None
    pinning: IStreamClientEndpoint = wrapClientTLS(_AnyCertificate(), plain(reactor, target.host, target.port))
    return pinning


def _tcp6_endpoint(reactor: Any, target: Target) -> IStreamClientEndpoint:
    """Read what Twisted has a server endpoint for, but no client endpoint."""
    words = target.words
    bind = words.get("bindAddress")
    timeout = int(words.get("timeout", "30"))
    assert target.port is not None
    return TCP6ClientEndpoint(reactor, target.host, target.port, timeout, None if bind is None else (bind, 0))


def _with_address(target: Target) -> str:
    """Return the description; Twisted's `tls:` takes no IPv6 address as its host unless it is told how to connect."""
    if target.kind != "tls" or ":" not in target.host or "endpoint" in target.words:
        return target.text
    plain = f"tcp:host={quoteStringArgument(target.host)}:port={target.port}"
    return f"{target.text}:endpoint={quoteStringArgument(plain)}"


def _unreadable(target: Target, problem: Exception) -> str:
    if str(problem).startswith("Unknown endpoint type"):
        known = "tcp, tcp6, tls, ssl, unix, udp, udp6 and unixgram"
        return f"no endpoint plugin for {target.kind!r} is installed here ({target.text}): known are {known}"
    return f"{target.text} cannot be used: {problem}"


def _out_of_time(result: object, seconds: float) -> NoReturn:
    """Fail by the name that every endpoint's cancellation has when time is up. Called by Twisted."""
    raise TimeoutError(f"{seconds:g} s") from getattr(result, "value", None)


def _close(client: StreamClient | None) -> None:
    if client is not None:
        client.close()


@implementer(IOpenSSLClientConnectionCreator)
class _AnyCertificate:
    """Takes any certificate in the handshake: its fingerprint is compared afterwards."""

    def clientConnectionForTLS(self, tlsProtocol: object) -> SSL.Connection:
        """Make OpenSSL's side of a connection. Called by Twisted."""
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_verify(SSL.VERIFY_NONE)
        connection = SSL.Connection(context, None)
        connection.set_app_data(tlsProtocol)
        connection.set_connect_state()
        return connection


@implementer(IResolutionReceiver)
class _Lookup:
    """Waits for the first address of a name."""

    def __init__(self) -> None:
        self.found: Deferred[IPv4Address | IPv6Address] = Deferred()
        self._first: IPv4Address | IPv6Address | None = None

    @classmethod
    def start(cls, reactor: Any, target: Target) -> Deferred[IPv4Address | IPv6Address]:
        """Look a target's name up, of the family its kind names."""
        lookup = cls()
        assert target.port is not None
        if isIPAddress(target.host) or isIPv6Address(target.host):
            kind = IPv6Address if ":" in target.host else IPv4Address
            lookup.found.callback(kind("UDP", target.host, target.port))
            return lookup.found
        types = [IPv6Address] if target.kind == "udp6" else [IPv4Address]
        reactor.nameResolver.resolveHostName(lookup, target.host, target.port, types, "UDP")
        return lookup.found

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """Hear that the lookup began. Called by Twisted."""

    def addressResolved(self, address: IAddress) -> None:
        """Keep the first address. Called by Twisted."""
        if self._first is None and isinstance(address, (IPv4Address, IPv6Address)):
            self._first = address

    def resolutionComplete(self) -> None:
        """Give it. Called by Twisted."""
        if self.found.called:
            return
        if self._first is None:
            self.found.errback(socket.gaierror("no address"))
        else:
            self.found.callback(self._first)


def _internet_socket(address: IPv4Address | IPv6Address) -> socket.socket:
    family = socket.AF_INET6 if isinstance(address, IPv6Address) else socket.AF_INET
    name = socket.getaddrinfo(address.host, address.port, family, socket.SOCK_DGRAM, 0, socket.AI_NUMERICHOST)[0][4]
    return _connected(socket.socket(family, socket.SOCK_DGRAM), name)


def _unix_socket(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    # An empty name lets Linux choose an abstract one (unix(7), autobind): without a name there would be no answer.
    sock.bind("")
    return _connected(sock, path)


def _connected(sock: socket.socket, name: Any) -> socket.socket:
    try:
        sock.connect(name)
    except OSError:
        sock.close()
        raise
    return sock
