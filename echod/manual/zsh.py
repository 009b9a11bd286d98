"""The completion for zsh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from echod.manual.shell import AWK, MADE, embedded, filled
from echod.manual.words import ENDPOINTS, FRAMING_WORDS, Kind, Option, Program, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

_TEMPLATE = r"""#compdef echod
# Completion of echod for zsh. @MADE@

# Propose the names of the services in the file on the line, or in the embedded example.
_echod_services() {
    local -a names
    if [[ -n $line[1] ]]; then
        names=(${(f)"$(awk '@AWK@' "${(Q)line[1]/#\~\//$HOME/}" 2>/dev/null)"})
    else
        names=(@EMBEDDED@)
    fi
    _wanted services expl service compadd -a names
}

_echod_endpoints() {
    local -a kinds=(
@ENDPOINTS@
    )
    if compset -P 'unix(gram|):'; then
        _files
    else
        _describe -t endpoints endpoint kinds -S ''
    fi
}

_echod_framings() {
    local -a whole=(@WHOLE@) begun=(@BEGUN@) expl
    _wanted framings expl framing compadd -a whole
    _wanted framings expl framing compadd -S '' -a begun
}

_echod() {
    local curcontext=$curcontext state state_descr expl
    local -a line
    local -A opt_args
    local -a commands=(
@COMMANDS@
    )

    _arguments -C \
@OPTIONS@
        '1:command:->command' \
        '*::word:->word' && return
    case $state in
        command) _describe -t commands command commands ;;
        word)
            curcontext=${curcontext%:*:*}:echod-$words[1]:
            case $words[1] in
@CASES@
            esac
            ;;
    esac
}

_echod "$@"
"""

_ACTIONS = {
    Kind.NOTHING: " ",
    Kind.FILE: "_files",
    Kind.ENDPOINT: "_echod_endpoints",
    Kind.HOST: "_hosts",
    Kind.SERVICE: "_echod_services",
    Kind.FRAMING: "_echod_framings",
}


def zsh(words: Program) -> str:
    """Return the script `_echod`."""
    texts = {
        "MADE": MADE,
        "EMBEDDED": embedded(),
        "AWK": AWK,
        "ENDPOINTS": "\n".join(f"        {_described(prefix, what)}" for prefix, what in ENDPOINTS.items()),
        "WHOLE": " ".join(word for word in FRAMING_WORDS if not word.endswith(":")),
        "BEGUN": " ".join(word for word in FRAMING_WORDS if word.endswith(":")),
        "COMMANDS": "\n".join(f"        {_described(command.name, command.help)}" for command in words.commands),
        "OPTIONS": "\n".join(f"        {_option(option)} \\" for option in words.options),
        "CASES": "\n".join(_cases(words)),
    }
    return filled(_TEMPLATE, texts)


def _cases(words: Program) -> Iterator[str]:
    """Yield what each command takes."""
    for command in words.commands:
        specs = [_option(option) for option in command.options]
        for place, one in enumerate(command.positionals, 1):
            # What only explains, a space, would keep the options beside it from being completed.
            value = f"{one.value.word}:()" if one.value.kind is Kind.NOTHING else _value(one.value)
            specs.append(_quoted(f"{place}:{'' if one.needed else ':'}{value}"))
        yield f"                {command.name})"
        yield "                    _arguments \\"
        yield " \\\n".join(f"                        {spec}" for spec in specs)
        yield "                    ;;"


def _option(option: Option) -> str:
    """Return what `_arguments` is to know of an option."""
    help_text = option.help.replace("\\", "\\\\").replace("[", r"\[").replace("]", r"\]")
    value = f":{_value(option.value)}" if option.value else ""
    if len(option.names) > 1:
        # Each name excludes the others.
        listed = ",".join(option.names)
        return f"'({' '.join(option.names)})'{{{listed}}}{_quoted(f'[{help_text}]{value}')}"
    (name,) = option.names
    sign = "" if not option.value else "=" if name.startswith("--") else "+"
    return _quoted(f"{'*' if option.repeats else ''}{name}{sign}[{help_text}]{value}")


def _value(value: Value) -> str:
    return f"{value.word}:{_ACTIONS[value.kind]}"


def _described(word: str, what: str) -> str:
    """Return an item for `_describe`, which splits at colons."""
    escaped = word.replace(":", r"\:")
    return _quoted(f"{escaped}:{what}")


def _quoted(text: str) -> str:
    """Return text in single quotes."""
    return "'" + text.replace("'", r"'\''") + "'"
