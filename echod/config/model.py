"""
The services of the file: one model for each protocol, on common settings.

The fields' descriptions are the reference: `echod.config.schema` and the table in README.md come from them.
"""

import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from echod.config.kinds import Connect, Label, Listens, Networks, ProxyProtocol, Switch, Text, text_schema
from echod.config.limits import Limits
from echod.config.misfit import Misfit, Where
from echod.config.problems import SettingError, shown
from echod.config.replies import check_pattern
from echod.config.rules import ReplySettings
from echod.config.values import only_list

if TYPE_CHECKING:
    from typing_extensions import Self

NAME_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
PYTHON_PATTERN: Final = r"python:[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*"


def service_name(value: Any) -> str:
    """Return a name that is safe in file names, metrics and addresses; `ValueError` has the sentence."""
    if not isinstance(value, str) or not re.fullmatch(NAME_PATTERN, value) or ".." in value:
        raise SettingError(
            f'{shown(value)} is no name for a service: use at most 64 letters, digits, "-", "_"'
            ' and single ".", and begin with a letter or digit'
        )
    return value


def python_protocol(value: Any) -> str:
    """`python:package.module:name`, of which only the shape is checked; `ValueError` has the sentence."""
    if not isinstance(value, str) or not re.fullmatch(PYTHON_PATTERN, value):
        raise SettingError(f"{shown(value)} names no Python protocol: write python:package.module:name")
    return str(value)


class SharedSettings(BaseModel):
    """Settings that every service has and `defaults` may give."""

    # Deferred, as a file has few of the protocols, and each model takes a while to build.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    limits: Limits = Field(Limits.model_validate({}), description="How much, how many and how long.")
    allow: Networks = Field(
        (),
        description="Addresses and ranges that may use the service, all if empty. A UDP peer named here may"
        " get replies longer than its requests.",
    )
    deny: Networks = Field((), description="Addresses and ranges that may not use the service.")
    low_ports: Switch = Field(False, description="Answer datagrams from source ports below 1024 and from 2049.")
    amplify: Switch = Field(False, description="Send UDP replies that are longer than their requests to anyone.")
    proxy_protocol: ProxyProtocol = Field(
        "off", description="Whether a PROXY protocol header precedes a connection's bytes: off, on or auto."
    )
    trusted_proxies: Networks = Field((), description="Addresses and ranges whose PROXY protocol headers are believed.")
    reuse_port: Switch = Field(False, description="Share the port with other processes (SO_REUSEPORT).")


