"""Settings become a file and come back as they were, whatever is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echod.config.model import service_name
from echod.config.nodes import Table, plain
from echod.config.problems import ProblemList
from echod.config.text import read
from echod.config.variables import Substitution
from echod.console.writing import FIRST_LINE, MARK, as_json, has_variables, written

if TYPE_CHECKING:
    from echod.config.nodes import Node

ENVIRON = {"HOME": "/root", "SECRET": "swordfish"}

texts = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    [
        *("on", "off", "yes", "no", "y", "true", "null", "~", "", "010", "0x1f", "22:22", "1_000", "2026-01-01", "1e3"),
        *(
            "<<",
            "=",
            "*alias",
            "&anchor",
            "!tag",
            "- a",
            "a: b",
            "a #b",
            "%x",
            "@x",
            "`x",
            '"',
            "'",
            "\\",
            "\\n",
            "|",
            ">",
        ),
        *(
            "${SECRET}",
            "$${SECRET}",
            "$$${SECRET}",
            "${SECRET:-x}",
            "${",
            "$$",
            "a${b",
            "$\u0000{",
            "\r\n",
            " x ",
            "\t",
        ),
        *("\ufeff", "\u2028", "\x85", "\x7f", "\U0001f600", "…" * 200, "# not a comment", "---", "...", "x" * 300),
    ]
)
numbers = st.integers(-(10**18) + 1, 10**18 - 1) | st.sampled_from([0.5, -0.0, 1.0, 0.000001, 1e16, 1e17, 300.25])
values = st.recursive(
    texts | numbers | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def back(raw: bytes, *, substituted: bool) -> Node:
    """Read a file as the configuration does, and return the settings of its one service."""
    problems = ProblemList()
    tree = read(raw, "x.yaml", problems)
    assert not len(problems), str(problems.error())
    assert isinstance(tree, Table)
    if substituted:
        Substitution("x.yaml", ENVIRON, problems).run(tree)
        assert not len(problems), str(problems.error())
    services = tree.entries["services"].node
    assert isinstance(services, Table)
    return next(iter(services.entries.values())).node


@given(st.dictionaries(texts, values, max_size=5))
def test_what_is_written_is_read(settings: dict[str, Any]) -> None:
    """The daemon means what was sent, and nothing comes from its environment; the console shows it again."""
    raw = written("x", settings)
    assert plain(back(raw, substituted=True)) == settings
    shown = back(raw, substituted=False)
    assert as_json(shown) == settings
    assert isinstance(shown, Table)
    assert not has_variables(shown)


@pytest.mark.parametrize("name", ["on", "no", "1", "010", "1.5", "0x1", "null", "true", "A.b-c_d", "2026-01-01"])
def test_names_that_yaml_takes_for_something_else(name: str) -> None:
    """A service may have any name that is one."""
    assert service_name(name) == name
    problems = ProblemList()
    tree = read(written(name, {"protocol": "echo"}), "x.yaml", problems)
    assert not len(problems)
    assert tree is not None
    assert plain(tree) == {"services": {name: {"protocol": "echo"}}}


@pytest.mark.parametrize("number", [1e18, 1e300, 5e-324, 10**18, -(10**30)])
def test_numbers_that_no_reader_agrees_on_are_problems(number: float) -> None:
    """They are refused where they stand, not changed."""
    problems = ProblemList()
    assert read(written("x", {"limits": {"buffer": number}}), "x.yaml", problems) is None
    (problem,) = problems.error().problems
    assert problem.path == "services.x.limits.buffer"


def test_a_file_says_whose_it_is() -> None:
    """Its first line is a comment, by which the console knows its own files."""
    first, rest = written("x", {"listen": "tcp:7007", "protocol": "echo"}).decode().split("\n", 1)
    assert f"{first}\n" == FIRST_LINE
    assert first.startswith(MARK.rstrip())
    assert rest == '"services":\n  "x":\n    "listen": "tcp:7007"\n    "protocol": "echo"\n'


def test_what_is_written_by_hand_is_shown_as_it_is_written() -> None:
    """Variables stay, as the environment is nobody's business; exact bytes are shown as such."""
    raw = (
        b"services:\n  x:\n    reply: '${SECRET}, $${x}'\n    greeting: !!binary AAH/\n    description: $${x}\n"
        b"    proxy_protocol: off\n    rules: [{then: close}]\n"
    )
    settings = back(raw, substituted=False)
    assert as_json(settings) == {
        "reply": "${SECRET}, $${x}",
        "greeting": {"hex": "00 01 ff"},
        "description": "${x}",
        "proxy_protocol": "off",
        "rules": [{"then": "close"}],
    }
    assert isinstance(settings, Table)
    assert has_variables(settings)
