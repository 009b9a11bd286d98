"""The description of the interface: OpenAPI 3.1, made from the models that check what is sent."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from echod import __version__
from echod.config import json_schema
from echod.config.kinds import VARIABLE, text_schema
from echod.config.model import MODELS, NAME_PATTERN
from echod.config.schema import DIALECT
from echod.console.exposed import KINDS
from echod.console.openapi_answers import ANSWERS
from echod.console.refusal import TITLES

MOST_SECONDS: Final = 10.0
LEAST_SECONDS: Final = 0.1
SECONDS: Final = 2.0
"""Seconds that a try may take at most and at least, and when nothing is said."""

_REF = "#/components/schemas/"
_INNER = ("Limits", "Rule", "When")
_ADDRESS = {
    "type": "string",
    "pattern": rf"^({'|'.join(KINDS)}):",
    "examples": ["tcp:7007:interface=127.0.0.1", "udp:7007"],
}
_TAGS = {"type": "string", "pattern": r'^(\*|(W/)?"[^"]*"(, (W/)?"[^"]*")*)$', "example": "*"}
_NAME = {"type": "string", "pattern": rf"^{NAME_PATTERN}$", "not": {"pattern": r"\.\."}}


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """Return the document."""
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": DIALECT,
        "info": {
            "title": "echod's console",
            "version": __version__,
            "description": "The services of one echod: listed, made, changed, removed, tried and watched.",
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}],
        "paths": _paths(),
        "components": {
            "schemas": {**_settings(), **_trial(), **ANSWERS},
            "responses": {f"Problem{status}": _problem(status) for status in TITLES},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _settings() -> dict[str, Any]:
    """Return the schemas of services, as the console takes them."""
    definitions = json_schema()["$defs"]
    names = [model.__name__ for model in MODELS.values()]
    made: dict[str, Any] = _narrowed({name: definitions[name] for name in (*_INNER, *names)})
    for name in names:
        properties = made[name]["properties"]
        several = {"type": "array", "items": _ADDRESS, "minItems": 1}
        properties["listen"] = {**_said(properties["listen"]), "anyOf": [_ADDRESS, several]}
        properties["connect"] = {**_said(properties["connect"]), **_ADDRESS}
        if "quotes" in properties:
            quotes = properties["quotes"]
            properties["quotes"] = {"title": quotes["title"], "description": "The quotes.", **quotes["anyOf"][-1]}
    what = "A service in the keys of the YAML file. Without protocol, the defaults of the file give it."
    made["Settings"] = {"description": what, "anyOf": [{"$ref": f"{_REF}{name}"} for name in names]}
    made["NewService"] = {
        "description": "A service in the keys of the YAML file, with its name.",
        "anyOf": [_named(made[name]) for name in names],
    }
    return made


def _named(service: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a service with its name among the settings."""
    return {
        **service,
        "properties": {"name": _NAME, **service["properties"]},
        "required": ["name", *service["required"]],
    }


def _said(schema: dict[str, Any]) -> dict[str, Any]:
    """Return what is said of a setting for people."""
    return {key: schema[key] for key in ("title", "description") if key in schema}


def _narrowed(schema: Any) -> Any:
    """Return a schema without texts for variables, which the console does not have, and with references to here."""
    if isinstance(schema, list):
        return [_narrowed(each) for each in schema if each != VARIABLE]
    if not isinstance(schema, dict):
        return schema
    made = {key: _narrowed(value) for key, value in schema.items()}
    if isinstance(made.get("$ref"), str):
        made["$ref"] = made["$ref"].replace("#/$defs/", _REF)
    options = made.get("anyOf")
    if isinstance(options, list) and len(options) == 1:
        del made["anyOf"]
        made = {**options[0], **made}
    return made


