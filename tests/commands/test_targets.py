"""Where `echod verify` looks for a service."""

from __future__ import annotations

import hashlib
import ssl
from typing import TYPE_CHECKING

import pytest

from echod.commands.addresses import written_listen, written_target
from echod.commands.targets import approaches, fingerprint
from echod.config import EchoService, Listen, Target

if TYPE_CHECKING:
    from pathlib import Path


def service(listen: str | list[str], **more: object) -> EchoService:
    """Make an echo service's settings."""
    return EchoService.model_validate({"name": "a", "protocol": "echo", "listen": listen, **more})


@pytest.mark.parametrize(
    ("listen", "host", "target"),
    [
        ("tcp:7007", None, "tcp:127.0.0.1:7007"),
        ("tcp:7007:interface=0.0.0.0", None, "tcp:127.0.0.1:7007"),
        ("tcp:7007:interface=192.0.2.1", None, "tcp:192.0.2.1:7007"),
        ("udp:7007", None, "udp:127.0.0.1:7007"),
        ("tcp6:7007", None, r"tcp6:\:\:1:7007"),
        (r"udp6:7007:interface=\:\:", None, r"udp6:\:\:1:7007"),
        (r"udp6:7007:interface=fe80\:\:1%lo", None, r"udp6:fe80\:\:1%lo:7007"),
        ("unix:/run/a", None, "unix:/run/a"),
        (r"unix:/run/a\:b\=c", None, r"unix:/run/a\:b\=c"),
        ("unixgram:/run/a", "192.0.2.9", "unixgram:/run/a"),
        ("tcp:7007:interface=127.0.0.1", "192.0.2.9", "tcp:192.0.2.9:7007"),
        ("tcp:7007", "2001:db8::1", r"tcp6:2001\:db8\:\:1:7007"),
        ("tcp6:7007", "192.0.2.9", "tcp:192.0.2.9:7007"),
        ("tcp:7007", "echo.example", "tcp:echo.example:7007"),
        ("udp6:7007", "echo.example", "udp6:echo.example:7007"),
    ],
)
def test_listening(listen: str, host: str | None, target: str) -> None:
    """A wildcard is reached over loopback, a host replaces every IP address, and brings its family."""
    (found,) = approaches(service(listen), host)

    assert found.target == Target.parse(target)
    assert (found.certificate, found.remark) == (None, "")


@pytest.mark.parametrize(
    ("connect", "host", "target"),
    [
        ("tcp:echo.example:80", None, "tcp:echo.example:80"),
        ("tcp:echo.example:80", "192.0.2.9", "tcp:host=192.0.2.9:port=80"),
        ("tcp:192.0.2.1:80:timeout=3", "::1", r"tcp6:host=\:\:1:port=80:timeout=3"),
        ("tls:echo.example:443", "other.example", "tls:host=other.example:port=443"),
        ("plugin:whatever", "192.0.2.9", "plugin:whatever"),
    ],
)
def test_connect(connect: str, host: str | None, target: str) -> None:
    """`connect` goes before all listening addresses."""
    (found,) = approaches(service(["tcp:7007", "unix:/run/a", "systemd:domain=INET:name=x"], connect=connect), host)

    assert found.target is not None
    assert (found.target.kind, dict(found.target.words)) == (
        Target.parse(target).kind,
        dict(Target.parse(target).words),
    )


@pytest.mark.parametrize(
    ("listen", "remark"),
    [
        ("tcp:0", "the kernel chose its port"),
        ("systemd:domain=INET:name=x", "its socket comes from systemd"),
        ("haproxy:tcp:7007", "where an endpoint of kind haproxy is reached is not known"),
    ],
)
def test_unknown(listen: str, remark: str) -> None:
    """What cannot be known is said, with the cure."""
    (found,) = approaches(service(listen))

    assert found.target is None
    assert found.remark.startswith(remark)
    assert "give the service connect" in found.remark


def test_all_listening() -> None:
    """Every listening address is one target."""
    found = approaches(service(["tcp:7007", "udp:7007"]))

    assert [one.target.text for one in found if one.target] == ["tcp:127.0.0.1:7007", "udp:127.0.0.1:7007"]


@pytest.mark.parametrize("host", ["a b", "", "[::1]"])
def test_bad_host(host: str) -> None:
    """A host that is neither name nor address is refused."""
    with pytest.raises(ValueError, match="is neither a name nor an IP address"):
        approaches(service("tcp:7007"), host)


def test_fingerprint(certificate: Path) -> None:
    """The first certificate of the file counts, whatever else is in it."""
    pem = certificate.read_text()
    der = ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN CERTIFICATE") :])

    assert fingerprint(certificate) == hashlib.sha256(der).digest()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("junk", "holds no certificate in PEM form"),
        ("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----", "is damaged"),
    ],
)
def test_no_fingerprint(tmp_path: Path, text: str, sentence: str) -> None:
    """A file without a certificate is told from one that cannot be read."""
    path = tmp_path / "c.pem"
    path.write_text(text)

    with pytest.raises(ValueError, match=sentence):
        fingerprint(path)
    with pytest.raises(ValueError, match="cannot be read"):
        fingerprint(tmp_path / "none.pem")


def test_ssl(certificate: Path, tmp_path: Path) -> None:
    """`ssl:` is verified by the certificate in the file, or by trust where the file is not."""
    (key_file,) = approaches(service(f"ssl:443:privateKey={certificate}"))
    (certificate_file,) = approaches(service(f"ssl:443:privateKey=none.pem:certKey={certificate}"), "echo.example")
    (no_file,) = approaches(service(rf"ssl:443:interface=\:\::privateKey={tmp_path}/none.pem"))

    assert key_file.certificate == certificate_file.certificate == fingerprint(certificate)
    assert key_file.target == Target.parse("ssl:127.0.0.1:443")
    assert certificate_file.target == Target.parse("ssl:echo.example:443")
    assert (no_file.certificate, no_file.target) == (None, Target.parse(r"tls:\:\:1:443"))
    assert "none.pem" in no_file.remark
    assert "trusts" in no_file.remark


@pytest.mark.parametrize(
    ("listen", "written"),
    [
        ("tcp:7007", "tcp 0.0.0.0:7007"),
        ("tcp6:7007", "tcp6 [::]:7007"),
        (r"ssl:7007:interface=\:\:1", "ssl [::1]:7007"),
        ("unix:/run/a", "unix /run/a"),
        ("systemd:domain=INET:name=x", "systemd:domain=INET:name=x"),
        ("unix:/run/a\x1b[2J", r"unix /run/a\x1b[2J"),
        ("plug:\x1b[2J", r"plug:\x1b[2J"),
    ],
)
def test_written_listen(listen: str, written: str) -> None:
    """Listening addresses for people; what does not print is escaped."""
    assert written_listen(Listen.parse(listen)) == written


@pytest.mark.parametrize(
    ("target", "written"),
    [
        ("tcp:127.0.0.1:7007", "tcp 127.0.0.1:7007"),
        (r"udp6:\:\:1:7007", "udp6 [::1]:7007"),
        ("unix:/run/a", "unix /run/a"),
        ("plugin:x", "plugin:x"),
    ],
)
def test_written_target(target: str, written: str) -> None:
    """Addresses to connect to for people."""
    assert written_target(Target.parse(target)) == written
