"""
Where a service listens: Twisted's server endpoint descriptions, and the same grammar for datagrams.

The grammar is that of `twisted.internet.endpoints._parse`: words separated by `:`, keywords as `name=value`,
and a backslash before a `:`, `=` or backslash that is meant literally.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from echod.config.problems import listed, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

_NUMBER = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)
_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_MODE = re.compile(r"[0-7]{3,4}", re.ASCII)
# struct sockaddr_un has 108 bytes for the path, the last of them NUL (unix(7)).
_MOST_PATH_BYTES = 107
_DATAGRAM_KINDS = frozenset({"udp", "udp6", "unixgram"})
_IP_KINDS = frozenset({"tcp", "tcp6", "ssl", "udp", "udp6"})

# In the order in which Twisted's own parsers take them without their names.
WORDS: dict[str, tuple[str, ...]] = {
    "tcp": ("port", "interface", "backlog"),
    "tcp6": ("port", "backlog", "interface"),
    "ssl": (
        *("port", "privateKey", "certKey", "sslmethod", "interface"),
        *("backlog", "extraCertChain", "dhParameters"),
    ),
    "unix": ("address", "mode", "backlog", "lockfile"),
    "systemd": ("domain", "index", "name", "type"),
    "udp": ("port", "interface"),
    "udp6": ("port", "interface"),
    "unixgram": ("address", "mode"),
}


@dataclass(frozen=True)
class Description:
    """
    An endpoint description, as written (`text`) and taken apart.

    `args` are the words after the kind, `options` the keywords, both without their backslashes. Two of them
    are equal when they are written alike. `known` has the names of each kind's words.
    """

    text: str
    kind: str
    args: tuple[str, ...] = ()
    options: MappingProxyType[str, str] = field(default_factory=lambda: MappingProxyType({}), compare=False)

    known: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    @property
    def words(self) -> Mapping[str, str]:
        """Every word under its name, whether it was written with it or not; empty for an unknown kind."""
        return {**dict(zip(self.known.get(self.kind, ()), self.args, strict=False)), **self.options}


@dataclass(frozen=True)
class Listen(Description):
    """One listening address."""

    known: ClassVar[Mapping[str, tuple[str, ...]]] = WORDS

    @classmethod
    def parse(cls, text: str) -> Listen:
        """Take `text` apart and check what needs no reactor for it; `ValueError` has the sentence."""
        if _DIGITS.fullmatch(text):
            raise ValueError(f"{shown(text)} is a port alone: write tcp:{text[:20]} or udp:{text[:20]}")
        args, options = split(text)
        if ":" not in text or not args or not args[0]:
            raise ValueError(f"{shown(text)} is no listening address: write for example tcp:7007 or udp:7007")
        made = cls(text, args[0], tuple(args[1:]), MappingProxyType(options))
        if made.kind in WORDS:
            _check(made)
        return made

    @property
    def datagram(self) -> bool:
        """Whether datagrams are served here, not connections."""
        return self.kind in _DATAGRAM_KINDS or (self.kind == "systemd" and self.words.get("type") == "datagram")

    @property
    def host(self) -> str:
        """The IP address to listen on; empty for every address, and for what is no IP address."""
        return self.words.get("interface", "") if self.kind in _IP_KINDS else ""

    @property
    def port(self) -> int | None:
        """The port, 0 for any free one, or `None` for what has none."""
        return int(self.words["port"]) if self.kind in _IP_KINDS else None

    @property
    def path(self) -> str | None:
        """The path of a UNIX socket, or `None`."""
        return self.words["address"] if self.kind in ("unix", "unixgram") else None


def split(text: str) -> tuple[list[str], dict[str, str]]:
    """
    Return the words and keywords of an endpoint description, as Twisted splits them.

    Unlike Twisted, a keyword given twice and a backslash at the end are errors (`ValueError`).
    """
    args: list[str] = []
    options: dict[str, str] = {}
    if "\\" not in text and "=" not in text:
        return text.split(":"), options
    name: str | None = None
    current: list[str] = []
    chars = iter(text + ":")
    left = len(text) + 1
    for char in chars:
        left -= 1
        if char == "\\":
            if left <= 1:
                raise ValueError(f"{shown(text)} ends with a backslash: remove it, or write two for a literal one")
            left -= 1
            current.append(next(chars))
        elif char == "=" and name is None:
            name, current = "".join(current), []
        elif char == ":":
            value, current = "".join(current), []
            if name is None:
                args.append(value)
            elif name in options:
                raise ValueError(f"{shown(text)} gives {shown(name)} twice: keep one of the two")
            else:
                options[name] = value
            name = None
        else:
            current.append(char)
    return args, options


def bind(kind: str, known: tuple[str, ...], args: tuple[str, ...], options: Mapping[str, str]) -> dict[str, str]:
    """Every word of a description under its name; `ValueError` for unknown, doubled and surplus ones."""
    for name in options:
        if name not in known:
            keywords = [word for word in known if word not in ("port", "address", "host", "path")]
            hint = f"known are {listed(keywords)}" if keywords else "it takes none"
            raise ValueError(f"{shown(name)} is no keyword of {kind}: {hint}")
    if len(args) > len(known) or any(_looks_split(value) for value in args[1:] if kind in _IP_KINDS):
        raise ValueError(
            f"{kind} takes no word {shown(args[-1])} there: write keywords as name=value, and a backslash"
            r' before each ":" inside a value, as in interface=\:\:1'
        )
    bound = dict(zip(known, args, strict=False))
    for name in bound:
        if name in options:
            raise ValueError(f"{shown(name)} is given twice, once without its name: keep one of the two")
    return bound | dict(options)


def _looks_split(value: str) -> bool:
    """Whether an empty word stands where `interface=::1` was written without backslashes."""
    return not value


def check_port(kind: str, port: str | None, lowest: int = 0) -> None:
    """`ValueError` unless `port` is a decimal port number of at least `lowest`."""
    if not port:
        raise ValueError(f"{kind} needs a port: write for example {kind}:7007")
    if not _NUMBER.fullmatch(port) or not lowest <= int(port) <= 65535:
        hint = f" (the port comes first: {kind}:7007:interface=…)" if lowest == 0 and not port.isdigit() else ""
        raise ValueError(f"the port {shown(port)} is not a number from {lowest} to 65535{hint}")


def check_path(kind: str, path: str | None) -> None:
    """`ValueError` unless `path` can be the address of a UNIX socket."""
    if not path:
        raise ValueError(f"{kind} needs a path: write for example {kind}:/run/echod/echo.sock")
    if len(path.encode("utf-8")) > _MOST_PATH_BYTES:
        raise ValueError(
            f"the path {shown(path)} has more than {_MOST_PATH_BYTES} bytes, which no UNIX socket can have"
        )
    if "\0" in path[1:]:
        raise ValueError(f"the path {shown(path)} has a NUL byte in it: only an abstract name may begin with one")


def check_interface(kind: str, text: str, *, v4: bool, v6: bool) -> None:
    """Raise `ValueError` unless `text` is empty or an IP address of a family that `kind` listens on."""
    if not text:
        return
    if ip := address(text):
        if v6 if isinstance(ip, IPv6Address) else v4:
            return
        other = kind[:-1] if kind.endswith("6") else kind + "6"
        name = "IPv6" if isinstance(ip, IPv6Address) else "IPv4"
        raise ValueError(f"{shown(text)} is an {name} address: write {other}: instead of {kind}:")
    example = r"\:\:1" if kind.endswith("6") else "127.0.0.1"
    raise ValueError(f"the interface {shown(text)} is not an IP address: write for example interface={example}")


@lru_cache(maxsize=256)
def address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the IP address that `text` is, with its scope if it has one, or `None`."""
    try:
        return IPv6Address(text) if ":" in text else IPv4Address(text)
    except AddressValueError:
        return None


