"""
What is wrong with listening addresses that only Twisted can read.

`echod.config` checks what needs no Twisted. Whether an endpoint plugin is installed, and whether certificates can be
used, is found here, without listening: by `echod check`, and by the daemon before it binds anything.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IReactorSocket, IReactorSSL, IReactorTCP, IReactorUNIX
from zope.interface import directlyProvides

from echod.config import ConfigError
from echod.config.files import read_bounded
from echod.config.listen import WORDS
from echod.config.problems import shown, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from echod.config import Config, Listen, Problem

_MOST_BYTES = 1 << 20
_KEY_FILE = "server.pem"
"""Twisted's default for `privateKey` of an `ssl:` endpoint."""


def endpoint_problems(config: Config) -> list[Problem]:
    """
    Return a problem, at its place, for each listening address that Twisted cannot make an endpoint of.

    Datagrams have no endpoints, and a `systemd:` socket is there only when systemd starts the daemon: both are left
    out. So is an endpoint plugin that asks for a running reactor to read its words.
    """
    return list(_problems(config))


def check_endpoints(config: Config) -> None:
    """
    Check every listening address as `endpoint_problems` does.

    :raises ConfigError: with every problem.
    """
    if problems := endpoint_problems(config):
        raise ConfigError(problems)


def _problems(config: Config) -> Iterator[Problem]:
    addresses = [(f"{key}.listen", side.listen) for key, side in config.top.sides.items()]
    for service in config.services.values():
        addresses += [(config.listen_path(service.name, index), listen) for index, listen in enumerate(service.listen)]
    for path, listen in addresses:
        if listen.datagram or listen.kind == "systemd":
            continue
        fault = _fault(listen)
        if fault is not None:
            yield config.problem(path, f"{shown(listen.text)}: {fault}")


class _NoReactorError(AttributeError):
    """An endpoint's parser asked for more than a reactor that only stands there."""


class _NoReactor:
    """Stands where an endpoint keeps its reactor. Nothing can listen on it."""

    def __init__(self) -> None:
        directlyProvides(self, IReactorTCP, IReactorSSL, IReactorUNIX, IReactorSocket)

    def __getattr__(self, name: str) -> Any:
        raise _NoReactorError(name)


def _fault(listen: Listen) -> str | None:
    """Return what is wrong with one address, or None."""
    try:
        fault = _key_fault(listen) if listen.kind == "ssl" else None
        if fault is None:
            serverFromString(_NoReactor(), listen.text)
    except _NoReactorError:
        return None
    except Exception as problem:  # noqa: BLE001 - the parsers of endpoints and their plugins raise what they like
        return _sentence(listen, problem)
    return fault


def _sentence(listen: Listen, problem: Exception) -> str:
    if str(problem).startswith("Unknown endpoint type"):
        hint = suggestion(listen.kind, WORDS)
        return f"no endpoint plugin for {shown(listen.kind)} is installed here: {hint}"
    if isinstance(problem, OSError):
        unread = f"{shown(str(problem.filename))} cannot be read: {problem.strerror}"
        return unread if problem.strerror else str(problem)
    if isinstance(problem, TypeError):
        return f"these are not the words of {listen.kind}: {problem}"
    if type(problem).__name__ == "VerifyError":
        return "the private key does not belong to the certificate: name two that were made together"
    return f"Twisted cannot use it: {problem or type(problem).__name__}"


def _key_fault(listen: Listen) -> str | None:
    """
    Return what is wrong with the certificate or the key of an `ssl:` address, or None.

    Twisted would say it without naming the file, and OpenSSL would ask the terminal for a key's password.

    :raises OSError: a file cannot be read; the message is a sentence.
    """
    words = listen.words
    key = words.get("privateKey", _KEY_FILE)
    certificate = words.get("certKey", key)
    try:
        x509.load_pem_x509_certificate(_read(certificate))
    except ValueError:
        return f"{shown(certificate)} holds no certificate in PEM form: name one with certKey="
    try:
        serialization.load_pem_private_key(_read(key), None)
    except TypeError:
        return f"the private key in {shown(key)} has a password, which nobody could type: store it without one"
    except ValueError:
        return f"{shown(key)} holds no private key in PEM form: name one with privateKey="
    for word in ("extraCertChain", "dhParameters"):
        if word in words:
            _read(words[word])
    return None


def _read(name: str) -> bytes:
    """
    Return a file's bytes.

    :raises OSError: it cannot be read; the message is a sentence.
    """
    try:
        return read_bounded(Path(name), _MOST_BYTES, regular=True)
    except ValueError as problem:
        raise OSError(str(problem)) from None
