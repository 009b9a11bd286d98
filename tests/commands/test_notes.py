"""What `echod check` notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from echod.answers.choose import answers_for
from echod.commands.configuration import read
from echod.commands.notes import notes
from echod.config import ConfigError
from echod.tap import world

if TYPE_CHECKING:
    from pathlib import Path


def noted(tmp_path: Path, settings: str) -> list[str]:
    """Return the notes on one service with these settings."""
    file = tmp_path / "echod.yaml"
    file.write_text(f"services:\n  a: {{{settings}}}\n")
    config = read(str(file), {})
    return notes(config, answers_for(config, world()))


@pytest.mark.parametrize(
    ("listen", "beginnings"),
    [
        ("tcp:7007:interface=127.0.0.1", []),
        ("unix:/run/a", []),
        ("tcp:7007:interface=0.0.0.0", []),
        (r"tcp6:7007:interface=\:\:1", []),
        ("tcp:7007", ["names no interface, so it listens on every IPv4 address"]),
        ("udp:7007", ["names no interface, so it listens on every IPv4 address"]),
        ("udp6:7007", ["names no interface, so it listens on every address of", "takes IPv4 as well"]),
        (r"tcp6:7007:interface=\:\:", ["takes IPv4 as well"]),
        ("tcp:0:interface=127.0.0.1", ["leaves the port to the kernel"]),
        ("systemd:domain=INET:name=x", ["is a socket of systemd's"]),
    ],
)
def test_listen(tmp_path: Path, listen: str, beginnings: list[str]) -> None:
    """What may surprise about an address."""
    found = noted(tmp_path, f"protocol: echo, listen: '{listen}'")

    starts = [f"services.a.listen: {listen} {beginning}" for beginning in beginnings]
    assert len(found) == len(starts)
    assert all(note.startswith(start) for note, start in zip(found, starts, strict=True))


def test_unproven(tmp_path: Path) -> None:
    """A rule that no known request reaches is named, by its place in the list."""
    rules = "[{when: {equals: a}, reply: b}, {when: {regex: 'x+$'}, reply: c}, {when: {prefix: b}, reply: d}]"
    found = noted(tmp_path, f"protocol: reply, listen: 'tcp:7:interface=127.0.0.1', rules: {rules}")

    assert len(found) == 1
    assert found[0].startswith("services.a.rules[1]: `echod verify` knows no request that reaches this rule")


def test_answers_for(tmp_path: Path) -> None:
    """An answer of one's own that is not there is a problem at its place."""
    file = tmp_path / "echod.yaml"
    file.write_text("services:\n  a: {listen: 'tcp:7', protocol: 'python:no.such:thing'}\n")

    with pytest.raises(ConfigError, match=r"echod.yaml:2:\d+: services.a.protocol: python:no.such:thing cannot be"):
        answers_for(read(str(file), {}), world())
