"""
Settings as JSON has them become a file as `echod.config` reads it, and the other way round.

What is read back is equal to what was written: every text stands in double quotes, and a `${` in it is written `$${`,
so that nothing which was typed into the console is taken from the environment of the daemon.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import yaml

from echod.config.nodes import Items, Scalar
from echod.config.top import SERVICES_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from echod.config.nodes import Node, Table

MARK = "# Made in echod's console; "
"""How the first line of a file begins that the console may change."""

FIRST_LINE = f"{MARK}change it there, or remove this line and it is yours to edit.\n"

_VARIABLE = re.compile(r"(?<!\$)\$\{")


class _Writer(yaml.SafeDumper):
    """Writes what the strict reader reads: texts in double quotes, numbers in plain digits, nothing by reference."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        """Write everything out. Called by PyYAML."""
        return True

    def write_text(self, text: str) -> yaml.ScalarNode:
        """Write a text. Called by PyYAML."""
        return self.represent_scalar("tag:yaml.org,2002:str", text, style='"')

    def write_float(self, number: float) -> yaml.ScalarNode:
        """Write a number, never with an exponent. Called by PyYAML."""
        digits = format(Decimal(repr(number)), "f")
        return self.represent_scalar("tag:yaml.org,2002:float", digits if "." in digits else f"{digits}.0")


_Writer.add_representer(str, _Writer.write_text)
_Writer.add_representer(float, _Writer.write_float)


def written(name: str, settings: Mapping[str, Any]) -> bytes:
    """Return the file that holds one service; `settings` are JSON values without halves of characters."""
    document = {SERVICES_KEY: {name: _literal(settings)}}
    text: str = yaml.dump(
        document,
        Dumper=_Writer,
        default_flow_style=False,
        sort_keys=False,
        allow_unicode=True,
        width=2**31,
    )
    return (FIRST_LINE + text).encode("utf-8")


def _literal(value: Any) -> Any:
    """Return a value with every text written so that it stands for itself."""
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, list):
        return [_literal(item) for item in value]
    if isinstance(value, dict):
        return {key: _literal(item) for key, item in value.items()}
    return value


def as_json(node: Node) -> Any:
    """Return what a file says as JSON; exact bytes are `{"hex": "00 01"}`, texts with variables as they are written."""
    if isinstance(node, Items):
        return [as_json(item) for item in node.items]
    if not isinstance(node, Scalar):
        return {key: as_json(entry.node) for key, entry in node.entries.items()}
    value = node.value
    if isinstance(value, bytes):
        return {"hex": value.hex(" ")}
    if isinstance(value, str):
        return str(value) if _VARIABLE.search(value) else value.replace("$${", "${")
    return value


def has_variables(table: Table) -> bool:
    """Tell whether the environment has a say in these settings."""
    return any(_VARIABLE.search(text) for text in _texts(table))


def _texts(node: Node) -> list[str]:
    """Return every text under a node."""
    if isinstance(node, Scalar):
        return [node.value] if isinstance(node.value, str) else []
    children = node.items if isinstance(node, Items) else [entry.node for entry in node.entries.values()]
    return [text for child in children for text in _texts(child)]
