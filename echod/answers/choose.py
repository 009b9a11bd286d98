"""From a service's settings to what it says: the one place that knows every protocol's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from echod import framing
from echod.answers.chargen import Chargen
from echod.answers.discard import Discard
from echod.answers.echo import Echo
from echod.answers.exam import Then
from echod.answers.once import daytime, qotd, time
from echod.answers.own import own_answer
from echod.answers.reply import ANY_REQUEST, Reply, Rule
from echod.answers.template import Template
from echod.answers.when import Compares, HasLength, Regex
from echod.config import ConfigError, Exact, PythonService, QotdService, ReplyService

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from echod import config
    from echod.answers.answer import Answer, World
    from echod.answers.when import When
    from echod.config import Config


def answers_for(config: Config, world: World) -> dict[str, Answer]:
    """
    Make the answer of each service, by its name.

    :raises ConfigError: with every answer that cannot be made, such as one of the user's own that is not installed.
    """
    made = {}
    problems = []
    for service in config.services.values():
        try:
            made[service.name] = answer_for(service, world)
        except ValueError as problem:  # noqa: PERF203 - every problem is reported, not the first
            problems.append(config.problem(f"services.{service.name}.protocol", str(problem)))
    if problems:
        raise ConfigError(problems)
    return made


def answer_for(service: config.Service, world: World) -> Answer:
    """
    Make the answer that a service's settings ask for.

    :raises echod.answers.own.OwnAnswerError: `python:` names nothing that makes an answer.
    """
    if isinstance(service, ReplyService):
        return _reply(service, world)
    if isinstance(service, QotdService):
        return qotd(service.quotes, world)
    if isinstance(service, PythonService):
        return own_answer(service.protocol)
    return _PLAIN[service.protocol](world)


_PLAIN: dict[str, Callable[[World], Answer]] = {
    "echo": lambda _: Echo(),
    "discard": lambda _: Discard(),
    "chargen": Chargen,
    "daytime": daytime,
    "time": time,
}


def framing_for(service: config.Service) -> framing.Framing:
    """Return how a service's messages are told apart in a stream."""
    if not isinstance(service, ReplyService):
        return framing.Stream()
    setting = service.framing
    match setting.kind:
        case "stream":
            return framing.Stream()
        case "line":
            return framing.Delimited()
        case "netstring":
            return framing.Netstring()
        case "int8" | "int16" | "int32":
            return framing.Prefixed(int(setting.kind[3:]) // 8)
        case "delimiter":
            return framing.Delimited(setting.delimiter)
        case "fixed":
            return framing.Fixed(setting.size)


def _reply(service: ReplyService, world: World) -> Reply:
    greeting = None if service.greeting is None else _template(service.greeting)
    rules = [_rule(rule) for rule in service.ordered_rules()]
    # A message of fixed size must have that size.
    size = service.framing.size
    anything = (ANY_REQUEST * size)[:size] if size else ANY_REQUEST
    return Reply(service.name, rules, greeting, world, anything)


def _rule(rule: config.Rule) -> Rule:
    when = None if rule.when is None else _when(rule.when)
    groups = when.groups if isinstance(when, Regex) else ()
    replies = tuple(_template(text, groups) for text in rule.reply)
    return Rule(when, replies, Then(rule.then or "keep"), rule.example)


def _template(text: bytes, groups: Collection[str] = ()) -> Template:
    """Read the variables in a text; there are none in what the file gives as exact bytes."""
    return Template.literal(text) if isinstance(text, Exact) else Template.parse(text, groups)


def _when(when: config.When) -> When:
    if when.regex is not None:
        return Regex(when.regex)
    if when.length is not None:
        return HasLength(when.length)
    for how in ("equals", "prefix", "suffix", "contains"):
        text = getattr(when, how)
        if text is not None:
            return Compares(how, text)
    raise ValueError("a condition without any condition")
