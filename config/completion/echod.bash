# Completion of echod for bash. Made by python -m echod.manual: change what it is made from, not this.

# Print the names of the services in a file, or in the embedded example.
_echod_services() {
    if [[ -z $1 ]]; then
        printf '%s\n' hello-tcp hello-udp echo-tcp echo-udp
    else
        awk '/^services:/ { inside = 1; next } /^[^ #]/ { inside = 0 } inside && /^ +[^ #]/ { match($0, /^ +/); if (!depth) depth = RLENGTH; if (RLENGTH == depth && sub(/:.*/, "")) { gsub(/[ \042\047]/, ""); print } }' "${1/#'~/'/$HOME/}" 2>/dev/null
    fi
}

# Set `kind` to what can be proposed for the value of an option, or for a word at its place: echod COMMAND WORD.
_echod_kind() {
    case "$1 $2" in
        'check 1') kind='file' ;;
        'verify 1') kind='file' ;;
        'verify --host') kind='host' ;;
        'verify --service') kind='service' ;;
        'verify --timeout') kind='any' ;;
        'send 1') kind='endpoint' ;;
        'send 2') kind='any' ;;
        'send --framing') kind='framing' ;;
        'send --timeout') kind='any' ;;
        'ping 1') kind='endpoint' ;;
        'ping -c') kind='any' ;;
        'ping -i') kind='any' ;;
        'ping -s') kind='any' ;;
        'ping -W') kind='any' ;;
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
        commands) mapfile -t COMPREPLY < <(compgen -W 'check verify send ping schema' -- "$current") ;;
        options)
            case $command in
                '') words=(-h --help --version) ;;
                check) words=(-h --help) ;;
                verify) words=(-h --help --host --service --json --timeout) ;;
                send) words=(-h --help --hex --framing --timeout) ;;
                ping) words=(-h --help -c -i -s -W --json) ;;
                schema) words=(-h --help) ;;
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
            mapfile -t COMPREPLY < <(compgen -W 'stream line netstring int8 int16 int32 delimiter: fixed:' -- "$current")
            [[ ${COMPREPLY[0]-} == *: ]] && compopt -o nospace 2>/dev/null
            ;;
        endpoint)
            compopt -o nospace 2>/dev/null
            case $current in
                unix:* | unixgram:*)
                    compopt -o filenames 2>/dev/null
                    mapfile -t COMPREPLY < <(compgen -f -P "${current%%:*}:" -- "${current#*:}")
                    ;;
                *) mapfile -t COMPREPLY < <(compgen -W 'tcp:127.0.0.1: udp:127.0.0.1: tcp6: udp6: tls: unix: unixgram:' -- "$current") ;;
            esac
            ;;
    esac
    if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${current%"${current##*:}"}"}")
    fi
    COMPREPLY=("${COMPREPLY[@]/#/$given}")
}

complete -F _echod echod
