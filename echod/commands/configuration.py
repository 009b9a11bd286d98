"""What `check` and `verify` read before they begin: the file, and the answers that it asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from echod.answers.choose import answer_for
from echod.config import Config, ConfigError, load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from echod.answers.answer import Answer, World

STANDARD_INPUT = Path("/dev/stdin")


def read(file: str | None, environ: Mapping[str, str]) -> Config:
    """
    Read a configuration.

    :param file: its name; `-` for standard input, None for the embedded default.
    :raises ConfigError: with every problem.
    """
    if file is None:
        return load(None, environ)
    config = load(STANDARD_INPUT if file == "-" else Path(file), environ)
    problems = [
        config.problem(f"include[{index}]", "standard input is in no directory: name the file, or write whole paths")
        for index, pattern in enumerate(config.top.include if file == "-" else ())
        if not Path(pattern).is_absolute()
    ]
    if problems:
        raise ConfigError(problems)
    return config


def answers(config: Config, world: World) -> dict[str, Answer]:
    """
    Return the answer of each service, by its name.

    :raises ConfigError: with every answer that cannot be made, such as one of the user's own that is not installed.
    """
    made = {}
    problems = []
    for service in config.services.values():
        try:
            made[service.name] = answer_for(service, world)
        except ValueError as problem:  # noqa: PERF203 - every problem is reported, not the first
            problems.append(config.problem(f"services.{service.name}.protocol", str(problem)))
    if problems:
        raise ConfigError(problems)
    return made