def _check(listen: Listen) -> None:
    """`ValueError` for a known kind whose words are not right."""
    kind = listen.kind
    words = bind(kind, WORDS[kind], listen.args, listen.options)
    if kind in _IP_KINDS:
        check_port(kind, words.get("port"))
        # There is no ssl6: Twisted's ssl listens on either family.
        v4, v6 = not kind.endswith("6"), kind.endswith("6") or kind == "ssl"
        check_interface(kind, words.get("interface", ""), v4=v4, v6=v6)
    elif kind == "systemd":
        _check_systemd(words)
    else:
        check_path(kind, words.get("address"))
    backlog = words.get("backlog", "1")
    if not _NUMBER.fullmatch(backlog) or not 1 <= int(backlog) <= 2**31 - 1:
        raise ValueError(f"the backlog {shown(backlog)} is not a whole number of at least 1")
    if not _MODE.fullmatch(words.get("mode", "666")):
        raise ValueError(f"the mode {shown(words['mode'])} is not octal: write for example mode=660")
    if words.get("lockfile", "1") not in ("0", "1"):
        raise ValueError(f"the lockfile {shown(words['lockfile'])} is neither 0 (no lock file) nor 1")


def _check_systemd(words: Mapping[str, str]) -> None:
    """`ValueError` unless the words name one socket that systemd passes on."""
    if words.get("domain") not in ("INET", "INET6", "UNIX"):
        raise ValueError("systemd needs domain=INET, domain=INET6 or domain=UNIX")
    if bool(words.get("name")) == bool(words.get("index")):
        raise ValueError("systemd needs either name=NAME (FileDescriptorName in the .socket file) or index=NUMBER")
    if words.get("index") and not _NUMBER.fullmatch(words["index"]):
        raise ValueError(f"the index {shown(words['index'])} is not a whole number of at least 0")
    if words.get("type", "stream") not in ("stream", "datagram"):
        raise ValueError(f"the type {shown(words['type'])} is neither stream nor datagram")
