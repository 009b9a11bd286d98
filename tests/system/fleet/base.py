"""
The image that ours is built on: a small Debian with Python, like those that people pull.

No registry is asked. The files come from the Debian packages that are installed on this machine.
"""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.system.programs import program

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# apt is what makes an image Debian's, and brings what many wheels need, such as libstdc++.
PACKAGES = ("apt", "base-files", "coreutils", "dash", "libc-bin", "python3", "python3-venv")
_LEFT_OUT = re.compile("/usr/share/(bug|doc|info|lintian|locale|man|perl5)/|/usr/lib/python3/dist-packages/")
_FIELDS = "${db:Status-Status}\t${Package}\t${Pre-Depends}, ${Depends}\t${Provides}\n"


def write_base(archive: Path) -> None:
    """Write an archive of such a root file system, for `podman import`."""
    with tarfile.open(archive, "w") as opened:
        for path in _with_parents(["/bin", "/lib", "/lib64", "/sbin", "/tmp", "/var/tmp", *_files()]):
            opened.add(path, recursive=False)
        for name, text in (("passwd", "root:x:0:0:root:/root:/bin/sh\n"), ("group", "root:x:0:\n")):
            member = tarfile.TarInfo(f"etc/{name}")
            member.size = len(text)
            opened.addfile(member, io.BytesIO(text.encode()))
        # Where the images of Python have it.
        link = tarfile.TarInfo("usr/local/bin/python")
        link.type, link.linkname = tarfile.SYMTYPE, program("/usr/bin/python3")
        opened.addfile(link)


def _files() -> Iterator[Path]:
    """Return the files of the packages and of all that they depend on, as far as they are here."""
    listed = _said("dpkg", "--listfiles", *sorted(_closure(PACKAGES)))
    for name in listed:
        path = Path(name)
        if name.startswith("/") and name != "/." and not _LEFT_OUT.match(name) and (path.exists() or path.is_symlink()):
            yield path


def _closure(roots: Iterable[str]) -> set[str]:
    """Return the packages that these need, and these, by what dpkg knows; the first of alternatives that is here."""
    needs: dict[str, str] = {}
    provided: dict[str, str] = {}
    for line in _said("dpkg-query", "--show", f"--showformat={_FIELDS}"):
        status, name, depends, provides = line.split("\t")
        if status == "installed":
            needs[name] = depends
            provided.update(dict.fromkeys(_names(provides), name))
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            for group in needs[name].split(","):
                here = [other if other in needs else provided.get(other) for other in _names(group)]
                waiting += [other for other in here if other is not None][:1]
    return found


def _names(relation: str) -> list[str]:
    """Return the names in a relation such as `libc6 (>= 2.36) | libc6-dev:any`."""
    return [match[1] for match in re.finditer(r"(?:^|[,|])\s*([a-z0-9][a-z0-9+.-]+)", relation)]


def _with_parents(paths: Iterable[str | Path]) -> Iterable[Path]:
    """Return each path and the directories above it, by names without links: /lib/x is /usr/lib/x."""
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        place = path.parent.resolve() / path.name
        found.update(dict.fromkeys([*reversed(place.parents), place]))
    del found[Path("/")]
    return found


def _said(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
