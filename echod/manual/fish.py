"""The completion for fish."""

from __future__ import annotations

from typing import TYPE_CHECKING

from echod.manual.shell import AWK, MADE, embedded, filled
from echod.manual.words import ENDPOINTS, FRAMING_WORDS, Kind, Option, Program, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

_TEMPLATE = r"""# Completion of echod for fish. @MADE@

# Print the command on the line, and after it every word that stands at a place of its own.
function __echod_words
    set -l tokens (commandline -opc)
    set -l command
    set -l after
    for token in $tokens[2..]
        if set -q after[1]
            set -e after
        else if string match -qr -- '^-.' $token
            contains -- "$command $token" @VALUED@
            and set after yes
        else
            set -q command[1]
            or set command $token
            printf '%s\n' $token
        end
    end
end

# Whether the next word is the one at a place (1, 2, ...) of a command; place 0 is that of the command itself.
function __echod_at -a place command
    set -l words (__echod_words)
    test (count $words) -eq $place
    and test "$command" = "$words[1]"
end

function __echod_command -a command
    set -l words (__echod_words)
    test "$command" = "$words[1]"
end

# Print the names of the services in the file on the line, or in the embedded example.
function __echod_services
    set -l words (__echod_words)
    if set -q words[2]
        awk '@AWK@' (string replace -r '^~/' "$HOME/" -- $words[2]) 2>/dev/null
    else
        printf '%s\n' @EMBEDDED@
    end
end

function __echod_endpoints
    set -l kind (string match -r '^unix(?:gram)?:' -- (commandline -ct))
    if set -q kind[1]
        __fish_complete_path (string replace -- $kind '' (commandline -ct)) | string replace -r '^' -- $kind
    else
        printf '%s\t%s\n' @ENDPOINTS@
    end
end

complete -c echod -f
"""

_ACTIONS = {
    Kind.NOTHING: "",
    Kind.FILE: "",
    Kind.ENDPOINT: "(__echod_endpoints)",
    Kind.HOST: "(__fish_print_hostnames)",
    Kind.SERVICE: "(__echod_services)",
    Kind.FRAMING: " ".join(FRAMING_WORDS),
}


def fish(words: Program) -> str:
    """Return the script `echod.fish`."""
    valued = [
        f"'{command.name} {name}'"
        for command in words.commands
        for option in command.options
        if option.value
        for name in option.names
    ]
    texts = {
        "MADE": MADE,
        "VALUED": " ".join(valued),
        "EMBEDDED": embedded(),
        "AWK": AWK.replace("\\", "\\\\"),
        "ENDPOINTS": " ".join(f"{_quoted(prefix)} {_quoted(what)}" for prefix, what in ENDPOINTS.items()),
    }
    return filled(_TEMPLATE, texts) + "\n".join(_lines(words)) + "\n"


def _lines(words: Program) -> Iterator[str]:
    """Yield a line for each word that can be proposed."""
    for option in words.options:
        yield _line("__echod_at 0 ''", _option(option), option.help)
    for command in words.commands:
        yield _line("__echod_at 0 ''", f"-a {command.name}", command.help)
    for command in words.commands:
        yield ""
        for place, one in enumerate(command.positionals, 1):
            proposed = "-F" if one.value.kind is Kind.FILE else f"-a {_quoted(_ACTIONS[one.value.kind])}"
            if one.value.kind is not Kind.NOTHING:
                yield _line(f"__echod_at {place} {command.name}", proposed)
        for option in command.options:
            yield _line(f"__echod_command {command.name}", _option(option), option.help)


def _option(option: Option) -> str:
    """Return the names of an option, and what its value may be."""
    names = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names]
    return " ".join([*names, *_proposed(option.value)])


def _proposed(value: Value | None) -> Iterator[str]:
    if value is not None:
        yield "-r -F" if value.kind is Kind.FILE else "-x"
        if action := _ACTIONS[value.kind]:
            yield f"-a {_quoted(action)}"


def _line(condition: str, what: str, described: str = "") -> str:
    line = f"complete -c echod -n {_quoted(condition)} {what}"
    return f"{line} -d {_quoted(described)}" if described else line


def _quoted(text: str) -> str:
    """Return text in single quotes."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
