"""The file that `check` and `verify` read before they begin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from echod.config import Config, ConfigError, load

if TYPE_CHECKING:
    from collections.abc import Mapping

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
