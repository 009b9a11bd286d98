"""
`echod check [FILE]`: read and validate a configuration, as `nginx -t` does, and say what it would serve.

Nothing is opened but files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from echod.answers.choose import answers_for
from echod.commands import status
from echod.commands.addresses import written_listen
from echod.commands.configuration import read
from echod.commands.notes import notes
from echod.config import ConfigError
from echod.endpoints import endpoint_problems
from echod.tap import world
from echod.transport.paths import way

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from echod.config import Config


def check(file: str | None, environ: Mapping[str, str], out: TextIO, err: TextIO) -> int:
    """
    Check a file and return the exit status: 0, or 78 with every problem on `err`, one a line.

    :param file: its name; `-` for standard input, None for the embedded default.
    """
    try:
        config = read(file, environ)
        problems = endpoint_problems(config)
        try:
            made = answers_for(config, world())
        except ConfigError as error:
            problems += error.problems
    except ConfigError as error:
        err.write(f"{error}\n")
        return status.CONFIG
    if problems:
        err.write(f"{ConfigError(problems)}\n")
        return status.CONFIG
    rows = [
        (
            *(service.name, service.protocol, written_listen(listen)),
            way(listen, reflects=made[service.name].reflects, frame=service.limits.frame, environ=environ),
        )
        for service in config.services.values()
        for listen in service.listen
    ]
    rows += [(f"({key})", "http", written_listen(side.listen), "") for key, side in config.top.sides.items()]
    if out.isatty():
        _draw(rows, out)
    else:
        out.writelines(f"{line}\n" for line in aligned(rows))
    out.writelines(f"note: {note}\n" for note in notes(config, made))
    out.write(f"{config.files[0]} is right: {_counted(config)}\n")
    return status.RIGHT


def aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the rows as lines, their columns two spaces apart and beginning at the same place."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _draw(rows: Sequence[tuple[str, ...]], out: TextIO) -> None:
    from rich import box  # noqa: PLC0415 - only a terminal needs it
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("service", "protocol", "listens on", "path"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        # Text, since rich would take brackets in a plain str for its markup.
        table.add_row(*map(Text, row))
    Console(file=out).print(table)


def _counted(config: Config) -> str:
    return f"{_number(len(config.services), 'service')} on {_number(_listens(config), 'address')}"


def _listens(config: Config) -> int:
    return sum(len(service.listen) for service in config.services.values())


def _number(count: int, what: str) -> str:
    plural = "es" if what.endswith("s") else "s"
    return f"{count} {what}{'' if count == 1 else plural}"
