"""What the file says, and what surrounds it, holds in a real run."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from echod import __version__
from tests.system.clients import connected, half_closed, rest
from tests.system.daemon import LIMIT, Daemon, environment
from tests.system.programs import script

if TYPE_CHECKING:
    from pathlib import Path

MAIN = """\
defaults:
  limits: {idle_timeout: 1s}
include: ["conf.d/*.yaml"]
services:
  main: {listen: "tcp:0:interface=${ECHOD_TEST_HOST}", protocol: reply, reply: "${ECHOD_TEST_REPLY:-hi}"}
"""

INCLUDED = {
    "b.yaml": "services: {second: {listen: 'tcp:0:interface=127.0.0.1', protocol: reply, reply: second}}",
    "a.yaml": "services: {first: {listen: 'tcp:0:interface=127.0.0.1', protocol: reply, reply: first}}",
    "ignored.yml": "services: {ignored: {listen: 'tcp:0', protocol: echo}}",
}


def printed(*words: str) -> str:
    """Return what a command prints; it must end well, in no time that people would call waiting."""
    made = subprocess.run(words, timeout=LIMIT, check=False, capture_output=True, text=True, env=environment({}))
    assert (made.returncode, made.stderr) == (0, ""), made.stderr
    return made.stdout


def test_include_environment_and_defaults(tmp_path: Path) -> None:
    """Files are included in the order of their names, variables come from the environment, defaults reach all."""
    (tmp_path / "conf.d").mkdir()
    for name, text in INCLUDED.items():
        (tmp_path / "conf.d" / name).write_text(text, encoding="utf-8")
    environ = {"ECHOD_TEST_HOST": "127.0.0.1"}
    with Daemon(tmp_path, MAIN, listeners=3, environ=environ) as daemon:
        assert list(daemon.addresses) == ["main", "first", "second"]
        for service, reply in (("main", b"hi"), ("first", b"first"), ("second", b"second")):
            assert half_closed(daemon.at(service), b"hello") == reply
        with connected(daemon.at("second")) as idle:
            idle.settimeout(5)
            with pytest.raises(ConnectionResetError):
                rest(idle)
        daemon.stop()
    with Daemon(tmp_path, MAIN, listeners=3, environ={**environ, "ECHOD_TEST_REPLY": "moin"}) as daemon:
        assert half_closed(daemon.at("main"), b"hello") == b"moin"


def test_twistd_lists_echod() -> None:
    """Whoever asks twistd what it can do finds echod, and the sentence that says what it is."""
    words = " ".join(printed(script("twistd"), "--help").split())
    assert " echod TCP and UDP echo and reply services from one YAML file: the known-good far end." in words


def test_help_and_version() -> None:
    """The options are explained, and the version is said, without a file and without a start."""
    help_text = printed(script("twistd"), "-n", "echod", "--help")
    assert "--config=" in help_text
    assert "The YAML file to serve." in help_text
    assert printed(script("twistd"), "-n", "echod", "--version") == f"echod {__version__}\n"


def test_a_surplus_word_is_an_error(tmp_path: Path) -> None:
    """Who forgets `--config` is told so, instead of getting the embedded default."""
    command = [script("twistd"), "-n", "--pidfile=", "echod", str(tmp_path / "echod.yaml")]
    made = subprocess.run(command, timeout=LIMIT, check=False, capture_output=True, text=True, env=environment({}))
    assert made.returncode == 1, made.stderr
    assert f"twistd echod --config {tmp_path}/echod.yaml" in made.stdout + made.stderr
