"""The description of the interface is what the interface does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from echod.console.openapi import document
from echod.console.refusal import TITLES
from tests.console.consoles import NEW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.console.consoles import Browser, Reply


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    """Return what checks values by a schema of the document."""
    return Draft202012Validator({**schema, "components": document()["components"]})


def schemas(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every schema that bodies and answers have."""
    if isinstance(value, dict):
        if isinstance(value.get("schema"), dict):
            yield value["schema"]
        for each in value.values():
            yield from schemas(each)
    elif isinstance(value, list):
        for each in value:
            yield from schemas(each)


def test_every_schema_is_one(browser: Browser) -> None:
    """And every reference leads somewhere; the document is served as it is."""
    served = browser("GET", "/api/openapi.json").json
    assert served == document()
    assert served["openapi"].startswith("3.1")
    for schema in [*schemas(served), *served["components"]["schemas"].values()]:
        Draft202012Validator.check_schema(schema)
        # An instance of no type at all follows most references.
        list(validator(schema).iter_errors({"name": [], "listen": {}, "rules": [{}], "limits": {}, "services": [{}]}))


def declared(reply: Reply, method: str, path: str) -> dict[str, Any]:
    """Return what the document says of an answer; it must say something."""
    responses = document()["paths"][path][method.lower()]["responses"]
    response: dict[str, Any] = responses[str(reply.status)]
    if "$ref" in response:
        response = document()["components"]["responses"][response["$ref"].rpartition("/")[2]]
    return response


def test_answers_are_as_described(browser: Browser) -> None:
    """Each with a status that is listed, its type, its headers and its body."""
    one = "/api/services/{name}"
    etag = ""
    for method, path, body, headers, status in (
        ("GET", "/api/services", None, {}, 200),
        ("POST", "/api/services", NEW, {}, 201),
        ("POST", "/api/services", NEW, {}, 409),
        ("POST", "/api/services", {**NEW, "name": "x", "reply": 1}, {}, 422),
        ("POST", "/api/services", b"{", {}, 400),
        ("POST", "/api/services", b"{}", {"Content_Type": "text/plain"}, 415),
        ("GET", one, None, {}, 200),
        ("PUT", one, {**NEW, "name": None}, {}, 428),
        ("PUT", one, {"listen": NEW["listen"], "protocol": "discard"}, {"If_Match": "*"}, 200),
        ("PUT", one, {"listen": NEW["listen"], "protocol": "discard"}, {"If_Match": '"x"'}, 412),
        ("DELETE", one, None, {"If_Match": '"x"'}, 412),
        ("DELETE", one, None, {}, 204),
        ("GET", one, None, {}, 404),
        ("POST", "/api/services/{name}/try", {"message": 5}, {}, 404),
        ("POST", "/api/reload", None, {}, 200),
        ("GET", "/api/services", None, {"Origin": "http://evil.example"}, 403),
    ):
        reply = browser(method, path.replace("{name}", "new"), body, **headers)
        assert reply.status == status, (method, path, reply.body)
        response = declared(reply, method, path)
        for name in response.get("headers", {}):
            assert reply.headers[name], (method, path, name)
        for content_type, content in response.get("content", {}).items():
            assert reply.headers["Content-Type"] == content_type
            validator(content["schema"]).validate(reply.json)
        etag = reply.headers.get("ETag", etag)
    assert etag


@pytest.mark.parametrize(
    ("service", "fits"),
    [
        ({"listen": "tcp:7", "protocol": "echo"}, True),
        ({"listen": ["udp6:7", "tcp6:7"], "protocol": "qotd", "quotes": ["a", {"hex": "00"}]}, True),
        ({"listen": "tcp:7", "protocol": "reply", "rules": [{"when": {"equals": "a"}, "reply": "b"}]}, True),
        ({"listen": "tcp:7"}, True),
        ({"listen": "unix:/x", "protocol": "echo"}, False),
        ({"listen": ["tcp:7", "ssl:8"], "protocol": "echo"}, False),
        ({"listen": "tcp:7", "protocol": "python:a:b"}, False),
        ({"listen": "tcp:7", "protocol": "qotd", "quotes": "/etc/passwd"}, False),
        ({"listen": "tcp:7", "protocol": "echo", "limits": {"buffer": "${SIZE}"}}, False),
        ({"listen": "tcp:7", "protocol": "echo", "connect": "unix:/x"}, False),
        ({"listen": "tcp:7", "protocol": "echo", "colour": "red"}, False),
        ({"protocol": "echo"}, False),
    ],
)
def test_settings_are_those_that_the_console_takes(service: dict[str, Any], *, fits: bool) -> None:
    """Narrower than the file: see `echod.console.exposed`."""
    assert validator({"$ref": "#/components/schemas/Settings"}).is_valid(service) is fits
    assert validator({"$ref": "#/components/schemas/NewService"}).is_valid({"name": "x", **service}) is fits
    assert not validator({"$ref": "#/components/schemas/NewService"}).is_valid(service)


def test_every_refusal_is_described() -> None:
    """By its status."""
    assert {f"Problem{status}" for status in TITLES} == document()["components"]["responses"].keys()
