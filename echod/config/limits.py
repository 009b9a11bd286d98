"""The limits of a service: how much, how many and how long."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, model_validator

from echod.config.kinds import Count, CountOrNone, Duration, Size
from echod.config.misfit import Misfit

if TYPE_CHECKING:
    from typing_extensions import Self

_LEAST_BUFFER = 1024


class Limits(BaseModel):
    """Limits; those that a service does not give come from `defaults`, and then from here."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    connections: Count = Field(
        10_000, description="Open connections; at this number no more are accepted until one closes."
    )
    connections_per_source: Count = Field(
        1_000, description="Open connections of one IPv4 address or IPv6 /64; more are closed at once."
    )
    idle_timeout: Duration = Field(
        300.0, description="A connection on which nothing moves for so long is aborted; 0 is never."
    )
    stall_timeout: Duration = Field(
        30.0, description="A peer that reads nothing of what waits for it for so long is aborted; 0 is never."
    )
    lifetime: Duration = Field(0.0, description="A connection is closed after so long; 0 is never.")
    buffer: Size = Field(
        64 * 1024, description="Bytes that may wait for a peer before no more is read from it; at least 1KiB."
    )
    frame: Size = Field(64 * 1024, description="The longest message; a longer one closes the connection.")
    datagrams_per_source: CountOrNone = Field(
        1_000,
        description="Datagrams a second from one IPv4 address or IPv6 /64, with a burst of four times as"
        " many; 0 is no limit.",
    )
    grace: Duration = Field(
        10.0, description="Time to finish in when the daemon is stopped; what is left is aborted then."
    )

    @model_validator(mode="after")
    def _check(self) -> "Self":
        """Bounds that one value's type does not know."""
        if self.buffer < _LEAST_BUFFER:
            raise Misfit.one(("buffer",), f"{self.buffer} bytes are too few: write at least 1KiB")
        return self

    @property
    def datagrams_burst(self) -> int:
        """Datagrams that one source may send at once; 0 is no limit."""
        return 4 * self.datagrams_per_source