def _trial() -> dict[str, Any]:
    """Return the schema of what is to be tried."""
    return {
        "Trial": {
            "description": "A message for a service.",
            "type": "object",
            "properties": {
                "message": {
                    **_narrowed(text_schema()),
                    "description": "What is sent; a text as UTF-8, or exact bytes.",
                },
                "address": {"type": "integer", "minimum": 0, "default": 0, "description": "Which of its addresses."},
                "timeout": {
                    "type": "number",
                    "minimum": LEAST_SECONDS,
                    "maximum": MOST_SECONDS,
                    "default": SECONDS,
                    "description": "Seconds for the connection, and again for the answer.",
                },
            },
            "additionalProperties": False,
        }
    }


def _paths() -> dict[str, Any]:
    """Return what can be done."""
    name = {"name": "name", "in": "path", "required": True, "schema": _NAME, "example": "echo-tcp"}
    return {
        "/api/services": {
            "get": _operation("listServices", "List the services.", _json("ServiceList")),
            "post": _operation(
                "makeService",
                "Make a service.",
                _json("Service", status=201, headers=("ETag", "Location")),
                body="NewService",
                problems=(400, 409, 413, 415, 422, 503),
            ),
        },
        "/api/services/{name}": {
            "parameters": [name],
            "get": _operation("getService", "Get a service.", _json("Service", headers=("ETag",)), problems=(404,)),
            "put": _operation(
                "putService",
                "Give a service other settings, or make it.",
                {
                    **_json("Service", headers=("ETag",)),
                    **_json("Service", status=201, headers=("ETag", "Location")),
                },
                body="Settings",
                conditions=("If-Match", "If-None-Match"),
                problems=(400, 409, 412, 413, 415, 422, 428, 503),
            ),
            "delete": _operation(
                "removeService",
                "Remove a service.",
                {"204": {"description": "It is gone."}},
                conditions=("If-Match",),
                problems=(400, 404, 409, 412, 422, 503),
            ),
        },
        "/api/services/{name}/try": {
            "parameters": [name],
            "post": _operation(
                "tryService",
                "Send a message to a service, over its real socket.",
                _json("Tried"),
                body="Trial",
                problems=(400, 404, 413, 415, 422, 429),
            ),
        },
        "/api/reload": {
            "post": _operation(
                "reload", "Read the files anew, as SIGHUP does.", _json("Reloaded"), problems=(409, 422, 503)
            ),
        },
        "/api/events": {"get": _events()},
        "/api/openapi.json": {"get": _operation("describe", "Get this document.", _json(None))},
    }


def _operation(
    identifier: str,
    summary: str,
    good: dict[str, Any],
    *,
    body: str | None = None,
    conditions: tuple[str, ...] = (),
    problems: tuple[int, ...] = (),
) -> dict[str, Any]:
    """Return the description of one method of a path."""
    made: dict[str, Any] = {"operationId": identifier, "summary": summary}
    if conditions:
        made["parameters"] = [
            {"name": each, "in": "header", "schema": _TAGS, "description": "ETags, or *."} for each in conditions
        ]
    if body is not None:
        content = {"application/json": {"schema": {"$ref": f"{_REF}{body}"}}}
        made["requestBody"] = {"required": True, "content": content}
    refused = {
        str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in sorted({401, 403, *problems})
    }
    return {**made, "responses": {**good, **refused}}


def _json(schema: str | None, status: int = 200, headers: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the description of a good response."""
    content = {"schema": {"type": "object"} if schema is None else {"$ref": f"{_REF}{schema}"}}
    made: dict[str, Any] = {"description": "It is done.", "content": {"application/json": content}}
    if headers:
        made["headers"] = {each: {"required": True, "schema": {"type": "string"}} for each in headers}
    return {str(status): made}


def _problem(status: int) -> dict[str, Any]:
    """Return the description of a response that says what is wrong."""
    content = {"application/problem+json": {"schema": {"$ref": f"{_REF}Problem"}}}
    return {"description": TITLES[status], "content": content}


def _events() -> dict[str, Any]:
    """Return the description of the stream, which has no end."""
    good = {
        "200": {"description": "Server-sent events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
    }
    made = _operation("watch", "Watch what happens on the services.", good, problems=(429,))
    service = {"type": "array", "items": {"type": "string"}}
    made["parameters"] = [{"name": "service", "in": "query", "schema": service, "description": "Whose events; all."}]
    return made
