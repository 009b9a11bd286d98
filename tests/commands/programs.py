"""Programs and files that the tests of the commands use; `conftest.py` has the fixtures made of them."""

from __future__ import annotations

import datetime as dt
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    import subprocess

BIN = Path(sys.executable).parent


class Echod(Protocol):
    """Runs `echod` with some words, and returns what came of it."""

    def __call__(self, *words: str, data: bytes = b"", cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
        """Run it; `data` is its standard input."""


class Served:
    """A daemon at work; `listens` has where each service listens, as its log tells it: `tcp 127.0.0.1:7007`."""

    def __init__(self, file: Path, listens: dict[str, list[str]]) -> None:
        self.file = file
        self._listens = listens

    def endpoint(self, service: str, kind: str = "tcp") -> str:
        """Return the client endpoint of one service, such as `tcp:127.0.0.1:7007`."""
        found = next(address for address in self._listens[service] if address.startswith(f"{kind} "))
        return found.replace(" ", ":")


def make_certificate(path: Path) -> Path:
    """Write a certificate and its key to a file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "echod test")])
    now = dt.datetime.now(dt.timezone.utc)
    alternatives = [x509.IPAddress(ip_address(text)) for text in ("127.0.0.1", "::1")]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path
