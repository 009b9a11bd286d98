"""Listening addresses that only Twisted can judge: found by `echod check` and by the daemon alike."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization

from echod.commands.configuration import read
from echod.endpoints import endpoint_problems
from tests.commands.programs import make_certificate
from tests.system.programs import twistd

if TYPE_CHECKING:
    from tests.commands.programs import Echod


@pytest.fixture
def folder(tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory, with files that are right and files that are not."""
    monkeypatch.chdir(tmp_path)
    whole = certificate.read_bytes()
    at = whole.index(b"-----BEGIN CERTIFICATE")
    Path("key.pem").write_bytes(whole[:at])
    Path("cert.pem").write_bytes(whole[at:])
    make_certificate(Path("other.pem"))
    Path("junk.pem").write_text("junk")
    key = serialization.load_pem_private_key(whole, None)
    password = serialization.BestAvailableEncryption(b"secret")
    locked = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, password)
    Path("locked.pem").write_bytes(locked)
    return tmp_path


def problems(*listens: str) -> list[str]:
    """Return the problems of services with these addresses."""
    file = Path("echod.yaml")
    services = "".join(f"  s{i}: {{listen: '{listen}', protocol: echo}}\n" for i, listen in enumerate(listens))
    file.write_text(f"services:\n{services}")
    return [str(problem) for problem in endpoint_problems(read(str(file), {}))]


@pytest.mark.usefixtures("folder")
def test_right() -> None:
    """What can be served has no problem; sockets of systemd and datagrams are left out."""
    found = problems(
        "tcp:7007",
        "tcp6:7008",
        "unix:/run/a",
        "udp:7009",
        "ssl:1:privateKey=key.pem:certKey=cert.pem",
        "systemd:domain=INET:name=x",
        "haproxy:tcp:80",
    )

    assert found == []


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("listen", "sentence"),
    [
        ("nosuch:1", 'no endpoint plugin for "nosuch" is installed here: known are ssl,'),
        ("TCP:1", 'no endpoint plugin for "TCP" is installed here: did you mean "tcp"?'),
        ("haproxy:tcp:1:x=y", "these are not the words of haproxy"),
        ("ssl:1", '"server.pem" cannot be read: No such file or directory'),
        ("ssl:1:privateKey=key.pem:certKey=none.pem", '"none.pem" cannot be read: No such file or directory'),
        ("ssl:1:privateKey=none.pem:certKey=cert.pem", '"none.pem" cannot be read: No such file or directory'),
        ("ssl:1:privateKey=junk.pem:certKey=cert.pem", '"junk.pem" holds no private key in PEM form'),
        ("ssl:1:privateKey=key.pem:certKey=junk.pem", '"junk.pem" holds no certificate in PEM form'),
        ("ssl:1:privateKey=key.pem", '"key.pem" holds no certificate in PEM form'),
        ("ssl:1:privateKey=other.pem:certKey=cert.pem", "the private key does not belong to the certificate"),
        ("ssl:1:privateKey=locked.pem:certKey=cert.pem", 'the private key in "locked.pem" has a password'),
        ("ssl:1:privateKey=key.pem:certKey=cert.pem:extraCertChain=none.pem", '"none.pem" cannot be read'),
        ("ssl:1:privateKey=key.pem:certKey=cert.pem:dhParameters=none.pem", '"none.pem" cannot be read'),
        ("ssl:1:privateKey=key.pem:certKey=cert.pem:sslmethod=no", "has no attribute 'no'"),
    ],
)
def test_wrong(listen: str, sentence: str) -> None:
    """Each fault is at its place and says what would be right."""
    (found,) = problems(listen)

    assert found.startswith("echod.yaml:2:16: services.s0.listen: ")
    assert sentence in found


@pytest.mark.usefixtures("folder")
def test_all_at_once() -> None:
    """Every address is looked at, in a list too."""
    Path("echod.yaml").write_text("services:\n  a: {protocol: echo, listen: ['x:1', 'tcp:2', 'y:3']}\n")
    found = endpoint_problems(read("echod.yaml", {}))

    assert [problem.path for problem in found] == ["services.a.listen[0]", "services.a.listen[2]"]


def test_daemon_says_the_same(folder: Path, echod: Echod) -> None:
    """`echod check` and the daemon print the same problems and end with 78."""
    problems("nosuch:1", "ssl:2:privateKey=junk.pem")
    checked = echod("check", "echod.yaml", cwd=folder)
    command = [*twistd("-n", "--pidfile="), "echod", "--config", "echod.yaml"]
    served = subprocess.run(command, capture_output=True, cwd=folder, timeout=60, check=False)

    assert (checked.returncode, served.returncode) == (78, 78)
    assert checked.stdout == b""
    assert checked.stderr == served.stderr
    assert checked.stderr.count(b"\n") == 2
