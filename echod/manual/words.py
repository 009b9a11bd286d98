"""The words of the command line as data: what argparse was told, for the man page and the completions. Pure."""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from echod.commands import words
from echod.commands.arguments import FRAMINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Kind(Enum):
    """What can be proposed for a value."""

    NOTHING = "nothing"
    FILE = "file"
    ENDPOINT = "endpoint"
    HOST = "host"
    SERVICE = "service"
    FRAMING = "framing"


# By the word that stands for the value; a new word has to be entered here, and the generator says so.
_KINDS = {
    "FILE": Kind.FILE,
    "ENDPOINT": Kind.ENDPOINT,
    "H": Kind.HOST,
    "NAME": Kind.SERVICE,
    "F": Kind.FRAMING,
    "MESSAGE": Kind.NOTHING,
    "S": Kind.NOTHING,
    "N": Kind.NOTHING,
    "BYTES": Kind.NOTHING,
}

ENDPOINTS = {
    "tcp:127.0.0.1:": "TCP",
    "udp:127.0.0.1:": "UDP",
    "tcp6:": "TCP over IPv6",
    "udp6:": "UDP over IPv6",
    "tls:": "TLS",
    "unix:": "a Unix stream socket",
    "unixgram:": "a Unix datagram socket",
}
"""What an ENDPOINT may begin with, and what that is."""

FRAMING_WORDS = tuple(word[: word.index(":") + 1] if ":" in word else word for word in FRAMINGS)
"""What `--framing` takes; where more must follow, up to the colon."""


@dataclass(frozen=True)
class Value:
    """A value: the word that stands for it, and what can be proposed."""

    word: str

    @property
    def kind(self) -> Kind:
        """What can be proposed."""
        return _KINDS[self.word]


@dataclass(frozen=True)
class Option:
    """An option: its names, its value if it takes one, and whether it can be given again and again."""

    names: tuple[str, ...]
    help: str
    value: Value | None
    repeats: bool


@dataclass(frozen=True)
class Positional:
    """A value without a name."""

    value: Value
    help: str
    needed: bool


@dataclass(frozen=True)
class Command:
    """One of the commands."""

    name: str
    help: str
    options: tuple[Option, ...]
    positionals: tuple[Positional, ...]

    def usage(self) -> str:
        """Return the command with all it takes, in the markup of `echod.manual.roff`."""
        parts = [f"`echod {self.name}`"]
        parts += [f"*{one.value.word}*" if one.needed else f"[*{one.value.word}*]" for one in self.positionals]
        return " ".join([*parts, *(f"[{tag(one)}]" for one in self.options if one.names != HELP)])


@dataclass(frozen=True)
class Program:
    """The whole command line: options before the command, the commands, and examples with what each is for."""

    help: str
    options: tuple[Option, ...]
    commands: tuple[Command, ...]
    examples: tuple[tuple[str, str], ...]


HELP = ("-h", "--help")


def tag(option: Option, names: tuple[str, ...] | None = None) -> str:
    """Return an option as it is written, in the markup of `echod.manual.roff`."""
    made = ", ".join(f"`{name}`" for name in names or option.names)
    return f"{made} *{option.value.word}*" if option.value else made


def program() -> Program:
    """Ask argparse for the command line."""
    commands: defaultdict[str, Callable[[argparse.Namespace], int]] = defaultdict(lambda: _never)
    parser = words.parser(commands)
    (group,) = (one for one in _actions(parser) if isinstance(one, argparse._SubParsersAction))  # noqa: SLF001
    helps = {one.dest: one.help or "" for one in group._choices_actions}  # noqa: SLF001 - nothing public has them
    made = [
        Command(name, helps[name], tuple(_options(inner)), tuple(_positionals(inner)))
        for name, inner in group.choices.items()
    ]
    return Program(
        parser.description or "", tuple(_options(parser)), tuple(made), tuple(_examples(parser.epilog or ""))
    )


def _examples(epilog: str) -> Iterator[tuple[str, str]]:
    """Yield the examples in a text: lines under `examples:`, each a command, two spaces or more, and what it is for."""
    _, _, examples = epilog.partition("examples:\n")
    for line in examples.partition("\n\n")[0].splitlines():
        command, _, what = line.strip().partition("  ")
        yield command, what.strip()


def _never(_: argparse.Namespace) -> int:
    raise AssertionError("nothing is run here")


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return parser._actions  # noqa: SLF001 - argparse has no public way to ask


def _options(parser: argparse.ArgumentParser) -> Iterator[Option]:
    for action in _actions(parser):
        if action.option_strings:
            value = Value(str(action.metavar)) if action.nargs != 0 else None
            repeats = isinstance(action, argparse._AppendAction)  # noqa: SLF001
            yield Option(tuple(action.option_strings), action.help or "", value, repeats)


def _positionals(parser: argparse.ArgumentParser) -> Iterator[Positional]:
    for action in _actions(parser):
        if not action.option_strings:
            yield Positional(Value(str(action.metavar)), action.help or "", action.nargs != "?")
