"""What services start from: the `defaults` of a file, checked on their own and merged into each service."""

from typing import Annotated, Any, Final

from pydantic import Field, PlainValidator, WithJsonSchema

from echod.config.kinds import word_schema
from echod.config.model import (
    MODELS,
    PYTHON_PATTERN,
    QuoteSettings,
    Service,
    SharedSettings,
    python_protocol,
)
from echod.config.nodes import Entry, Items, Scalar, Table
from echod.config.problems import SettingError, shown, suggestion
from echod.config.rules import ReplySettings

# A default that a datagram has no use for is meant for the other services, and no mistake.
_FOR_STREAMS: Final = frozenset({"framing", "greeting", "then", "proxy_protocol"})
# A service's own one of these takes the place of a default for the other.
_INSTEAD: Final = {"reply": "rules", "rules": "reply"}


def protocol_name(value: Any) -> str:
    """Return the name of a protocol that there is; `ValueError` has the sentence."""
    if isinstance(value, str) and value.startswith("python:"):
        return python_protocol(value)
    if not isinstance(value, str) or value not in MODELS:
        hint = suggestion(value if isinstance(value, str) else "", [*MODELS, "python:package.module:name"])
        raise SettingError(f"{shown(value)} is no protocol: {hint}")
    return str(value)


class Defaults(ReplySettings, QuoteSettings, SharedSettings):
    """Settings that services take when they do not give them, as far as their protocol knows them."""

    protocol: (
        Annotated[str, PlainValidator(protocol_name), WithJsonSchema(word_schema(MODELS, f"^{PYTHON_PATTERN}$"))] | None
    ) = Field(None, description="What is answered by services that do not say it.")


def merged(service: Table, defaults: Table, model: type[Service]) -> Table:
    """
    Return the service with the defaults that it takes; both keep their nodes, and so their places.

    `limits` are merged key by key, everything else as a whole.
    """
    entries = dict(service.entries)
    datagram = _takes_datagrams(service)
    for key, entry in defaults.entries.items():
        if key in entries:
            own = entries[key]
            if key == "limits" and isinstance(own.node, Table) and isinstance(entry.node, Table):
                both = Table(own.node.line, own.node.column, {**entry.node.entries, **own.node.entries})
                entries[key] = Entry(own.line, own.column, both)
        elif _taken(key, service, model, datagram=datagram):
            entries[key] = entry
    return Table(service.line, service.column, entries)


def _taken(key: str, service: Table, model: type[Service], *, datagram: bool) -> bool:
    """Tell whether a service of this model takes the default of `key`, which it does not give."""
    if key not in model.model_fields or _INSTEAD.get(key) in service.entries:
        return False
    return not (datagram and key in _FOR_STREAMS)


def _takes_datagrams(service: Table) -> bool:
    """Whether an address of the service, as far as it can be understood, takes datagrams."""
    entry = service.entries.get("listen")
    nodes = [] if entry is None else entry.node.items if isinstance(entry.node, Items) else [entry.node]
    texts = [str(node.value) for node in nodes if isinstance(node, Scalar)]
    return any(
        text.startswith(("udp:", "udp6:", "unixgram:")) or (text.startswith("systemd:") and "type=datagram" in text)
        for text in texts
    )
