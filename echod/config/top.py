"""The top level of the main file, apart from its services."""

from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from echod.config.defaults import Defaults
from echod.config.kinds import Label
from echod.config.sides import Console, Log, Metrics
from echod.config.values import only_list


class TopLevel(BaseModel):
    """What the main file may hold beside `services`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    defaults: Defaults = Field(Defaults.model_validate({}), description="Settings that every service starts from.")
    include: Annotated[
        tuple[Label, ...],
        BeforeValidator(only_list),
        WithJsonSchema({"type": "array", "items": {"type": "string", "minLength": 1}}),
    ] = Field(
        (),
        description="Files with more services, as patterns relative to this file, merged in name order.",
    )
    log: Log = Field(Log.model_validate({}), description="What the daemon says of itself.")
    metrics: Metrics | None = Field(None, description="Metrics and health for monitoring, on a port of their own.")
    console: Console | None = Field(None, description="The console in a browser, and its interface over HTTP.")

    @property
    def sides(self) -> dict[str, Metrics | Console]:
        """What is served over HTTP beside the services, by its key."""
        both: dict[str, Metrics | Console | None] = {"metrics": self.metrics, "console": self.console}
        return {key: one for key, one in both.items() if one is not None}


SERVICES_KEY: Final = "services"
TOP_KEYS: Final = frozenset({SERVICES_KEY, *TopLevel.model_fields})
