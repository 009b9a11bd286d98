"""What the protocol `reply` answers to which message."""

from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from echod.config.framing import Framing, FramingSetting
from echod.config.kinds import CountOrNone, Text, Texts, Then, one_or_many, text_schema
from echod.config.misfit import Misfit, Where
from echod.config.nodes import Exact
from echod.config.replies import check_pattern, check_template
from echod.config.values import label, only_list, several, text

if TYPE_CHECKING:
    from typing_extensions import Self

CONDITIONS: Final = ("equals", "prefix", "suffix", "contains", "regex", "length")


def _pattern(value: Any) -> str:
    """Return a regular expression that the answers can use."""
    pattern = label(value)
    if problem := check_pattern(pattern).problem:
        raise ValueError(problem)
    return pattern


class When(BaseModel):
    """The condition of a rule: exactly one of these, on the bytes of the message."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, defer_build=True, json_schema_extra={"minProperties": 1, "maxProperties": 1}
    )

    equals: Text | None = Field(None, description="The whole message.")
    prefix: Text | None = Field(None, description="What the message begins with.")
    suffix: Text | None = Field(None, description="What the message ends with.")
    contains: Text | None = Field(None, description="What the message has in it.")
    regex: Annotated[str, PlainValidator(_pattern), WithJsonSchema({"type": "string"})] | None = Field(
        None,
        description="A regular expression that is found in the message; its groups can be used in the reply.",
    )
    length: CountOrNone | None = Field(None, description="The length of the message in bytes.")

    @model_validator(mode="after")
    def _check(self) -> "Self":
        """Exactly one condition."""
        given = [word for word in CONDITIONS if getattr(self, word) is not None]
        if len(given) != 1:
            found = f"{' and '.join(given)} are given" if given else "no condition is given"
            raise ValueError(f"{found}: write exactly one of {', '.join(CONDITIONS)}")
        return self


class Rule(BaseModel):
    """One reply, and the messages that get it."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    when: When | None = Field(
        None,
        description="The messages that get this reply; without it every message does, and the rule is last.",
    )
    reply: Texts = Field(
        (),
        description="The answer, silence if there is none; of a list each in turn, and then the last again and again.",
    )
    then: Then | None = Field(None, description="What happens after the reply, if not what the service says.")
    example: Text | None = Field(None, description="A message that gets this reply; `echod verify` sends it.")

    @model_validator(mode="after")
    def _check(self) -> "Self":
        """Variables in the reply that this rule can fill."""
        report = check_pattern(self.when.regex) if self.when and self.when.regex is not None else None
        groups = report.groups if report else ()
        check_texts(("reply",), self.reply, groups)
        return self


def check_texts(where: Where, texts: tuple[bytes, ...], groups: Any) -> None:
    """`Misfit` for every text whose variables are not right."""
    found: list[tuple[Where, str]] = []
    for index, raw in enumerate(texts):
        if not isinstance(raw, Exact) and (problem := check_template(raw, groups)):
            found.append(((*where, index), problem))
    if found:
        raise Misfit(found)


def _said(value: Any) -> bytes:
    """Return a text that is sent, whose variables need no rule."""
    raw = text(value)
    if not isinstance(raw, Exact) and (problem := check_template(raw, ())):
        raise ValueError(problem)
    return raw


Said = Annotated[bytes, PlainValidator(_said), WithJsonSchema(text_schema())]

SaidTexts = Annotated[tuple[Said, ...], BeforeValidator(several), WithJsonSchema(one_or_many(text_schema()))]


class ReplySettings(BaseModel):
    """The settings of the protocol `reply`, for a service or as defaults."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, defer_build=True, json_schema_extra={"not": {"required": ["reply", "rules"]}}
    )

    framing: FramingSetting = Field(
        Framing(),
        description="How messages are told apart in a stream: stream (what one read brings), line, netstring,"
        " int8, int16, int32, {delimiter: TEXT} or {fixed: BYTES}.",
        json_schema_extra={"default": "stream"},
    )
    greeting: Said | None = Field(None, description="What a client gets as soon as it is connected.")
    reply: SaidTexts | None = Field(
        None,
        description="The answer to every message; of a list each in turn, and then the last again and again.",
    )
    rules: Annotated[tuple[Rule, ...], BeforeValidator(only_list)] = Field(
        (),
        description="Replies to some messages; the first rule that matches answers.",
        json_schema_extra={"minItems": 1},
    )
    then: Then = Field("keep", description="What happens after a reply: keep, close, half-close or reset (a TCP RST).")

    @model_validator(mode="after")
    def _check_rules(self) -> "Self":
        """Return the default rule is the last, and there is one way to say what is replied."""
        found: list[tuple[Where, str]] = []
        if self.reply is not None and "rules" in self.model_fields_set:
            found.append((("rules",), "reply and rules are both given: put the reply into the last rule"))
        if "rules" in self.model_fields_set and not self.rules:
            found.append((("rules",), "the list is empty: write at least one rule"))
        for index, rule in enumerate(self.rules[:-1]):
            if rule.when is None:
                sentence = "a rule without `when` answers every message: it must be the last rule"
                found.append((("rules", index), sentence))
        if self.greeting == b"":
            found.append((("greeting",), "the greeting is empty: write a text, or remove it"))
        if found:
            raise Misfit(found)
        return self

    def ordered_rules(self) -> tuple[Rule, ...]:
        """Return every rule in the order of matching, `then` filled in; `reply` alone is one rule."""
        if self.reply is not None:
            return (Rule.model_construct(when=None, reply=self.reply, then=self.then, example=None),)
        return tuple(rule.model_copy(update={"then": rule.then or self.then}) for rule in self.rules)
