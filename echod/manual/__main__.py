"""`python -m echod.manual DIRECTORY`: write the man pages and the completions; `--readme FILE`: renew its tables."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from echod.manual.files import made
from echod.manual.markdown import renewed
from echod.manual.readme import TABLES

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Write what is asked for; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m echod.manual", description="Write the manual of this version of echod."
    )
    parser.add_argument("directory", metavar="DIRECTORY", nargs="?", type=Path, help="gets man/ and completion/")
    parser.add_argument("--readme", metavar="FILE", type=Path, help="a README.md whose tables are renewed")
    words = parser.parse_args(argv)
    if words.directory is None and words.readme is None:
        parser.error("name a DIRECTORY to write to, or a FILE with --readme")
    if words.directory is not None:
        for name, text in made().items():
            file = words.directory / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    if words.readme is not None:
        text = words.readme.read_text(encoding="utf-8")
        words.readme.write_text(renewed(text, TABLES), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
