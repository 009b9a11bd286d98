"""The console of a real daemon: services are made, used, tried, watched, changed and removed over HTTP."""

from __future__ import annotations

import socket
import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.system.console.calls import Caller, asked
from tests.system.daemon import LIMIT, Daemon, wait_until
from tests.system.programs import script

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """\
services:
  hello-tcp:
    listen: tcp:0:interface=127.0.0.1
    protocol: reply
    reply: hi
    then: close
  echo-tcp:
    listen: udp:0:interface=127.0.0.1
    protocol: echo
console: {listen: tcp:0:interface=127.0.0.1}
"""
TOKEN = "0123456789abcdef"


def port_of(shown: dict[str, list[dict[str, str]]]) -> int:
    """Return the port of a service's first address, as the console shows it."""
    return int(shown["addresses"][0]["address"].rpartition(":")[2])


def test_a_service_s_whole_life(tmp_path: Path) -> None:
    """What is made is served at once, and what is removed no more; what was kept is there after a restart."""
    daemon = Daemon(tmp_path, CONFIG, listeners=3)
    with daemon:
        call = Caller(daemon)
        tried = call("POST", "/api/services/hello-tcp/try", {"message": "hello"}).json
        assert (tried["answer"]["text"], tried["ended"], tried["failure"]) == ("hi", "closed", None)
        assert 0 < tried["seconds"] < 5

        made = call("POST", "/api/services", {"name": "new", "listen": "udp:0:interface=127.0.0.1", "protocol": "echo"})
        assert made.status == 201
        address = ("127.0.0.1", port_of(made.json))
        assert asked(address, b"hello") == b"hello"

        listen = f"udp:{address[1]}:interface=127.0.0.1"
        again = call("POST", "/api/services", {"name": "again", "listen": listen, "protocol": "echo"})
        assert (again.status, again.json["problems"][0]["path"]) == (409, "listen")

        settings = {"listen": listen, "protocol": "reply", "reply": "{service}"}
        # The port that the kernel chose is the service's own: it can be written down.
        changed = call("PUT", "/api/services/new", settings, If_Match=made.headers["ETag"])
        assert (changed.status, asked(address, b"hello")) == (200, b"new")
        assert call("PUT", "/api/services/new", settings, If_Match=made.headers["ETag"]).status == 412
        shown = {each["name"]: each for each in call("GET", "/api/services").json["services"]}
        assert shown["new"]["counters"]["messages_received"] == 2
        assert shown["new"]["etag"] == changed.headers["ETag"]

    with daemon:
        assert asked(address, b"hello") == b"new"
        call = Caller(daemon)
        got = call("GET", "/api/services/new")
        assert (got.headers["ETag"], got.json["settings"]) == (changed.headers["ETag"], settings)
        assert call("DELETE", "/api/services/new", If_Match=got.headers["ETag"]).status == 204
        with pytest.raises(ConnectionRefusedError):
            asked(address, b"hello")
        assert list((tmp_path / "conf.d").iterdir()) == []


def test_a_port_that_another_program_has(tmp_path: Path) -> None:
    """409 names it, and nothing is changed: neither what is served nor what is kept."""
    with Daemon(tmp_path, CONFIG, listeners=3) as daemon, socket.create_server(("127.0.0.1", 0)) as busy:
        call = Caller(daemon)
        listen = f"tcp:{busy.getsockname()[1]}:interface=127.0.0.1"
        reply = call("POST", "/api/services", {"name": "new", "listen": ["udp:0", listen], "protocol": "echo"})
        assert (reply.status, reply.json["problems"][0]["path"]) == (409, "listen[1]")
        assert listen in reply.json["detail"]
        assert "already in use" in reply.json["detail"]
        services = call("GET", "/api/services").json
        assert [each["name"] for each in services["services"]] == ["hello-tcp", "echo-tcp"]
        # It was refused, which whoever asked knows; no operator need be woken.
        assert services["reloads"] == {"success": 0, "failure": 0}
        assert list((tmp_path / "conf.d").iterdir()) == []


def test_what_happens_is_watched(tmp_path: Path) -> None:
    """As it happens, over the daemon's whole way."""
    with Daemon(tmp_path, CONFIG, listeners=3) as daemon:
        call = Caller(daemon)
        with call.events() as events:
            assert next(events).kind == "hello"
            assert next(events).kind == "counters"
            asked(daemon.at("echo-tcp").name, b"<b>\x00")
            seen = [each for each in (next(events) for _ in range(4)) if each.kind not in ("counters", "changed")][:2]
            assert [each.kind for each in seen] == ["received", "sent"]
            assert (seen[0].data["preview"], seen[0].data["size"]) == (r"<b>\x00", 4)
            with socket.create_connection(daemon.at("hello-tcp").name) as client:
                client.sendall(b"hello")
                kinds = [each.kind for each in (next(events) for _ in range(6)) if each.kind != "counters"]
            assert kinds[:3] == ["opened", "received", "sent"]
            call("POST", "/api/services", {"name": "new", "listen": "udp:0:interface=127.0.0.1", "protocol": "echo"})
            wait_until(lambda: next(events).kind == "changed", "the change is told")


def test_elsewhere_with_a_token_over_tls(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    """Nobody else gets in; and a service over TLS is tried with the certificate that it shows."""
    key, cert = certificate
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    tls = f"ssl:0:privateKey={key}:certKey={cert}"
    config = CONFIG.replace("{listen: tcp:0:interface=127.0.0.1}", f"{{listen: '{tls}', token_file: token}}")
    config = config.replace("tcp:0:interface=127.0.0.1", f"{tls}:interface=127.0.0.1")
    with Daemon(tmp_path, config, listeners=3) as daemon:
        context = ssl.create_default_context(cafile=str(cert))
        call = Caller(daemon, context, TOKEN)
        tried = call("POST", "/api/services/hello-tcp/try", {"message": "hello"}).json
        assert (tried["address"].startswith("ssl:"), tried["answer"]["text"]) == (True, "hi")
        assert call("GET", "/metrics").status == 200
        for token in (None, TOKEN[::-1]):
            stranger = Caller(daemon, context, token)
            assert stranger("GET", "/api/services").status == 401
            assert stranger("POST", "/api/reload").status == 401
            assert stranger("GET", "/metrics").status == 401
            assert stranger("GET", "/").status == 200
            assert stranger("GET", "/healthz").status == 200


def test_the_interface_is_as_it_describes_itself(tmp_path: Path) -> None:
    """Schemathesis reads the description, tries what it allows and what it does not, and finds nothing wrong."""
    (tmp_path / "schemathesis.toml").write_text(
        "[checks]\n"
        # A version may be stale, and what a schema cannot say may be wrong.
        'positive_data_acceptance.expected-statuses = ["2xx", "404", "409", "412", "422", "428"]\n'
        'negative_data_rejection.expected-statuses = ["400", "404", "409", "412", "413", "415", "422", "428"]\n'
    )
    with Daemon(tmp_path, CONFIG, listeners=3) as daemon:
        address = daemon.at("console").text
        done = subprocess.run(
            [
                *(script("schemathesis"), "--config-file", "schemathesis.toml", "run", "--no-color"),
                *(f"http://{address}/api/openapi.json", "--exclude-path", "/api/events"),
                *("--phases", "examples,fuzzing", "--max-examples", "12", "--generation-deterministic"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=LIMIT * 3,
            check=False,
        )
        print(done.stdout, done.stderr)
        assert done.returncode == 0
        assert " passed" in done.stdout
        assert Caller(daemon)("GET", "/healthz").status == 200
