"""The top level of the main file, apart from its services; console, metrics and log will be fields here."""

from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from echod.config.defaults import Defaults
from echod.config.kinds import Label
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


SERVICES_KEY: Final = "services"
TOP_KEYS: Final = frozenset({SERVICES_KEY, *TopLevel.model_fields})
