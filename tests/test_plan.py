"""What a new configuration changes, without a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echod.config import Listen, load
from echod.plan import Plan, is_plugin, place, places, plan

if TYPE_CHECKING:
    from pathlib import Path

    from echod.config import Config


def config(folder: Path, text: str) -> Config:
    """Return the configuration with these services."""
    file = folder / "echod.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file, {})


ONE = "services:\n  a: {listen: tcp:1, protocol: echo}\n  b: {listen: udp:1, protocol: echo}\n"


def test_the_same_file_changes_nothing(tmp_path: Path) -> None:
    """Not even when it was written in another way, and in another order."""
    other = (
        "# A comment.\nservices:\n  b:\n    protocol: 'echo'\n    listen: ['udp:1']\n"
        "  a:\n    listen: tcp:1\n    protocol: echo\n    limits: {grace: 10}\n"
    )
    steps = plan(config(tmp_path, ONE).services, config(tmp_path, other).services)
    assert steps == Plan(kept=("b", "a"))


@pytest.mark.parametrize(
    "change",
    [
        "listen: tcp:2, protocol: echo",
        "listen: tcp:1, protocol: discard",
        "listen: tcp:1, protocol: echo, limits: {connections: 1}",
        "listen: tcp:1, protocol: echo, deny: [192.0.2.1]",
        "listen: tcp:1, protocol: echo, reuse_port: true",
    ],
)
def test_any_setting_is_a_change(tmp_path: Path, change: str) -> None:
    """Of that service alone."""
    other = ONE.replace("listen: tcp:1, protocol: echo", change)
    steps = plan(config(tmp_path, ONE).services, config(tmp_path, other).services)
    assert steps == Plan(kept=("b",), changed=("a",))


def test_defaults_change_the_services_that_take_them(tmp_path: Path) -> None:
    """A service with a setting of its own stays as it was."""
    text = (
        "defaults: {{limits: {{frame: {0}}}}}\nservices:\n  a: {{listen: tcp:1, protocol: echo}}\n"
        "  b: {{listen: tcp:2, protocol: echo, limits: {{frame: 5}}}}\n"
    )
    steps = plan(config(tmp_path, text.format(10)).services, config(tmp_path, text.format(20)).services)
    assert steps == Plan(kept=("b",), changed=("a",))


def test_the_line_that_reports_it() -> None:
    """As design says it."""
    steps = Plan(("a", "b", "c"), ("d",), ("e", "f"), ())
    assert str(steps) == "3 kept, 1 changed, 2 added, 0 removed"


NAMES = st.sets(st.sampled_from("abcdef"), min_size=1)


@given(NAMES, NAMES, st.sets(st.sampled_from("abcdef")))
def test_every_name_is_in_one_place(old: set[str], new: set[str], different: set[str]) -> None:
    """Nothing is forgotten, and nothing done twice."""
    before = {name: f"settings of {name}" for name in sorted(old)}
    after = {name: f"settings of {name}{' anew' if name in different else ''}" for name in sorted(new)}
    steps = plan(before, after)  # type: ignore[arg-type]  # what settings are does not matter to a plan
    assert sorted((*steps.kept, *steps.changed, *steps.added)) == sorted(new)
    assert sorted((*steps.kept, *steps.changed, *steps.removed)) == sorted(old)
    assert set(steps.changed) == old & new & different


def test_no_change_and_back() -> None:
    """From nothing everything is added, to nothing everything removed."""
    services = {"a": "1", "b": "2"}
    assert plan({}, services) == Plan(added=("a", "b"))  # type: ignore[arg-type]
    assert plan(services, {}) == Plan(removed=("a", "b"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("tcp:7007", "tcp:7007:interface=0.0.0.0", True),
        ("tcp:7007", "tcp:7007:backlog=5", True),
        ("tcp:7007", "ssl:7007:privateKey=k", True),
        ("tcp:7007", "udp:7007", False),
        ("tcp:7007", "tcp6:7007", False),
        ("tcp:7007", "tcp:7007:interface=127.0.0.1", False),
        ("tcp:7007", "tcp:7008", False),
        ("unix:/a", "unix:/a:mode=600", True),
        ("unix:/a", "unixgram:/a", False),
        ("systemd:domain=INET:name=a", "systemd:domain=INET6:name=a", True),
        ("systemd:domain=INET:name=a", "systemd:domain=INET:name=a:type=datagram", False),
        ("systemd:domain=INET:index=0", "systemd:domain=INET:index=1", False),
        ("onion:1", "onion:1", True),
        ("onion:1", "onion:2", False),
    ],
)
def test_the_place_of_an_address(first: str, second: str, same: bool) -> None:
    """One socket serves all descriptions of one place."""
    assert (place(Listen.parse(first), "a", 0) == place(Listen.parse(second), "b", 0)) is same


def test_a_free_port_is_nobody_elses() -> None:
    """The kernel chose it for one address of one service."""
    free = Listen.parse("tcp:0")
    assert place(free, "a", 0) == place(free, "a", 0)
    assert place(free, "a", 0) != place(free, "b", 0)
    assert place(free, "a", 0) != place(free, "a", 1)


def test_all_places(tmp_path: Path) -> None:
    """Those of the services, and of what is served beside them."""
    made = config(tmp_path, "metrics: {listen: tcp:9}\n" + ONE)
    assert list(places(made)) == [
        ("stream", "internet", "0.0.0.0", 1),
        ("datagram", "internet", "0.0.0.0", 1),
        ("stream", "internet", "0.0.0.0", 9),
    ]
    assert is_plugin(place(Listen.parse("onion:1"), "a", 0))
    assert not any(map(is_plugin, places(made)))
