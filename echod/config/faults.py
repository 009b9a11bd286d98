"""pydantic's errors in our words: from where a model found something to the sentence and the place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from echod.config.defaults import Defaults
from echod.config.limits import Limits
from echod.config.misfit import Misfit
from echod.config.model import MODELS, Service
from echod.config.nodes import Entry, Items, Scalar, Table
from echod.config.problems import listed, shown, suggestion
from echod.config.rules import Rule, When
from echod.config.top import TopLevel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

    from echod.config.misfit import Where
    from echod.config.nodes import Node

_INNER: Final[dict[str, type[BaseModel]]] = {
    "limits": Limits,
    "rules": Rule,
    "when": When,
    "defaults": Defaults,
}
_MISSING: Final = {
    "listen": "it is missing: write for example listen: tcp:7007:interface=127.0.0.1",
    "protocol": f"it is missing: write protocol: and {listed(MODELS)}",
    "reply": "it is missing: write what to answer, as in reply: hi",
}


class Fault(NamedTuple):
    """A sentence about the setting at `path` in a table, which stands at `line` and `column`."""

    path: Where
    line: int
    column: int
    message: str


def faults(error: ValidationError, model: type[BaseModel], root: Table, at: Entry | Table) -> Iterator[Fault]:
    """
    Everything that pydantic collected when it made `model` of `root`.

    `at` is where what is missing in `root` itself is reported: its key. Values whose problem is known are
    left out.
    """
    for item in error.errors(include_url=False):
        cause = item.get("ctx", {}).get("error")
        where = tuple(item["loc"])
        if isinstance(cause, Misfit):
            if _holes(root):
                continue  # it was judged without the value that is missing
            found = [((*where, *rest), message) for rest, message in cause.found]
        else:
            found = [(where, _sentence(item, cause, where, model))]
        for path, message in found:
            fault = _placed(path, message, root, at, of_key=item["type"] == "extra_forbidden")
            if fault is not None:
                yield fault


def missing(key: str) -> str:
    """Return the sentence about a setting that must be there."""
    return _MISSING[key]


def _sentence(item: ErrorDetails, cause: object, where: Where, model: type[BaseModel]) -> str:
    """Return what is wrong, and what would be right."""
    kind = item["type"]
    if cause is not None:
        return str(cause)
    if kind == "extra_forbidden":
        return _unknown_key(str(where[-1]), where[:-1], model)
    if kind == "missing":
        return missing(str(where[-1]))
    if kind == "model_type":
        return f"{shown(item['input'])} stands where settings are needed: write KEY: VALUE"
    return f"{shown(item['input'])} cannot be used here: {item['msg']}"


def _unknown_key(key: str, where: Where, model: type[BaseModel]) -> str:
    """Return the sentence about a key that nobody knows at `where`."""
    inner = model
    for part in where:
        inner = _INNER.get(part, inner) if isinstance(part, str) else inner
    if issubclass(inner, Service):
        owners = [name for name, other in MODELS.items() if key in other.model_fields and key != "name"]
        if owners:
            return f"this setting belongs to protocol {listed(owners)}: remove it, or change the protocol"
    if inner is Defaults and key in Service.model_fields:
        return "it cannot be a default: write it in each service"
    known = set(inner.model_fields) - {"name"} | ({"services"} if inner is TopLevel else set())
    return f"{shown(key)} is no setting here: {suggestion(key, known)}"


def _placed(path: Where, message: str, root: Table, at: Entry | Table, *, of_key: bool) -> Fault | None:
    """
    Return the fault with the place of the deepest node on its path.

    pydantic's path may go on where the file's ends: into a list that is written as one value, or to a missing
    key.
    """
    node: Node = root
    place: Entry | Node = at
    gone = 0
    for part in path:
        if isinstance(node, Table) and isinstance(part, str) and part in node.entries:
            entry = node.entries[part]
            node = entry.node
            place = node if isinstance(node, Scalar) else entry
            if of_key and gone == len(path) - 1:
                place = entry
        elif isinstance(node, Items) and isinstance(part, int) and part < len(node.items):
            node = place = node.items[part]
        else:
            break
        gone += 1
    if isinstance(node, Scalar) and node.value is None and not of_key:
        return None
    absent = gone == len(path) - 1 and isinstance(path[-1], str)
    return Fault(path if absent else path[:gone], place.line, place.column, message)


def _holes(node: Node) -> bool:
    """Tell whether the problem of a value under `node` is known already, so that the value is not."""
    if isinstance(node, Scalar):
        return node.value is None
    if isinstance(node, Items):
        return any(_holes(item) for item in node.items)
    return any(_holes(entry.node) for entry in node.entries.values())
