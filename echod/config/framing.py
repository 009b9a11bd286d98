"""How a stream is cut into messages: the setting, not the cutting."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from echod.config.kinds import whole_schema
from echod.config.problems import SettingError, shown, suggestion
from echod.config.values import refuse_ambiguous, text, whole

FramingKind: TypeAlias = Literal["stream", "line", "netstring", "int8", "int16", "int32", "delimiter", "fixed"]
_WORDS = tuple(word for word in get_args(FramingKind) if word not in ("delimiter", "fixed"))


@dataclass(frozen=True)
class Framing:
    """
    How messages are told apart in a stream.

    `delimiter` (bytes) belongs to the kind of that name, `size` (bytes, at least 1) to `fixed`.
    """

    kind: FramingKind = "stream"
    delimiter: bytes = b""
    size: int = 0


def framing(value: Any) -> Framing:
    """Return the framing that the file describes; `ValueError` has the sentence."""
    if isinstance(value, Framing):
        return value
    if isinstance(value, dict) and len(value) == 1:
        if "delimiter" in value:
            delimiter = text(value["delimiter"])
            if not delimiter:
                raise SettingError('the delimiter is empty: write for example {delimiter: "\\r\\n"}')
            return Framing("delimiter", delimiter=delimiter)
        if "fixed" in value:
            return Framing("fixed", size=whole(1)(value["fixed"]))
    refuse_ambiguous(value, f"write one of {', '.join(_WORDS)}")
    if isinstance(value, str):
        for word in _WORDS:
            if value == word:
                return Framing(word)
        hint = suggestion(value, (*_WORDS, "delimiter", "fixed"))
        raise SettingError(f"{shown(value)} is no framing: {hint}")
    raise SettingError(
        f'{shown(value)} is no framing: write one of {", ".join(_WORDS)}, or {{delimiter: "\\r\\n"}}, or {{fixed: 16}}'
    )


def _written(value: Framing) -> Any:
    """Return the setting as the file writes it."""
    if value.kind == "delimiter":
        return {"delimiter": {"hex": value.delimiter.hex(" ")}}
    return {"fixed": value.size} if value.kind == "fixed" else value.kind


def _schema() -> dict[str, Any]:
    """Return what a file may hold for `framing`."""
    one = {"type": "object", "additionalProperties": False}
    delimiter = {"anyOf": [{"type": "string", "minLength": 1}, {"type": "object", "required": ["hex"]}]}
    return {
        "anyOf": [
            {"enum": list(_WORDS)},
            {"type": "string", "pattern": r"\$\{"},
            {**one, "properties": {"delimiter": delimiter}, "required": ["delimiter"]},
            {**one, "properties": {"fixed": whole_schema(1)}, "required": ["fixed"]},
        ]
    }


FramingSetting = Annotated[Framing, PlainValidator(framing), PlainSerializer(_written), WithJsonSchema(_schema())]
