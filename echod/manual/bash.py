"""The completion for bash."""

from __future__ import annotations

from typing import TYPE_CHECKING

from echod.manual.shell import AWK, MADE, embedded, filled
from echod.manual.words import ENDPOINTS, FRAMING_WORDS, Kind, Option, Program, Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Readline cuts words at colons and equals signs, so `tcp:127.0.0.1:` would be several: the word is taken from the line,
# and what readline has already is cut from the proposals.
_TEMPLATE = r"""# Completion of echod for bash. @MADE@

# Print the names of the services in a file, or in the embedded example.
_echod_services() {
    if [[ -z $1 ]]; then
        printf '%s\n' @EMBEDDED@
    else
        awk '@AWK@' "${1/#'~/'/$HOME/}" 2>/dev/null
    fi
}

# Set `kind` to what can be proposed for the value of an option, or for a word at its place: echod COMMAND WORD.
_echod_kind() {
    case "$1 $2" in
@KINDS@
        *) kind='' ;;
    esac
}

_echod() {
    local IFS=$' \t\n'
    local line=${COMP_LINE:0:COMP_POINT} command='' file='' option='' kind='' given='' word current
    local -i place=0
    local -a words
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=('')
    current=${words[-1]}
    unset 'words[-1]' 'words[0]'
    COMPREPLY=()

    for word in "${words[@]}"; do
        if [[ $option ]]; then
            option=''
        elif [[ $word == -?* ]]; then
            _echod_kind "$command" "$word"
            [[ $kind ]] && option=$word
        elif [[ -z $command ]]; then
            command=$word
        else
            place+=1
            file=${file:-$word}
        fi
    done

    if [[ $option ]]; then
        _echod_kind "$command" "$option"
    elif [[ $current == --*=* ]]; then
        _echod_kind "$command" "${current%%=*}"
        [[ $COMP_WORDBREAKS == *=* ]] || given=${current%%=*}=
        current=${current#*=}
    elif [[ $current == -* ]]; then
        kind=options
    elif [[ -z $command ]]; then
        kind=commands
    else
        _echod_kind "$command" "$((place + 1))"
    fi

    case $kind in
        commands) mapfile -t COMPREPLY < <(compgen -W '@COMMANDS@' -- "$current") ;;
        options)
            case $command in
@OPTIONS@
                *) words=() ;;
            esac
            mapfile -t COMPREPLY < <(compgen -W "${words[*]}" -- "$current")
            ;;
        file)
            # Readline itself knows best how to complete and quote the name of a file.
            compopt -o default 2>/dev/null
            ;;
        host) mapfile -t COMPREPLY < <(compgen -A hostname -- "$current") ;;
        service) mapfile -t COMPREPLY < <(compgen -W "$(_echod_services "$file")" -- "$current") ;;
        framing)
            mapfile -t COMPREPLY < <(compgen -W '@FRAMINGS@' -- "$current")
            [[ ${COMPREPLY[0]-} == *: ]] && compopt -o nospace 2>/dev/null
            ;;
        endpoint)
            compopt -o nospace 2>/dev/null
            case $current in
                unix:* | unixgram:*)
                    compopt -o filenames 2>/dev/null
                    mapfile -t COMPREPLY < <(compgen -f -P "${current%%:*}:" -- "${current#*:}")
                    ;;
                *) mapfile -t COMPREPLY < <(compgen -W '@ENDPOINTS@' -- "$current") ;;
            esac
            ;;
    esac
    if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${current%"${current##*:}"}"}")
    fi
    COMPREPLY=("${COMPREPLY[@]/#/$given}")
}

complete -F _echod echod
"""


def bash(words: Program) -> str:
    """Return the script `echod.bash`."""
    options = [_words(command.name, command.options) for command in words.commands]
    texts = {
        "MADE": MADE,
        "EMBEDDED": embedded(),
        "AWK": AWK,
        "KINDS": "\n".join(_kinds(words)),
        "OPTIONS": "\n".join([_words("''", words.options), *options]),
        "COMMANDS": " ".join(command.name for command in words.commands),
        "FRAMINGS": " ".join(FRAMING_WORDS),
        "ENDPOINTS": " ".join(ENDPOINTS),
    }
    return filled(_TEMPLATE, texts)


def _words(command: str, options: Iterable[Option]) -> str:
    """Return the case of one command's options."""
    names = " ".join(name for option in options for name in option.names)
    return f"                {command}) words=({names}) ;;"


def _kinds(words: Program) -> Iterator[str]:
    """Yield the cases of `_echod_kind`: an option by its names, a positional word by its place."""
    for command in words.commands:
        for place, positional in enumerate(command.positionals, 1):
            yield _case([f"{command.name} {place}"], positional.value)
        for option in command.options:
            if option.value:
                yield _case([f"{command.name} {name}" for name in option.names], option.value)


def _case(patterns: list[str], value: Value) -> str:
    # What has a value, but none to propose, must still be told from what has none.
    kind = "any" if value.kind is Kind.NOTHING else value.kind.value
    return f"        {' | '.join(repr(one) for one in patterns)}) kind='{kind}' ;;"
