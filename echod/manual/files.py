"""The files of the manual, by their names. Pure."""

from __future__ import annotations

from echod.manual.bash import bash
from echod.manual.command_page import command_page
from echod.manual.daemon_page import daemon_page
from echod.manual.file_page import file_page
from echod.manual.fish import fish
from echod.manual.words import program
from echod.manual.zsh import zsh


def made() -> dict[str, str]:
    """Return the text of each file, by its name relative to the directory that holds them all."""
    pages = [command_page(), daemon_page(), file_page()]
    words = program()
    scripts = {"echod.bash": bash(words), "_echod": zsh(words), "echod.fish": fish(words)}
    return {
        **{f"man/{page.file}": str(page) for page in pages},
        **{f"completion/{name}": text for name, text in scripts.items()},
    }
