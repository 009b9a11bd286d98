"""Every setting of the file with its default and its meaning, as the models have them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from echod.config import (
    Console,
    Framing,
    Limits,
    Log,
    Metrics,
    QotdService,
    ReplyService,
    Rule,
    Service,
    TopLevel,
    When,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

NEEDED = "needed"
NONE = "none"

# Where one of several is needed, or a table may be left out as a whole, no single field can be called required.
_NEEDED = {
    "quotes": "needed by `qotd`",
    "reply": "this or `rules`",
    "rules": "this or `reply`",
    "metrics.listen": "needed by `metrics`",
    "console.listen": "needed by `console`",
}
_SIDES: dict[str, type[BaseModel]] = {"log": Log, "metrics": Metrics, "console": Console}
_SIZES = frozenset({"buffer", "frame"})


class Setting(NamedTuple):
    """
    One setting, in words; code in them is between backquotes.

    :ivar key: as the file has it, with dots between the levels, and `[]` after a list.
    :ivar default: as the file would write it, or what takes its place.
    """

    key: str
    default: str
    meaning: str


def top_settings() -> Iterator[Setting]:
    """Yield what stands beside the services, and these themselves."""
    yield Setting("services", NEEDED, "The services, by their names.")
    for key, info in TopLevel.model_fields.items():
        if key in _SIDES:
            yield from _inside(f"{key}.", _SIDES[key])
        else:
            yield Setting(key, "`{}`" if key == "defaults" else _default(info), _meaning(info))


def service_settings() -> Iterator[Setting]:
    """Yield the settings of a service: the needed ones first, then in the order of the alphabet."""
    fields: dict[str, FieldInfo] = {}
    for model in (Service, ReplyService, QotdService):
        for key, info in model.model_fields.items():
            fields.setdefault(key, info)
    del fields["name"]
    first = ("listen", "protocol")
    for key in (*first, *sorted(set(fields) - set(first))):
        if key == "limits":
            yield from _inside("limits.", Limits)
            continue
        yield Setting(key, _NEEDED.get(key) or _default(fields[key]), _meaning(fields[key]))
        if key == "rules":
            yield from _inside("rules[].", Rule)
            yield from _inside("rules[].when.", When)


def settings() -> Iterator[Setting]:
    """Yield them all, in the order of the reference."""
    yield from top_settings()
    yield from service_settings()


def _inside(prefix: str, model: type[BaseModel]) -> Iterator[Setting]:
    """Yield the settings of a table within the file."""
    for key, info in model.model_fields.items():
        whole = f"{prefix}{key}"
        default = _limit(key, info.default) if model is Limits else _NEEDED.get(whole) or _default(info)
        yield Setting(whole, default, _meaning(info))


def _meaning(info: FieldInfo) -> str:
    """Return the description, without which a field is not to be."""
    assert info.description
    return info.description


def _default(info: FieldInfo) -> str:
    """Return the default as the file writes it."""
    value: Any = info.default
    if info.is_required():
        return NEEDED
    if value is None:
        return NONE
    if isinstance(value, Framing):
        return f"`{value.kind}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        assert not value
        return "`[]`"
    return f"`{value}`" if value != "" else '`""`'


def _limit(key: str, value: float) -> str:
    """Return a limit's default with its unit."""
    if isinstance(value, float):
        return f"`{value:g}s`" if value else "`0`"
    return f"`{value // 1024}KiB`" if key in _SIZES else f"`{value}`"
