"""The JSON Schema of the file, made from the models that validate it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic.json_schema import models_json_schema

from echod.config.model import MODELS, NAME_PATTERN, PythonService, Service
from echod.config.top import TopLevel

if TYPE_CHECKING:
    from pydantic import BaseModel

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
TITLE: Final = "echod configuration"
SERVICE_MODELS: Final[tuple[type[Service], ...]] = (*MODELS.values(), PythonService)


def json_schema() -> dict[str, Any]:
    """
    Return the schema of the main file, JSON Schema draft 2020-12.

    It accepts every file that `load` accepts. What needs the environment, other files or two places at once
    (variables, addresses that collide) is left to `echod check`.
    """
    models: list[type[BaseModel]] = [TopLevel, *MODELS.values(), PythonService]
    _, made = models_json_schema([(model, "validation") for model in models])
    definitions: dict[str, Any] = _without_null(made["$defs"])
    for model in SERVICE_MODELS:
        service = definitions[model.__name__]
        del service["properties"]["name"]
        # `defaults` may give the protocol; see _needs.
        service["required"] = ["listen"]
    top = definitions.pop("TopLevel")
    services = {
        "description": "The services, by their names.",
        "type": "object",
        "propertyNames": {"pattern": f"^{NAME_PATTERN}$", "not": {"pattern": r"\.\."}},
        "additionalProperties": {"anyOf": [{"$ref": f"#/$defs/{model.__name__}"} for model in SERVICE_MODELS]},
    }
    return {
        "$schema": DIALECT,
        "title": TITLE,
        "description": "TCP and UDP echo and reply services of echod.",
        "type": "object",
        "properties": {"services": services, **top["properties"]},
        "additionalProperties": False,
        "anyOf": [
            {"required": ["services"], "properties": {"services": {"minProperties": 1}}},
            {"required": ["include"], "properties": {"include": {"minItems": 1}}},
            # Services can be made there.
            {"required": ["console"]},
        ],
        "allOf": [
            _needs(["protocol"], {}),
            _needs(["quotes"], _says("qotd")),
            _needs(["reply", "rules"], _says("reply")),
        ],
        "$defs": definitions,
    }


def _says(protocol: str) -> dict[str, Any]:
    """Services that name this protocol themselves."""
    return {"properties": {"protocol": {"const": protocol}}, "required": ["protocol"]}


def _needs(settings: list[str], services: dict[str, Any]) -> dict[str, Any]:
    """One of `settings` must be in those `services`, unless it is in the defaults."""
    one = {"anyOf": [{"required": [setting]} for setting in settings]}
    given = {"required": ["defaults"], "properties": {"defaults": one}}
    then = {"properties": {"services": {"additionalProperties": {"if": services, "then": one}}}}
    return {"if": {"not": given}, "then": then}


def _without_null(schema: Any) -> Any:
    """Return `schema` without `null`, which the models use for what is not given and no file may write."""
    if isinstance(schema, list):
        return [_without_null(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _without_null(value) for key, value in schema.items() if not (key == "default" and value is None)}
    options = made.get("anyOf")
    if isinstance(options, list) and {"type": "null"} in options:
        left = [option for option in options if option != {"type": "null"}]
        del made["anyOf"]
        made = {**made, **(left[0] if len(left) == 1 else {"anyOf": left})}
    return made
