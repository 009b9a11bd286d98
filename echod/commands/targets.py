"""From a service's settings to the addresses at which `echod verify` proves it. Pure, but for certificate files."""

from __future__ import annotations

import hashlib
import re
import ssl
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING

from echod.config import Target
from echod.config.files import read_bounded
from echod.config.listen import address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from echod.config import Listen, Service

_MOST_BYTES = 1 << 20
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_KEY_FILE = "server.pem"
"""Twisted's default for `privateKey` of an `ssl:` endpoint."""

_IP_KINDS = frozenset({"tcp", "tcp6", "ssl", "tls", "udp", "udp6"})


@dataclass(frozen=True)
class Approach:
    """
    One way to a service.

    :ivar target: where to connect; None if that cannot be known.
    :ivar certificate: the SHA-256 of the certificate which must be shown, or None.
    :ivar remark: why there is no target, or no certificate to compare with.
    :ivar listen: the listening address that this is about; None for `connect`.
    """

    target: Target | None
    certificate: bytes | None = None
    remark: str = ""
    listen: Listen | None = None


def approaches(service: Service, host: str | None = None) -> list[Approach]:
    """
    Return how to reach a service: by its `connect`, or else by each listening address.

    :param host: a name or IP address, put in the place of every IP address.
    :raises ValueError: the host is neither.
    """
    if service.connect is not None:
        return [Approach(service.connect if host is None else _moved(service.connect, host))]
    return [_to_listen(listen, host) for listen in service.listen]


def _to_listen(listen: Listen, host: str | None) -> Approach:
    if listen.kind == "systemd":
        return Approach(None, remark="its socket comes from systemd: give the service connect", listen=listen)
    if listen.path is not None:
        return Approach(Target.parse(f"{listen.kind}:{quoted(listen.path)}"), listen=listen)
    if listen.port is None:
        remark = f"where an endpoint of kind {listen.kind} is reached is not known: give the service connect"
        return Approach(None, remark=remark, listen=listen)
    if listen.port == 0:
        remark = "the kernel chose its port when the daemon started: give the service connect, or a port"
        return Approach(None, remark=remark, listen=listen)
    reached = host if host is not None else _reached(listen)
    if listen.kind != "ssl":
        kind = "udp" if listen.datagram else "tcp"
        six = _is_six(reached) or (address(reached) is None and listen.kind.endswith("6"))
        return Approach(Target.parse(f"{kind}{'6' if six else ''}:{quoted(reached)}:{listen.port}"), listen=listen)
    name = listen.words.get("certKey", listen.words.get("privateKey", _KEY_FILE))
    try:
        certificate = fingerprint(Path(name))
    except ValueError as problem:
        remark = f"{problem}, so the certificate must be one that this machine trusts"
        return Approach(Target.parse(f"tls:{quoted(reached)}:{listen.port}"), remark=remark, listen=listen)
    return Approach(Target.parse(f"ssl:{quoted(reached)}:{listen.port}"), certificate, listen=listen)


def fingerprint(path: Path) -> bytes:
    """
    Return the SHA-256 of the first certificate in a PEM file.

    :raises ValueError: there is none; the message is a sentence.
    """
    text = read_bounded(path, _MOST_BYTES, regular=True).decode("latin-1")
    found = _CERTIFICATE.search(text)
    if found is None:
        raise ValueError(f'"{path}" holds no certificate in PEM form')
    try:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(found[0])).digest()
    except ValueError:
        raise ValueError(f'the certificate in "{path}" is damaged') from None


def quoted(text: str) -> str:
    """Put a backslash before what the grammar of endpoints would take for its own."""
    return re.sub(r"([\\:=])", r"\\\1", text)


def _reached(listen: Listen) -> str:
    """Return the address at which this machine reaches what listens."""
    ip = address(listen.host) if listen.host else None
    if ip is not None and not ip.is_unspecified:
        return listen.host
    return "::1" if listen.kind.endswith("6") or isinstance(ip, IPv6Address) else "127.0.0.1"


def _moved(target: Target, host: str) -> Target:
    """Return the same target on another host, if it has one."""
    if target.kind not in _IP_KINDS:
        return target
    kind = target.kind
    if kind in ("tcp", "tcp6", "udp", "udp6") and address(host) is not None:
        kind = kind.rstrip("6") + ("6" if _is_six(host) else "")
    words = {**target.words, "host": host}
    return Target.parse(":".join([kind, *_keywords(words)]))


def _keywords(words: dict[str, str]) -> Iterator[str]:
    return (f"{name}={quoted(value)}" for name, value in words.items())


def _is_six(host: str) -> bool:
    return isinstance(address(host), IPv6Address)
