"""Files as they are read: wholly, bounded, and with a sentence for everything that can go wrong."""

from __future__ import annotations

import glob
import os
import stat
from pathlib import Path

from echod.config.problems import shown


def read_bounded(path: Path, most: int, *, regular: bool) -> bytes:
    """
    Return the bytes of a file, at most `most` and one more, which tells that there are too many.

    `regular` refuses pipes and devices, which would be empty or wait forever when the configuration is read
    again. A file that is written to at this moment is refused: half of it may look right. Raises `ValueError`
    with a sentence.
    """
    try:
        # A pipe without a writer would hold us here.
        flags = os.O_RDONLY | os.O_CLOEXEC | (os.O_NONBLOCK if regular else 0)
        with open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file:
            before = os.fstat(file.fileno())
            if regular and not stat.S_ISREG(before.st_mode):
                raise ValueError(f"{shown(str(path))} is not a regular file")
            raw = file.read(most + 1)
            after = os.fstat(file.fileno())
            if stat.S_ISREG(before.st_mode) and _version(before) != _version(after):
                raise ValueError(
                    f"{shown(str(path))} was changed while it was read: write another file, and rename it to this one"
                )
            return raw
    except IsADirectoryError:
        raise ValueError(f"{shown(str(path))} is a directory: name a file in it") from None
    except OSError as error:
        raise ValueError(f"{shown(str(path))} cannot be read: {error.strerror or error}") from None


def _version(status: os.stat_result) -> tuple[int, int]:
    """Return what is another when a file has been written to."""
    return status.st_size, status.st_mtime_ns


def matches(folder: Path, pattern: str) -> list[Path]:
    """
    Return the files that `pattern` names, relative to `folder`, in name order.

    A name without `*`, `?` or `[` is taken as it is, whether there is such a file or not. Raises `ValueError`
    with a sentence for a directory that cannot be searched: it must not pass for an empty one.
    """
    if not pattern or "\0" in pattern:
        raise ValueError(f"{shown(pattern)} names no file: write for example conf.d/*.yaml")
    if not glob.has_magic(pattern):
        return [folder / pattern]
    searched = folder
    for part in Path(pattern).parts[:-1]:
        if glob.has_magic(part):
            break
        searched /= part
    try:
        os.scandir(searched).close()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ValueError(f"{shown(str(searched))} cannot be searched: {error.strerror or error}") from None
    # Path.glob refuses absolute patterns and takes names with a leading dot.
    return sorted(folder / name for name in glob.iglob(pattern, root_dir=folder))  # noqa: PTH207 - see above
