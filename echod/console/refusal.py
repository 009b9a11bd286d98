"""What a request is told when it is not done: a status, a sentence, and the problems with their places."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from echod.config import Problem

TITLES = {
    400: "The request cannot be read",
    401: "A token is needed",
    403: "Not from here",
    404: "There is no such thing",
    405: "This cannot be done with it",
    409: "Something is in the way",
    412: "It was changed meanwhile",
    413: "The body is too long",
    415: "The body is no JSON",
    422: "The settings are not right",
    428: "Say which version you mean",
    429: "Too many at a time",
    500: "Something went wrong here",
    503: "Not now",
}


@dataclass(frozen=True)
class Finding:
    """
    One thing that is wrong with what was sent.

    :ivar path: the setting, relative to the service: `listen[0]`; empty for the whole, or something elsewhere.
    :ivar problem: the same with its place in a file, if it has one.
    """

    path: str
    message: str
    problem: Problem | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it for a program."""
        place = self.problem
        return {
            "path": self.path,
            "message": self.message,
            "file": place and place.file,
            "line": place and place.line,
            "column": place and place.column,
            "text": str(place) if place is not None else f"{self.path}: {self.message}" if self.path else self.message,
        }


@dataclass(eq=False)
class Refusal(Exception):  # noqa: N818 - it is an answer
    """
    A request is not done, and nothing was changed.

    :ivar status: of HTTP; one of `TITLES`.
    :ivar detail: a sentence for people.
    :ivar headers: of the response, beside the usual ones.
    """

    status: int
    detail: str
    findings: tuple[Finding, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.detail

    def body(self) -> bytes:
        """Return the body of the response: a problem as in RFC 9457, with the list of findings."""
        document = {
            "status": self.status,
            "title": TITLES[self.status],
            "detail": self.detail,
            "problems": [each.as_json() for each in self.findings],
        }
        return json.dumps(document).encode() + b"\n"
