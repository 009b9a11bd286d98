"""The single values of the file as annotated types: checks of `echod.config.values`, with JSON Schemas."""

from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BeforeValidator, PlainValidator, WithJsonSchema

from echod.config.listen import Listen
from echod.config.target import Target
from echod.config.values import (
    MOST_COUNT,
    MOST_SECONDS,
    MOST_SIZE,
    Network,
    duration,
    label,
    listen,
    network,
    one_of,
    only_list,
    several,
    size,
    switch,
    target,
    text,
    whole,
)

Schema: TypeAlias = dict[str, Any]
VARIABLE: Final[Schema] = {"type": "string", "pattern": r"\$\{"}


def or_variable(*schemas: Schema) -> Schema:
    """Any of `schemas`, or a text with a `${NAME}` in it, whose value only the reader of the file knows."""
    return {"anyOf": [*schemas, VARIABLE]}


def text_schema() -> Schema:
    """Return the schema of a `Text`."""
    return {
        "anyOf": [
            {"type": "string"},
            {
                "type": "object",
                "properties": {"hex": or_variable({"type": "string", "pattern": r"^\s*([0-9A-Fa-f]{2}\s*)*$"})},
                "required": ["hex"],
                "additionalProperties": False,
            },
        ]
    }


LISTEN_SCHEMA: Final[Schema] = or_variable(
    {"type": "string", "pattern": "^[^:=]+:", "examples": ["tcp:7007:interface=127.0.0.1", "udp:7007"]}
)
_NETWORK_SCHEMA: Final[Schema] = or_variable({"type": "string", "pattern": r"^[0-9A-Fa-f:.]+(/[0-9.]+)?$"})


def one_or_many(item: Schema) -> Schema:
    """Return the schema of one item or of a list of at least one."""
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]}


def word_schema(words: Iterable[str], pattern: str | None = None) -> Schema:
    """Return the schema of one of `words`, or of a text that matches `pattern`."""
    return or_variable({"enum": list(words)}, *([{"type": "string", "pattern": pattern}] if pattern else []))


def whole_schema(lowest: int) -> Schema:
    """Return the schema of a whole number of at least `lowest`."""
    return or_variable({"type": "integer", "minimum": lowest, "maximum": MOST_COUNT})


Duration = Annotated[
    float,
    PlainValidator(duration),
    WithJsonSchema(
        or_variable(
            {"type": "number", "minimum": 0, "maximum": MOST_SECONDS},
            {"type": "string", "pattern": r"^[0-9]{1,18}(\.[0-9]{1,18})? ?(ms|s|m|h)$"},
        )
    ),
]
Size = Annotated[
    int,
    PlainValidator(size),
    WithJsonSchema(
        or_variable(
            {"type": "integer", "minimum": 1, "maximum": MOST_SIZE},
            {"type": "string", "pattern": "^[0-9]{1,18} ?(B|KiB|MiB|GiB)$"},
        )
    ),
]
Count = Annotated[int, PlainValidator(whole(1)), WithJsonSchema(whole_schema(1))]
CountOrNone = Annotated[int, PlainValidator(whole(0)), WithJsonSchema(whole_schema(0))]
Text = Annotated[bytes, PlainValidator(text), WithJsonSchema(text_schema())]
Texts = Annotated[tuple[Text, ...], BeforeValidator(several), WithJsonSchema(one_or_many(text_schema()))]
Label = Annotated[str, PlainValidator(label), WithJsonSchema({"type": "string"})]
Switch = Annotated[bool, PlainValidator(switch), WithJsonSchema(or_variable({"type": "boolean"}))]
OneListen = Annotated[Listen, PlainValidator(listen)]
Listens = Annotated[tuple[OneListen, ...], BeforeValidator(several), WithJsonSchema(one_or_many(LISTEN_SCHEMA))]
Connect = Annotated[Target, PlainValidator(target), WithJsonSchema(LISTEN_SCHEMA)]
OneNetwork = Annotated[Network, PlainValidator(network)]
Networks = Annotated[
    tuple[OneNetwork, ...],
    BeforeValidator(only_list),
    WithJsonSchema({"type": "array", "items": _NETWORK_SCHEMA}),
]
ProxyProtocol = Annotated[
    Literal["off", "on", "auto"],
    PlainValidator(one_of("off", "on", "auto")),
    WithJsonSchema(or_variable({"enum": ["off", "on", "auto"]})),
]
Then = Annotated[
    Literal["keep", "close", "half-close", "reset"],
    PlainValidator(one_of("keep", "close", "half-close", "reset")),
    WithJsonSchema(or_variable({"enum": ["keep", "close", "half-close", "reset"]})),
]