class QuoteSettings(BaseModel):
    """The settings of the protocol `qotd`."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    # A text names a file; `echod.config.load` has read it before the model sees the value.
    quotes: Annotated[
        tuple[Text, ...],
        BeforeValidator(only_list),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "string", "minLength": 1},
                    {"type": "array", "items": text_schema(), "minItems": 1},
                ]
            }
        ),
    ] = Field(
        (),
        description="The quotes: a list, or the name of a file, relative to this one, with a quote in each"
        " paragraph or between lines of %.",
    )

    @model_validator(mode="after")
    def _check_quotes(self) -> "Self":
        """Return a list that is given has something in it."""
        if "quotes" in self.model_fields_set and not self.quotes:
            raise Misfit.one(("quotes",), "the list is empty: write at least one quote")
        return self


class Service(SharedSettings):
    """What every service has. The name is the key under `services`."""

    name: Annotated[str, PlainValidator(service_name), WithJsonSchema({"type": "string"})]
    listen: Listens = Field(
        description="Where to listen, one or a list: a Twisted endpoint such as tcp:7007:interface=127.0.0.1,"
        " or udp:, udp6:, unixgram: in the same grammar."
    )
    protocol: str = Field(
        description="What is answered: echo, reply, discard, chargen, qotd, daytime, time, or"
        " python:package.module:name."
    )
    connect: Connect | None = Field(
        None, description="Where clients reach the service, if not at its listening address: tcp:HOST:PORT."
    )
    description: Label = Field("", description="A text for people.")

    @property
    def datagram(self) -> bool:
        """Whether any address takes datagrams."""
        return any(one.datagram for one in self.listen)

    @model_validator(mode="after")
    def _check_service(self) -> "Self":
        """Return settings that need each other."""
        found: list[tuple[Where, str]] = []
        if self.proxy_protocol != "off":
            if not self.trusted_proxies:
                sentence = "it needs trusted_proxies: anyone could claim any address"
                found.append((("proxy_protocol",), sentence))
            if self.datagram:
                found.append((("proxy_protocol",), "it is for streams: a datagram carries no PROXY protocol header"))
        if self.connect is not None and self.connect.datagram not in {one.datagram for one in self.listen}:
            other = "datagrams" if self.connect.datagram else "connections"
            found.append((("connect",), f"no listening address takes {other}: name one of the same kind"))
        if found:
            raise Misfit(found)
        return self


class EchoService(Service):
    """Everything comes back (RFC 862)."""

    protocol: Literal["echo"] = Field(description="Everything comes back (RFC 862).")


class DiscardService(Service):
    """Everything is read and dropped (RFC 863)."""

    protocol: Literal["discard"] = Field(description="Everything is read and dropped (RFC 863).")


class ChargenService(Service):
    """The rotating lines of 72 characters (RFC 864)."""

    protocol: Literal["chargen"] = Field(description="Rotating lines of 72 characters (RFC 864).")


class QotdService(QuoteSettings, Service):
    """One quote (RFC 865)."""

    protocol: Literal["qotd"] = Field(description="One quote (RFC 865).")

    @model_validator(mode="after")
    def _check_qotd(self) -> "Self":
        """There is something to quote."""
        if "quotes" not in self.model_fields_set:
            raise Misfit.one(("quotes",), "it is missing: write a list of quotes, or the name of a file with quotes")
        return self


class DaytimeService(Service):
    """The date and time as a line (RFC 867)."""

    protocol: Literal["daytime"] = Field(description="The date and time as a line (RFC 867).")


class TimeService(Service):
    """The seconds since 1900 as four bytes (RFC 868)."""

    protocol: Literal["time"] = Field(description="The seconds since 1900 as four bytes (RFC 868).")


class ReplyService(ReplySettings, Service):
    """Replies by rules."""

    protocol: Literal["reply"] = Field(description="Replies by rules.")

    @model_validator(mode="after")
    def _check_reply(self) -> "Self":
        """There is something to reply, and nothing that a datagram cannot do."""
        found: list[tuple[Where, str]] = []
        if self.reply is None and not self.rules:
            found.append(((), "there is nothing to reply: write reply, or rules"))
        if self.framing.kind == "fixed" and self.framing.size > self.limits.frame:
            sentence = f"frames of {self.framing.size} bytes are longer than limits.frame, {self.limits.frame} bytes"
            found.append((("framing",), sentence))
        if self.datagram:
            found += self._stream_settings()
        found += self._tls_settings()
        found += self._costly_patterns()
        if found:
            raise Misfit(found)
        return self

    def _endings(self) -> list[tuple[Where, str]]:
        """Return every ending that is given, with its place."""
        rules = [
            (("rules", index, "then"), rule.then) for index, rule in enumerate(self.rules) if rule.then is not None
        ]
        return [(("then",), self.then), *rules]

    def _tls_settings(self) -> list[tuple[Where, str]]:
        """Return what TLS cannot do."""
        if all(one.kind != "ssl" for one in self.listen):
            return []
        sentence = "TLS cannot end one direction alone (Twisted issue 5341): write close"
        return [(where, sentence) for where, then in self._endings() if then == "half-close"]

    def _costly_patterns(self) -> list[tuple[Where, str]]:
        """Return the patterns that take too long on the longest message."""
        found: list[tuple[Where, str]] = []
        for index, rule in enumerate(self.rules):
            if rule.when is not None and rule.when.regex is not None:
                longest = check_pattern(rule.when.regex).longest or 0
                if longest < self.limits.frame:
                    sentence = (
                        f"on a message of {self.limits.frame} bytes this pattern could take longer than 0.1 s:"
                        f" write a simpler one, or limits.frame of at most {longest}"
                    )
                    found.append((("rules", index, "when", "regex"), sentence))
        return found

    def _stream_settings(self) -> list[tuple[Where, str]]:
        """Return what is given and has a meaning for streams alone."""
        both = not all(one.datagram for one in self.listen)
        cure = "make a service of its own for the streams" if both else "remove it"
        found: list[tuple[Where, str]] = []
        if "framing" in self.model_fields_set:
            found.append((("framing",), f"a datagram is a message: it needs no framing; {cure}"))
        if self.greeting is not None:
            found.append((("greeting",), f"a datagram is a message: there is nobody to greet before it; {cure}"))
        for where, then in self._endings():
            if then != "keep":
                found.append((where, f"a datagram is a message: there is nothing to {then}; {cure}"))
        return found


class PythonService(Service):
    """An answer of one's own: a callable that an installed module holds."""

    protocol: Annotated[
        str,
        PlainValidator(python_protocol),
        WithJsonSchema({"type": "string", "pattern": f"^{PYTHON_PATTERN}$"}),
    ] = Field(description="A callable that makes an answer: python:package.module:name.")


AnyService: TypeAlias = (
    EchoService
    | ReplyService
    | DiscardService
    | ChargenService
    | QotdService
    | DaytimeService
    | TimeService
    | PythonService
)

MODELS: Final[dict[str, type[Service]]] = {
    "echo": EchoService,
    "reply": ReplyService,
    "discard": DiscardService,
    "chargen": ChargenService,
    "qotd": QotdService,
    "daytime": DaytimeService,
    "time": TimeService,
}


def model_for(protocol: str) -> type[Service] | None:
    """Return the model of the services with this protocol, or `None` if there is no such protocol."""
    return PythonService if protocol.startswith("python:") else MODELS.get(protocol)
