"""The JSON Schema says what the models say."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from echod.config import ConfigError, Limits, json_schema, load
from echod.config.model import MODELS, PythonService
from echod.config.top import TopLevel

ROOT = Path(__file__).parents[2]
VALIDATOR = jsonschema.Draft202012Validator(json_schema())

RIGHT = [
    "services: {a: {listen: 'tcp:1', protocol: echo}}",
    "services: {a: {listen: ['tcp:1', 'udp:1'], protocol: echo, limits: {grace: 1s, buffer: 1MiB}}}",
    "services: {a: {listen: 'tcp:1', protocol: reply, reply: [hi, {hex: '00 ff'}], framing: {fixed: 4}}}",
    "services: {a: {listen: 'tcp:1', protocol: reply, rules: [{when: {length: 0}, reply: x, then: reset}]}}",
    "services: {a: {listen: 'tcp:1', protocol: 'python:a.b:c', allow: ['10.0.0.0/8', '2001:db8::/32']}}",
    "services: {a: {listen: 'tcp:1', protocol: echo, limits: {grace: '${N:-7}'}, amplify: '${A:-true}'}}",
    "{defaults: {protocol: echo}, services: {a: {listen: 'tcp:1'}}}",
    "{defaults: {reply: hi}, services: {a: {listen: 'tcp:1', protocol: reply}}}",
    "{defaults: {quotes: [a]}, services: {a: {listen: 'tcp:1', protocol: qotd}}}",
    "{defaults: {protocol: reply, reply: x}, services: {a: {listen: 'tcp:1', rules: [{reply: z}]}}}",
    "{include: ['none/*.yaml'], services: {a: {listen: 'tcp:1', protocol: time, proxy_protocol: 'off'}}}",
]
WRONG = [
    "{}",
    "services: {}",
    "services: []",
    "{servics: {}, services: {a: {listen: 'tcp:1', protocol: echo}}}",
    "services: {a: {protocol: echo}}",
    "services: {a: {listen: 'tcp:1'}}",
    "services: {a: {listen: 'tcp:1', protocol: nope}}",
    "services: {a: {listen: 'tcp:1', protocol: 'python:x'}}",
    "services: {a: {listen: 7007, protocol: echo}}",
    "services: {a: {listen: 'tcp', protocol: echo}}",
    "services: {a: {listen: [], protocol: echo}}",
    "services: {'a b': {listen: 'tcp:1', protocol: echo}}",
    "services: {'a..b': {listen: 'tcp:1', protocol: echo}}",
    "services: {a: {listen: 'tcp:1', protocol: echo, name: b}}",
    "services: {a: {listen: 'tcp:1', protocol: echo, reply: b}}",
    "services: {a: {listen: 'tcp:1', protocol: echo, amplify: 1}}",
    "services: {a: {listen: 'tcp:1', protocol: echo, description: 7}}",
    "services: {a: {listen: 'tcp:1', protocol: echo, limits: {connections: 0}}}",
    "services: {a: {listen: 'tcp:1', protocol: echo, limits: {connections: true}}}",
    "services: {a: {listen: 'tcp:1', protocol: echo, limits: {grace: -1}}}",
    "services: {a: {listen: 'tcp:1', protocol: echo, limits: {grace: 1d}}}",
    "services: {a: {listen: 'tcp:1', protocol: echo, limits: {buffer: 1KB}}}",
    "services: {a: {listen: 'tcp:1', protocol: echo, limits: {nope: 1}}}",
    "services: {a: {listen: 'tcp:1', protocol: echo, allow: '10.0.0.0/8'}}",
    "services: {a: {listen: 'tcp:1', protocol: echo, allow: [localhost]}}",
    "services: {a: {listen: 'tcp:1', protocol: echo, proxy_protocol: maybe}}",
    "services: {a: {listen: 'tcp:1', protocol: echo, description: null}}",
    "services: {a: {listen: 'tcp:1', protocol: qotd}}",
    "services: {a: {listen: 'tcp:1', protocol: qotd, quotes: []}}",
    "services: {a: {listen: 'tcp:1', protocol: reply}}",
    "services: {a: {listen: 'tcp:1', protocol: reply, reply: x, rules: [{reply: z}]}}",
    "services: {a: {listen: 'tcp:1', protocol: reply, reply: 220}}",
    "services: {a: {listen: 'tcp:1', protocol: reply, reply: {hex: zz}}}",
    "services: {a: {listen: 'tcp:1', protocol: reply, reply: {hex: '00', b: c}}}",
    "services: {a: {listen: 'tcp:1', protocol: reply, reply: x, then: nope}}",
    "services: {a: {listen: 'tcp:1', protocol: reply, reply: x, framing: nope}}",
    "services: {a: {listen: 'tcp:1', protocol: reply, reply: x, framing: {fixed: 0}}}",
    "services: {a: {listen: 'tcp:1', protocol: reply, reply: x, framing: {delimiter: ''}}}",
    "services: {a: {listen: 'tcp:1', protocol: reply, rules: []}}",
    "services: {a: {listen: 'tcp:1', protocol: reply, rules: [{when: {}, reply: x}]}}",
    "services: {a: {listen: 'tcp:1', protocol: reply, rules: [{when: {length: 1, regex: x}, reply: x}]}}",
    "services: {a: {listen: 'tcp:1', protocol: reply, rules: [{when: {equal: x}}]}}",
    "{defaults: {listen: 'tcp:1'}, services: {a: {listen: 'tcp:1', protocol: echo}}}",
]


def test_the_schema_is_one() -> None:
    """It is valid itself, names its dialect, and describes itself."""
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "echod configuration"


def test_the_sample_is_accepted() -> None:
    """The file that names the schema fits it."""
    VALIDATOR.validate(yaml.safe_load((ROOT / "config/echod.yaml").read_text()))


@pytest.mark.parametrize("text", RIGHT)
def test_both_accept(tmp_path: Path, text: str) -> None:
    """What the reader takes, an editor does not underline."""
    path = tmp_path / "f.yaml"
    path.write_text(text)
    assert load(path, {}).services
    VALIDATOR.validate(yaml.safe_load(text))


@pytest.mark.parametrize("text", WRONG)
def test_both_reject(tmp_path: Path, text: str) -> None:
    """What the reader refuses, an editor underlines."""
    path = tmp_path / "f.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        load(path, {})
    assert not VALIDATOR.is_valid(yaml.safe_load(text))


def test_every_setting_is_described() -> None:
    """Every property of every model has a description, which editors show."""
    schema = json_schema()
    for name, definition in schema["$defs"].items():
        for key, prop in definition.get("properties", {}).items():
            assert prop.get("description"), f"{name}.{key}"


def test_defaults_are_the_models() -> None:
    """The schema's defaults are those that validation gives."""
    schema = json_schema()
    limits = schema["$defs"]["Limits"]["properties"]
    assert {key: prop["default"] for key, prop in limits.items()} == Limits.model_validate({}).model_dump()
    models: list[Any] = [*MODELS.values(), PythonService]
    for model in models:
        for key, prop in schema["$defs"][model.__name__]["properties"].items():
            default = model.model_fields[key].get_default()
            if default is None or model.model_fields[key].is_required():
                assert "default" not in prop
            elif key == "framing":
                assert prop["default"] == default.kind
            elif key == "limits":
                assert prop["default"] == default.model_dump()
            else:
                assert prop["default"] == (list(default) if isinstance(default, tuple) else default)


def test_no_null_and_no_name() -> None:
    """A file can write neither `null` nor `name`."""
    schema = json_schema()
    assert "'null'" not in str(schema)
    assert all("name" not in schema["$defs"][model.__name__]["properties"] for model in MODELS.values())
    assert set(schema["properties"]) == {"services", *TopLevel.model_fields}
