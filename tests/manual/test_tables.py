"""What no model knows is held to the code: every row is of something that there is, and what there is has its row."""

import ast
import inspect
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

import echod
from echod import tap
from echod.answers.template import VARIABLES as KNOWN_VARIABLES
from echod.commands import status
from echod.commands.arguments import FRAMINGS as KNOWN_FRAMINGS
from echod.config import Defaults, Listen, Service, load
from echod.config.framing import FramingKind
from echod.config.listen import WORDS as LISTEN_KINDS
from echod.config.model import MODELS
from echod.config.target import WORDS as TARGET_KINDS
from echod.manual.file_page import EXAMPLES, file_page
from echod.manual.metrics import metrics
from echod.manual.settings import settings
from echod.manual.tables import (
    COMMAND_STATUSES,
    DAEMON_STATUSES,
    ENVIRONMENT,
    FAILURES,
    FRAMINGS,
    LISTENING,
    PROTOCOLS,
    REASONS,
    VARIABLES,
    sentence,
)
from echod.manual.words import ENDPOINTS, program

PACKAGE = Path(echod.__file__).parent
CALLED = ("_cut", "_drop", "_end", "refused")
RETURNING = ("_judge", "_refusal", "enter", "refuse")
"""The methods that are told a reason, and those that return one."""


@cache
def sources() -> tuple[ast.Module, ...]:
    """Return the modules of echod, without the manual itself."""
    paths = (path for path in PACKAGE.rglob("*.py") if "manual" not in path.relative_to(PACKAGE).parts)
    return tuple(ast.parse(path.read_text(encoding="utf-8")) for path in paths)


def constants(module: ast.AST) -> set[str]:
    """Return the texts that stand in a piece of code by themselves."""
    return {node.value for node in ast.walk(module) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def counted() -> set[str]:
    """Return the reasons that the code counts: keys of `dropped`, and what is given to those who count or cut."""
    found: set[str] = set()
    for module in sources():
        for node in ast.walk(module):
            if isinstance(node, ast.Subscript) and getattr(node.value, "attr", "") == "dropped":
                found |= constants(node.slice)
            elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in CALLED:
                found |= set().union(*map(constants, node.args[:1]))
            elif isinstance(node, ast.FunctionDef) and node.name in RETURNING:
                found |= {
                    text
                    for each in ast.walk(node)
                    if isinstance(each, ast.Return) and each.value
                    for text in constants(each.value)
                }
    return found - {""}


def test_every_reason_is_explained() -> None:
    """What the log and the metrics name is in the manual, and the manual names nothing else."""
    everywhere = set().union(*(constants(module) for module in sources()))

    found = counted()

    # One of each way to count, so that it is noticed when one is called otherwise.
    assert {"frame", "idle", "unnamed", "proxy-header", "proxy-untrusted", "full", "low-port"} <= found
    assert found <= set(REASONS)
    assert set(REASONS) <= everywhere


def test_every_protocol_has_its_row() -> None:
    """The last row is that of answers of one's own."""
    assert [one.name for one in PROTOCOLS] == [*MODELS, "python:module:name"]


def test_every_kind_of_address_has_an_example() -> None:
    """Each is one that the file may have."""
    listens = [Listen.parse(example) for examples, _ in LISTENING for example in examples]

    assert {listen.kind for listen in listens} == set(LISTEN_KINDS)
    assert {listen.datagram for listen in listens if listen.kind == "systemd"} == {True, False}


def test_every_endpoint_is_proposed() -> None:
    """`ssl:` is left out: for clients Twisted replaced it by `tls:`."""
    assert {prefix.partition(":")[0] for prefix in ENDPOINTS} == set(TARGET_KINDS) - {"ssl"}


def test_every_framing_has_its_row() -> None:
    """As the file has it, and as the command line does."""
    written = [one.word.replace("`", "").replace("*", "") for one in FRAMINGS]

    assert written == list(KNOWN_FRAMINGS)
    assert [one.setting.strip("{").partition(":")[0] for one in FRAMINGS] == list(get_args(FramingKind))


def test_every_variable_has_its_row() -> None:
    """Those of replies."""
    assert list(VARIABLES) == list(KNOWN_VARIABLES)


@pytest.mark.parametrize(
    ("explained", "there_are"),
    [
        (COMMAND_STATUSES, {value for name, value in vars(status).items() if name.isupper()}),
        (DAEMON_STATUSES, {0, 1, *(value for name, value in vars(tap).items() if name.startswith("EX_"))}),
    ],
)
def test_every_exit_status_is_explained(explained: Mapping[int, str], there_are: set[int]) -> None:
    """Those that the modules name."""
    assert set(explained) == there_are


def test_every_failure_word_is_explained() -> None:
    """`echod.failures` lists them."""
    from echod import failures

    listed = (failures.__doc__ or "").replace("\n", " ").partition("The words are ")[2]
    assert set(listed.split("`")[1::2]) == set(FAILURES)


def test_every_variable_of_the_environment_is_read() -> None:
    """By the name that the manual has; Python itself reads its own, and Twisted the sockets'."""
    read = set().union(*(constants(module) for module in sources()))

    assert {name for name in ENVIRONMENT if name not in read} == {"PYTHONPATH", "LISTEN_FDS"}


def test_every_setting_has_its_place_in_the_page() -> None:
    """With the default that the table in README.md has too."""
    page = str(file_page()).replace(r"\-", "-")

    for one in settings():
        assert f"\n\\fB{one.key}\\fR (" in page


def test_the_page_knows_what_defaults_may_not_have() -> None:
    """It names `listen`, `connect` and `description`; the name is the key."""
    assert set(Service.model_fields) - set(Defaults.model_fields) == {"name", "listen", "connect", "description"}


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_examples_are_right(text: str, tmp_path: Path) -> None:
    """As `echod check` would say."""
    file = tmp_path / "echod.yaml"
    file.write_text(text, encoding="utf-8")

    assert load(file, {}).services


def test_every_metric_is_named_as_prometheus_has_it() -> None:
    """With its suffix and its labels."""
    labels = {one.name: one.labels for one in metrics()}

    assert labels["echod_dropped_total"] == ("service", "reason")
    assert labels["echod_connections_open"] == ("service",)
    assert labels["echod_build_info"] == ()


def test_a_phrase_becomes_a_sentence() -> None:
    """What is one already stays as it is."""
    assert sentence("a phrase") == "A phrase."
    assert sentence("A question?") == "A question?"


def test_the_examples_of_the_help_are_found() -> None:
    """Each begins with the command, and is explained."""
    examples = program().examples

    assert {line.split()[1] for line, _ in examples} <= {command.name for command in program().commands}
    assert all(line.startswith("echod ") and what for line, what in examples)
    assert inspect.cleandoc(examples[0][0]) == "echod check echod.yaml"
