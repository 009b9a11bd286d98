"""
The single values of the file, each with its check and its sentence.

Validators take what `echod.config.text` reads: `Ambiguous` and `Substituted` are texts with a history. Every
message says what is wrong and what would be right; they raise `ValueError`, which pydantic collects.
"""

from __future__ import annotations

import math
import re
from ipaddress import IPv4Network, IPv6Network, ip_interface
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from echod.config.listen import Listen
from echod.config.nodes import Ambiguous, Exact, Substituted
from echod.config.problems import SettingError, listed, shown, suggestion
from echod.config.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable

Network: TypeAlias = IPv4Network | IPv6Network

_DURATION = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,18})?) ?(ms|s|m|h)", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,18}) ?(B|KiB|MiB|GiB)", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18})?", re.ASCII)
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
MOST_SECONDS: Final = 315_576_000.0
MOST_SIZE: Final = 1 << 40
MOST_COUNT: Final = 1_000_000_000


def refuse_ambiguous(value: Any, right: str | None = None) -> None:
    """`ValueError` for a plain `yes`, `no`, `on`, `off`, `y` or `n` where a text is meant."""
    if isinstance(value, Ambiguous):
        meaning = "true" if value.lower() in ("yes", "on", "y") else "false"
        right = right or f'write "{value}" in quotes'
        raise SettingError(f"{value} without quotes means {meaning} to some readers: {right}")


def _number(value: Any) -> float | int | None:
    """Return the number that `value` is, or holds after a substitution; booleans are none."""
    if type(value) in (int, float):
        return float(value) if isinstance(value, float) else int(value)
    if isinstance(value, Substituted) and _NUMBER.fullmatch(value):
        return float(value) if "." in value else int(value)
    return None


def duration(value: Any) -> float:
    """Seconds, from a number of seconds or from `500ms`, `10s`, `5m`, `1h`; from 0 to ten years."""
    seconds = _number(value)
    if seconds is None and isinstance(value, str) and (match := _DURATION.fullmatch(value)):
        seconds = float(match[1]) * _SECONDS[match[2]]
    if seconds is None:
        raise SettingError(f"{shown(value)} is no duration: write seconds as a number, or 500ms, 10s, 5m, 1h")
    if not math.isfinite(seconds) or not 0 <= seconds <= MOST_SECONDS:
        raise SettingError(f"{shown(value)} is not between 0 and ten years")
    return float(seconds)


def size(value: Any) -> int:
    """Bytes, from a whole number of bytes or from `64KiB`, `1MiB`, `1GiB`; from 1 byte to 1024 GiB."""
    number = _number(value)
    if number is None and isinstance(value, str) and (match := _SIZE.fullmatch(value)):
        number = int(match[1]) * _BYTES[match[2]]
    if not isinstance(number, int):
        raise SettingError(f"{shown(value)} is no size: write whole bytes as a number, or 64KiB, 1MiB, 1GiB")
    if not 1 <= number <= MOST_SIZE:
        raise SettingError(f"{shown(value)} is not between 1 byte and 1024GiB")
    return number


def whole(lowest: int) -> Callable[[Any], int]:
    """Return a validator for whole numbers of at least `lowest`."""

    def checked(value: Any) -> int:
        number = _number(value)
        if not isinstance(number, int) or not lowest <= number <= MOST_COUNT:
            raise SettingError(f"{shown(value)} is not a whole number from {lowest} to {MOST_COUNT}")
        return number

    return checked


def text(value: Any) -> bytes:
    """Bytes to send or compare: a text as UTF-8, `!!binary`, or `{hex: "00 01 ff"}`."""
    if isinstance(value, bytes):
        return Exact(value)
    refuse_ambiguous(value)
    if isinstance(value, str):
        try:
            return value.encode("utf-8")
        except UnicodeEncodeError:
            raise SettingError(f"{shown(value)} has half a surrogate pair in it, which UTF-8 cannot hold") from None
    if isinstance(value, dict):
        return _hex(value)
    if isinstance(value, list) or value is None:
        raise SettingError(f"{shown(value)} stands where a text is needed: write the text in quotes")
    raise SettingError(f'{shown(value)} is not a text: write "{shown(value)}" in quotes')


