"""What the daemon has beside its services: its log, its metrics, its console."""

from __future__ import annotations

import os
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema, model_validator

from echod.config.kinds import LISTEN_SCHEMA, Switch, word_schema
from echod.config.listen import Listen
from echod.config.misfit import Misfit, Where
from echod.config.problems import SettingError, shown
from echod.config.values import label, listen, one_of

if TYPE_CHECKING:
    from typing_extensions import Self

_LEVELS = ("debug", "info", "warn", "error")
_FORMATS = ("text", "json")


def stream_listen(value: Any) -> Listen:
    """Return a listening address for connections; `SettingError` has the sentence."""
    made = listen(value)
    if made.datagram:
        raise SettingError(f"{shown(made.text)} takes datagrams, and this speaks HTTP: write tcp: instead")
    return made


def file_name(value: Any) -> str:
    """Return the name of a file or directory; `SettingError` has the sentence."""
    name = label(value)
    if not name or "\0" in name:
        raise SettingError(f"{shown(name)} names no file")
    return name


Level = Annotated[
    Literal["debug", "info", "warn", "error"], PlainValidator(one_of(*_LEVELS)), WithJsonSchema(word_schema(_LEVELS))
]
Format = Annotated[Literal["text", "json"], PlainValidator(one_of(*_FORMATS)), WithJsonSchema(word_schema(_FORMATS))]
StreamListen = Annotated[Listen, PlainValidator(stream_listen), WithJsonSchema(LISTEN_SCHEMA)]
FileName = Annotated[str, PlainValidator(file_name), WithJsonSchema({"type": "string", "minLength": 1})]


class Log(BaseModel):
    """What the log says, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    level: Level = Field("info", description="The least that is logged: debug, info, warn or error.")
    format: Format = Field("text", description="Lines for people (text), or one JSON object a line (json).")
    access: Switch = Field(
        False, description="Log each connection's begin and end, and what was dropped, as the console shows them."
    )


class Metrics(BaseModel):
    """Metrics and health on a port of their own."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    listen: StreamListen = Field(
        description="Where /metrics, /healthz and /readyz are served over HTTP, as one endpoint."
    )


class Console(BaseModel):
    """The page and the interface over HTTP."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    listen: StreamListen = Field(description="Where the console is served, over HTTPS with ssl:, as one endpoint.")
    directory: FileName = Field(
        "conf.d",
        description="Where services made in the console are kept, one file each, relative to the main file.",
    )
    token_file: FileName | None = Field(
        None,
        description="A file with the bearer token that requests must have; needed, as TLS is, unless on loopback.",
    )

    @property
    def local(self) -> bool:
        """Whether only this host can reach it: a Unix socket, or a loopback address."""
        if self.listen.kind == "unix":
            return True
        host = self.listen.host
        return bool(host) and ip_address(host.partition("%")[0]).is_loopback

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Whoever is not on this host must show a token, and nobody may read it on the way."""
        if self.local:
            return self
        found: list[tuple[Where, str]] = []
        where = f"{shown(self.listen.text)} can be reached from other hosts"
        if self.token_file is None:
            sentence = f"{where}, which needs token_file: name one, or listen on a loopback address"
            found.append((("token_file",), sentence))
        if self.listen.kind != "ssl":
            sentence = f"{where}, which needs TLS: write ssl:PORT:privateKey=FILE:certKey=FILE, or a loopback address"
            found.append((("listen",), sentence))
        if found:
            raise Misfit(found)
        return self


def resolved(main: str, name: str) -> str:
    """Return the path of a file that the main file names: relative to it, or to the working directory."""
    return os.path.join(os.path.dirname(main), name)  # noqa: PTH118, PTH120 - text in, text out
