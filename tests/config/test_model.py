"""Services as models: defaults, and settings that do not fit together."""

from typing import Any

import pytest
from pydantic import ValidationError

from echod.config import (
    EchoService,
    Framing,
    Limits,
    PythonService,
    QotdService,
    ReplyService,
    Service,
)
from echod.config.misfit import Misfit
from echod.config.model import MODELS, model_for

TCP = {"name": "x", "listen": "tcp:7007"}
UDP = {"name": "x", "listen": "udp:7007"}
BOTH = {"name": "x", "listen": ["tcp:7007", "udp:7007"]}


def wrong(model: type[Service], data: dict[str, Any]) -> list[str]:
    """Return `where: sentence` for everything that the model finds."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate(data)
    found: list[str] = []
    for item in caught.value.errors():
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, Misfit):
            found += [f"{(*item['loc'], *where)}: {message}" for where, message in cause.found]
        else:
            found.append(f"{item['loc']}: {cause or item['type']}")
    return found


def reply(where: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """Return the data of a reply service."""
    return {**where, "protocol": "reply", **settings}


def test_defaults() -> None:
    """The promises of the design's table."""
    service = EchoService.model_validate({**TCP, "protocol": "echo"})
    limits = service.limits
    assert (limits.connections, limits.connections_per_source) == (10_000, 1_000)
    assert (limits.idle_timeout, limits.stall_timeout, limits.lifetime, limits.grace) == (300, 30, 0, 10)
    assert (limits.buffer, limits.frame) == (65536, 65536)
    assert (limits.datagrams_per_source, limits.datagrams_burst) == (1_000, 4_000)
    assert (service.allow, service.deny, service.trusted_proxies) == ((), (), ())
    assert (service.low_ports, service.amplify, service.reuse_port) == (False, False, False)
    assert service.proxy_protocol == "off"
    assert service.connect is None
    assert service.description == ""
    replies = ReplyService.model_validate(reply(TCP, reply="hi"))
    assert (replies.framing, replies.greeting, replies.then) == (Framing(), None, "keep")


def test_equal_when_the_settings_are() -> None:
    """A reload keeps services that are equal: what is spelled out or left to the default does not matter."""
    short = EchoService.model_validate({**TCP, "protocol": "echo"})
    long = EchoService.model_validate(
        {**TCP, "listen": ["tcp:7007"], "protocol": "echo", "limits": {"buffer": "64KiB"}}
    )
    assert short == long
    assert short != EchoService.model_validate({**TCP, "protocol": "echo", "limits": {"buffer": "65KiB"}})


def test_frozen() -> None:
    """A service is not changed while it runs."""
    service = EchoService.model_validate({**TCP, "protocol": "echo"})
    with pytest.raises(ValidationError):
        service.description = "x"


@pytest.mark.parametrize("name", ["", "-a", ".a", "a" * 65, "a..b", "a/b", "é", "a\n", "a b"])
def test_wrong_names(name: str) -> None:
    """A name is safe wherever it goes."""
    (line,) = wrong(EchoService, {**TCP, "name": name, "protocol": "echo"})
    assert "is no name for a service" in line


@pytest.mark.parametrize("protocol", MODELS)
def test_every_protocol_has_its_model(protocol: str) -> None:
    """The model is chosen by the protocol, and knows no other's settings."""
    model = model_for(protocol)
    assert model is not None
    assert ("rules" in model.model_fields) == (protocol == "reply")
    assert ("quotes" in model.model_fields) == (protocol == "qotd")


@pytest.mark.parametrize("protocol", ["python:a:b", "python:a.b_1.c:D"])
def test_python(protocol: str) -> None:
    """Module and name; nothing is imported."""
    assert PythonService.model_validate({**TCP, "protocol": protocol}).protocol == protocol


@pytest.mark.parametrize(
    "protocol", ["python:", "python:a", "python:a:b.c", "python:1:b", "python:a..b:c", "python:a:b\n"]
)
def test_wrong_python(protocol: str) -> None:
    """Only the shape is looked at."""
    (line,) = wrong(PythonService, {**TCP, "protocol": protocol})
    assert line.endswith("names no Python protocol: write python:package.module:name")


def test_short_reply_is_one_rule() -> None:
    """`reply` alone is a default rule that ends as the service says; a list stays a list."""
    service = ReplyService.model_validate(reply(TCP, reply=["a", "b"], then="close"))
    (rule,) = service.ordered_rules()
    assert (rule.when, rule.reply, rule.then) == (None, (b"a", b"b"), "close")


def test_then_of_the_service_fills_the_rules() -> None:
    """A rule's own `then` stays."""
    rules = [{"when": {"equals": "q"}, "reply": "bye", "then": "keep"}, {"reply": "x"}]
    service = ReplyService.model_validate(reply(TCP, rules=rules, then="reset"))
    assert [rule.then for rule in service.ordered_rules()] == ["keep", "reset"]


