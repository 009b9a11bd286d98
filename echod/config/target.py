"""Where clients reach a service: Twisted's client endpoint descriptions, and the same for datagrams."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from echod.config.listen import Description, address, bind, check_path, check_port, split
from echod.config.problems import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

_TLS_WORDS = ("host", "port", "timeout", "bindAddress")
WORDS: dict[str, tuple[str, ...]] = {
    "tcp": _TLS_WORDS,
    "tcp6": _TLS_WORDS,
    "ssl": (*_TLS_WORDS, "privateKey", "certKey", "caCertsDir", "hostname"),
    "tls": (*_TLS_WORDS, "certificate", "privateKey", "trustRoots", "endpoint"),
    "udp": ("host", "port"),
    "udp6": ("host", "port"),
    "unix": ("path", "timeout", "lockfile"),
    "unixgram": ("path",),
}
_PATH_KINDS = frozenset({"unix", "unixgram"})
_MOST_HOST = 253


@dataclass(frozen=True)
class Target(Description):
    """
    One address to connect to.

    Kinds that are not known here are kept as they are, for installed endpoint plugins.
    """

    known: ClassVar[Mapping[str, tuple[str, ...]]] = WORDS

    @classmethod
    def parse(cls, text: str) -> Target:
        """Take `text` apart and check what needs no network for it; `ValueError` has the sentence."""
        args, options = split(text)
        if ":" not in text or not args or not args[0]:
            raise ValueError(f"{shown(text)} is no address to connect to: write for example tcp:127.0.0.1:7007")
        made = cls(text, args[0], tuple(args[1:]), MappingProxyType(options))
        if made.kind in WORDS:
            _check(made)
        return made

    @property
    def datagram(self) -> bool:
        """Whether datagrams are sent there."""
        return self.kind in ("udp", "udp6", "unixgram")

    @property
    def host(self) -> str:
        """The name or IP address, or empty for what has none."""
        return self.words.get("host", "")

    @property
    def port(self) -> int | None:
        """The port, or `None` for what has none."""
        return int(self.words["port"]) if "port" in self.words else None

    @property
    def path(self) -> str | None:
        """The path of a UNIX socket, or `None`."""
        return self.words.get("path")


def _check(target: Target) -> None:
    """`ValueError` for a known kind whose words are not right."""
    kind = target.kind
    words = bind(kind, WORDS[kind], target.args, target.options)
    if kind in _PATH_KINDS:
        check_path(kind, words.get("path"))
    else:
        _check_host(kind, words.get("host", ""))
        if not words.get("port"):
            raise ValueError(f"{kind} needs a host and a port: write for example {kind}:localhost:7007")
        check_port(kind, words["port"], lowest=1)
    timeout = words.get("timeout", "30")
    if not (timeout.isascii() and timeout.isdigit() and 1 <= len(timeout) <= 9):
        raise ValueError(f"the timeout {shown(timeout)} is not a whole number of seconds")
    if words.get("lockfile", "1") not in ("0", "1"):
        raise ValueError(f"the lockfile {shown(words['lockfile'])} is neither 0 nor 1")
    bound = words.get("bindAddress")
    if bound is not None and address(bound) is None:
        raise ValueError(f"the bindAddress {shown(bound)} is not an IP address")


def _check_host(kind: str, host: str) -> None:
    """`ValueError` unless `host` can be a name, or is an address of the family of `kind`."""
    if not host or len(host) > _MOST_HOST or not host.isprintable() or any(c in " /[]" for c in host):
        raise ValueError(f"the host {shown(host)} is neither a name nor an IP address: write {kind}:HOST:PORT")
    ip = address(host)
    if isinstance(ip, IPv6Address) and kind in ("tcp", "udp"):
        raise ValueError(f"{shown(host)} is an IPv6 address: write {kind}6: instead of {kind}:")
    if isinstance(ip, IPv4Address) and kind.endswith("6"):
        raise ValueError(f"{shown(host)} is an IPv4 address: write {kind[:-1]}: instead of {kind}:")