def _hex(value: dict[str, Any]) -> bytes:
    """Return the bytes of `{hex: "00 01 ff"}`."""
    if set(value) != {"hex"} or not isinstance(value["hex"], str):
        raise SettingError('a mapping is not a text: write the text in quotes, or exact bytes as {hex: "00 01 ff"}')
    try:
        return Exact(bytes.fromhex(value["hex"]))
    except ValueError:
        raise SettingError(
            f'{shown(value["hex"])} is not hexadecimal: write pairs of digits, as in "00 01 ff"'
        ) from None


def label(value: Any) -> str:
    """Return a text for people; it is not sent."""
    refuse_ambiguous(value)
    if not isinstance(value, str):
        raise SettingError(f"{shown(value)} is not a text: write it in quotes")
    return str(value)


def switch(value: Any) -> bool:
    """Return `true` or `false`."""
    if isinstance(value, bool):
        return value
    refuse_ambiguous(value, "write true or false")
    if isinstance(value, Substituted) and value in ("true", "false"):
        return value == "true"
    raise SettingError(f"{shown(value)} is neither true nor false: write one of these, without quotes")


def one_of(*words: str) -> Callable[[Any], str]:
    """Return a validator for one of `words`, which may be written as YAML's ambiguous `on` and `off`."""

    def chosen(value: Any) -> str:
        if isinstance(value, str) and value in words:
            return str(value)
        hint = suggestion(value, words) if isinstance(value, str) else f"write {listed(words)}"
        raise SettingError(f"{shown(value)} is not one of {', '.join(words)}: {hint}")

    return chosen


def several(value: Any) -> Any:
    """Return a list as it is, and anything else as a list of one."""
    if isinstance(value, (list, tuple)):
        if not value:
            raise SettingError("the list is empty: write at least one item, or remove the setting")
        return value
    return [value]


def only_list(value: Any) -> Any:
    """Return a list as it is; anything else is refused."""
    if not isinstance(value, (list, tuple)):
        raise SettingError(f"{shown(value)} is not a list: write [ITEM, ITEM], or one item a line after a dash")
    return value


def listen(value: Any) -> Listen:
    """Return a listening address, see `echod.config.listen`."""
    if isinstance(value, Listen):
        return value
    if type(value) is int:
        raise SettingError(f"{shown(value)} is a port alone: write tcp:{shown(value)} or udp:{shown(value)}")
    refuse_ambiguous(value)
    if not isinstance(value, str):
        raise SettingError(f"{shown(value)} is no listening address: write for example tcp:7007 or udp:7007")
    return Listen.parse(str(value))


def target(value: Any) -> Target:
    """Return an address to connect to, see `echod.config.target`."""
    if isinstance(value, Target):
        return value
    refuse_ambiguous(value)
    if not isinstance(value, str):
        raise SettingError(f"{shown(value)} is no address to connect to: write for example tcp:127.0.0.1:7007")
    return Target.parse(str(value))


def network(value: Any) -> Network:
    """Return an IP address or range; the bits after the range's length must be 0."""
    if isinstance(value, (IPv4Network, IPv6Network)):
        return value
    try:
        # ipaddress would take integers and bytes, too.
        given = ip_interface(str(value)) if isinstance(value, str) and "%" not in value else None
    except ValueError:
        given = None
    if given is None:
        raise SettingError(f"{shown(value)} is no IP address or range: write for example 192.0.2.0/24 or 2001:db8::/32")
    if given.ip != given.network.network_address:
        raise SettingError(f"{shown(value)} has bits set after the length of the range: write {given.network}")
    return given.network
