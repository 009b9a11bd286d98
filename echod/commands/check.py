"""
`echod check [FILE]`: read and validate a configuration, as `nginx -t` does, and say what it would serve.

Nothing is opened but files.
"""

from __future__ import annotations

import os
import random
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from echod.answers.answer import World
from echod.commands.addresses import written_listen
from echod.commands.notes import notes
from echod.config import Config, ConfigError, load
from echod.endpoints import endpoint_problems

if TYPE_CHECKING:
    from collections.abc import Mapping

EX_CONFIG = 78
STANDARD_INPUT = Path("/dev/stdin")


def check(file: str | None, environ: Mapping[str, str], out: TextIO, err: TextIO) -> int:
    """
    Check a file and return the exit status: 0, or 78 with every problem on `err`, one a line.

    :param file: its name; `-` for standard input, None for the embedded default.
    """
    try:
        config = read(file, environ)
    except ConfigError as error:
        err.write(f"{error}\n")
        return EX_CONFIG
    rows = [
        (service.name, service.protocol, written_listen(listen))
        for service in config.services.values()
        for listen in service.listen
    ]
    if out.isatty():
        _draw(rows, out)
    else:
        out.writelines(f"{line}\n" for line in aligned(rows))
    here = World(time.time, lambda: str(uuid.uuid4()), random.random)
    out.writelines(f"note: {note}\n" for note in notes(config, here))
    out.write(f"{config.files[0]} is right: {_counted(config)}\n")
    return 0


def read(file: str | None, environ: Mapping[str, str]) -> Config:
    """
    Read a file with all that Twisted must say to it.

    :raises ConfigError: with every problem.
    """
    config = load(file_path(file), environ)
    problems = endpoint_problems(config)
    if file == "-":
        problems += [
            config.problem(
                f"include[{index}]", "standard input is in no directory: name the file, or write a whole path"
            )
            for index, pattern in enumerate(config.top.include)
            if not os.path.isabs(pattern)
        ]
    if problems:
        raise ConfigError(problems)
    return config


def file_path(file: str | None) -> Path | None:
    """Return what `echod.config.load` takes for the FILE of a command line."""
    if file is None:
        return None
    return STANDARD_INPUT if file == "-" else Path(file)


def aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Return the rows as lines, their columns two spaces apart and beginning at the same place."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _draw(rows: list[tuple[str, ...]], out: TextIO) -> None:
    from rich import box  # noqa: PLC0415 - only a terminal needs it
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("service", "protocol", "listens on"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        # Text, since rich would take brackets in a plain str for its markup.
        table.add_row(*map(Text, row))
    Console(file=out).print(table)


def _counted(config: Config) -> str:
    services = len(config.services)
    listens = sum(len(service.listen) for service in config.services.values())
    return f"{services} service{'' if services == 1 else 's'} on {listens} address{'' if listens == 1 else 'es'}"
