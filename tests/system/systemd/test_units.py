"""The units, as systemd itself reads and judges them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.system.systemd.conftest import UNITS

if TYPE_CHECKING:
    from tests.system.systemd.box import Box

NAMES = ("echod.service", "echod@east.service", "echod.socket", "echod-udp.socket")


def drop_in(name: str) -> str:
    """Return the text of a drop-in that is shipped."""
    return (UNITS / "drop-ins" / f"{name}.conf").read_text(encoding="utf-8")


def test_the_template_is_the_service() -> None:
    """But for its names, an instance runs as echod.service does."""
    settings = [
        [line for line in (UNITS / name).read_text(encoding="utf-8").splitlines() if not line.startswith("#") and line]
        for name in ("echod.service", "echod@.service")
    ]
    names = {"echod %i": "echod", "/etc/echod/%i.yaml": "/etc/echod/echod.yaml", "=echod-%i": "=echod"}
    assert any("%i" in line for line in settings[1])
    for own, other in names.items():
        settings[1] = [line.replace(own, other) for line in settings[1]]
    assert settings[1] == settings[0]


def test_systemd_finds_nothing_to_say(box: Box) -> None:
    """No unknown key, no value that is not understood, no program that does not exist; also with the drop-ins."""
    command = ("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *NAMES)
    assert box.did(*command) == ""
    for name in ("low-ports", "sockets", "tls"):
        box.add("echod.service", name, drop_in(name))
    assert box.did(*command) == ""
    box.add("echod.service", "wrong", "[Service]\nPrivateNetworks=yes\n")
    said = box.run(*command)
    assert said.returncode != 0
    assert "PrivateNetworks" in said.stdout


@pytest.mark.parametrize(
    ("drop_ins", "most"), [((), 1.2), (("tls",), 1.2), (("sockets",), 0.5), (("low-ports",), 1.4)], ids=str
)
def test_exposure(box: Box, drop_ins: tuple[str, ...], most: float) -> None:
    """What `systemd-analyze security` gives, from 10 for no protection to 0, is no more than we say."""
    for name in drop_ins:
        box.add("echod.service", name, drop_in(name))
    for unit in ("echod.service", "echod@east.service") if not drop_ins else ("echod.service",):
        said = box.did("systemd-analyze", "security", unit)
        found = re.search(r"Overall exposure level for \S+: (\d+\.\d)", said)
        assert found is not None, said
        assert float(found[1]) <= most, said
