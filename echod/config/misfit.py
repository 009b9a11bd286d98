"""Settings that are each right and do not fit together."""

from __future__ import annotations

from typing import TypeAlias

Where: TypeAlias = "tuple[str | int, ...]"


class Misfit(ValueError):  # noqa: N818 - it holds several problems; ConfigError is the one users meet
    """
    What a model finds wrong across its fields.

    pydantic gives one place to one exception; this one carries several, each relative to the model that
    raised it.
    """

    def __init__(self, found: list[tuple[Where, str]]) -> None:
        self.found = tuple(found)
        super().__init__("; ".join(message for _, message in found))

    @classmethod
    def one(cls, where: Where, message: str) -> Misfit:
        """Return a single thing that does not fit."""
        return cls([(where, message)])