STREAM_ONLY = [
    ({"framing": "line"}, "('framing',): a datagram is a message: it needs no framing"),
    ({"framing": "stream"}, "('framing',): a datagram is a message: it needs no framing"),
    ({"greeting": "hi"}, "('greeting',): a datagram is a message: there is nobody to greet before it"),
    ({"then": "close"}, "('then',): a datagram is a message: there is nothing to close"),
    ({"then": "half-close"}, "('then',): a datagram is a message: there is nothing to half-close"),
]


@pytest.mark.parametrize(("settings", "line"), STREAM_ONLY)
def test_datagrams_take_no_stream_settings(settings: dict[str, Any], line: str) -> None:
    """Neither alone nor beside a stream."""
    assert wrong(ReplyService, reply(UDP, reply="x", **settings)) == [f"{line}; remove it"]
    cure = "make a service of its own for the streams"
    assert wrong(ReplyService, reply(BOTH, reply="x", **settings)) == [f"{line}; {cure}"]
    ReplyService.model_validate(reply(TCP, reply="x", **settings))


def test_rule_endings_of_datagrams() -> None:
    """`then: keep` is no ending, and the rule is named."""
    rules = [{"when": {"length": 1}, "reply": "a", "then": "keep"}, {"reply": "b", "then": "reset"}]
    (line,) = wrong(ReplyService, reply(UDP, rules=rules))
    assert line.startswith("('rules', 1, 'then'): a datagram is a message: there is nothing to reset")


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({}, "(): there is nothing to reply: write reply, or rules"),
        ({"reply": "a", "rules": [{"reply": "b"}]}, "('rules',): reply and rules are both given"),
        ({"rules": []}, "('rules',): the list is empty: write at least one rule"),
        ({"reply": []}, "('reply',): the list is empty: write at least one item"),
        ({"rules": {"reply": "x"}}, "('rules',): a mapping is not a list"),
        (
            {"rules": [{"reply": "a"}, {"reply": "b"}]},
            "('rules', 0): a rule without `when` answers every message",
        ),
        (
            {"rules": [{"when": {}, "reply": "a"}]},
            "('rules', 0, 'when'): no condition is given: write exactly one",
        ),
        (
            {"rules": [{"when": {"equals": "a", "length": 1}, "reply": "a"}]},
            "('rules', 0, 'when'): equals and length are given: write exactly one",
        ),
        (
            {"rules": [{"when": {"length": -1}, "reply": "a"}]},
            "('rules', 0, 'when', 'length'): -1 is not a whole",
        ),
        ({"rules": [{"when": {"regex": 7}, "reply": "a"}]}, "('rules', 0, 'when', 'regex'): 7 is not a text"),
        (
            {"reply": "a", "framing": {"fixed": 70_000}},
            "('framing',): frames of 70000 bytes are longer than limits",
        ),
        ({"reply": "a", "greeting": ""}, "('greeting',): the greeting is empty"),
    ],
)
def test_wrong_replies(settings: dict[str, Any], line: str) -> None:
    """Each mistake is found where it is."""
    (found,) = wrong(ReplyService, reply(TCP, **settings))
    assert found.startswith(line)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"proxy_protocol": "on"}, "('proxy_protocol',): it needs trusted_proxies"),
        (
            {"proxy_protocol": "on", "trusted_proxies": ["10.0.0.0/8"], "listen": ["tcp:1", "udp:1"]},
            "('proxy_protocol',): it is for streams",
        ),
        ({"connect": "udp:localhost:7007"}, "('connect',): no listening address takes datagrams"),
        ({"limits": {"buffer": 1023}}, "('limits', 'buffer'): 1023 bytes are too few: write at least 1KiB"),
        ({"listen": []}, "('listen',): the list is empty"),
        ({"allow": "10.0.0.0/8"}, "('allow',): \"10.0.0.0/8\" is not a list"),
        ({"reply": "x"}, "('reply',): extra_forbidden"),
    ],
)
def test_wrong_services(settings: dict[str, Any], line: str) -> None:
    """What every service checks."""
    (found,) = wrong(EchoService, {**TCP, "protocol": "echo", **settings})
    assert found.startswith(line)


def test_quotes_are_needed() -> None:
    """A quote of the day without quotes is none."""
    assert wrong(QotdService, {**TCP, "protocol": "qotd"})[0].startswith("('quotes',): it is missing")
    assert wrong(QotdService, {**TCP, "protocol": "qotd", "quotes": []})[0].startswith("('quotes',): the list is")


def test_limits_have_their_least_values() -> None:
    """The smallest buffer, and 0 where it means none."""
    limits = Limits.model_validate({"buffer": "1KiB", "idle_timeout": 0, "datagrams_per_source": 0})
    assert (limits.buffer, limits.idle_timeout, limits.datagrams_burst) == (1024, 0, 0)
