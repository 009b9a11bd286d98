"""What the system tests share: a private network, and a certificate."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.system.networks import private_network
from tests.system.programs import program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def network() -> Iterator[list[str]]:
    """Give the command that runs another one in a private network."""
    yield from private_network()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Make a key and a certificate of `localhost`, as people do for a test."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(cert)]
    subprocess.run([program("openssl"), *request, *names, *files], check=True, capture_output=True)
    return key, cert
