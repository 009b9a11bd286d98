"""What requests bring and what answers hold, on their way between HTTP and `echod.console.api`."""

from __future__ import annotations

import json
from typing import Any

from echod.console import bodies
from echod.console.conditions import Conditions
from echod.console.openapi import LEAST_SECONDS, MOST_SECONDS, SECONDS
from echod.console.refusal import Finding, Refusal
from echod.console.trying import message_in


def answer(request: Any, document: dict[str, Any]) -> bytes:
    """Return the body that holds a document."""
    return json_body(request, json.dumps(document).encode() + b"\n")


def json_body(request: Any, body: bytes) -> bytes:
    """Return a body that is JSON."""
    request.setHeader(b"Content-Type", b"application/json")
    request.setHeader(b"Content-Length", b"%d" % len(body))
    return body


def refused(request: Any, refusal: Refusal) -> bytes:
    """Return the body that says why something is not done."""
    body = refusal.body()
    request.setResponseCode(refusal.status)
    for name, value in refusal.headers.items():
        request.setHeader(name.encode(), value.encode())
    request.setHeader(b"Content-Type", b"application/problem+json")
    request.setHeader(b"Content-Length", b"%d" % len(body))
    return body


def body_of(request: Any) -> dict[str, Any]:
    """Return the JSON object that a request brings."""
    return bodies.read(request.getHeader("Content-Type"), request.content.read())


def conditions_of(request: Any) -> Conditions:
    """Return what must be so before a request is done; a header may come in several lines."""
    match, none_match = (request.requestHeaders.getRawHeaders(name) for name in ("If-Match", "If-None-Match"))
    return Conditions(match and ", ".join(match), none_match and ", ".join(none_match))


def trial_in(given: dict[str, Any]) -> tuple[bytes | None, int, float]:
    """Return the message, the index of the address, and the seconds that a try may take."""
    for key in given:
        if key not in ("message", "address", "timeout"):
            raise unfit(key, "it is not known here: known are message, address and timeout")
    message, index, timeout = given.get("message"), given.get("address", 0), given.get("timeout", SECONDS)
    if type(index) is not int or index < 0:
        raise unfit("address", "it is the place of an address in the list, and the first is 0")
    if (
        isinstance(timeout, bool)
        or not isinstance(timeout, (int, float))
        or not LEAST_SECONDS <= timeout <= MOST_SECONDS
    ):
        raise unfit("timeout", f"it is a number of seconds from {LEAST_SECONDS:g} to {MOST_SECONDS:g}")
    try:
        return None if "message" not in given else message_in(message), index, float(timeout)
    except ValueError as error:
        raise unfit("message", str(error)) from None


def unfit(path: str, sentence: str) -> Refusal:
    """Return the refusal of one setting of a request."""
    return Refusal(422, f"{path}: {sentence}", (Finding(path, sentence),))
