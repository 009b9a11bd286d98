"""The schemas of what the interface answers, for its description."""

from __future__ import annotations

from typing import Any, Final


def _object(**properties: Any) -> dict[str, Any]:
    """Return the schema of an object which has all of these."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_TEXT: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_SECONDS: Final = {"type": "number", "minimum": 0}
_SWITCH: Final = {"type": "boolean"}
_NAMES: Final = _list(_TEXT)

_COUNTERS: Final = _object(
    open=_COUNT,
    connections=_COUNT,
    received_bytes=_COUNT,
    sent_bytes=_COUNT,
    messages_received=_COUNT,
    messages_sent=_COUNT,
    dropped={"type": "object", "additionalProperties": _COUNT},
)
_SERVICE: Final = {
    "name": _TEXT,
    "protocol": _TEXT,
    "description": _TEXT,
    "settings": {"type": "object", "description": "As the file has them, in the YAML's own keys."},
    "source": _object(file=_TEXT, line=_COUNT, editable=_SWITCH, reason=_or_null(_TEXT)),
    "addresses": _list(_object(listen=_TEXT, kind=_TEXT, address=_TEXT, datagram=_SWITCH)),
}
_BYTES: Final = {"bytes": _COUNT, "text": _or_null(_TEXT), "hex": _TEXT}

ANSWERS: Final[dict[str, Any]] = {
    "Service": _object(**_SERVICE),
    "ServiceList": _object(
        version=_TEXT,
        file=_TEXT,
        directory=_TEXT,
        loaded_at=_SECONDS,
        reloads=_object(success=_COUNT, failure=_COUNT),
        services=_list(_object(**_SERVICE, etag=_TEXT, counters=_COUNTERS)),
    ),
    "Tried": _object(
        address=_TEXT,
        sent=_or_null(_object(**_BYTES)),
        answer=_or_null(_object(**_BYTES, truncated=_SWITCH)),
        seconds=_or_null(_SECONDS),
        connect_seconds=_or_null(_SECONDS),
        ended=_or_null({"enum": ["message", "closed", "quiet", "full", "reset", "timeout"]}),
        failure=_or_null(
            _object(
                word={
                    "enum": ["refused", "timeout", "unreachable", "dns", "reset", "closed", "mismatch", "tls"],
                },
                sentence=_TEXT,
            )
        ),
    ),
    "Reloaded": _object(
        summary=_TEXT,
        kept=_COUNT,
        changed=_COUNT,
        added=_COUNT,
        removed=_COUNT,
        names=_object(kept=_NAMES, changed=_NAMES, added=_NAMES, removed=_NAMES),
    ),
    "Problem": _object(
        status=_COUNT,
        title=_TEXT,
        detail=_TEXT,
        problems=_list(
            _object(
                path=_TEXT,
                message=_TEXT,
                file=_or_null(_TEXT),
                line=_or_null(_COUNT),
                column=_or_null(_COUNT),
                text=_TEXT,
            )
        ),
    ),
}
