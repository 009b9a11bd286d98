# Completion of echod for fish. Made by python -m echod.manual: change what it is made from, not this.

# Print the command on the line, and after it every word that stands at a place of its own.
function __echod_words
    set -l tokens (commandline -opc)
    set -l command
    set -l after
    for token in $tokens[2..]
        if set -q after[1]
            set -e after
        else if string match -qr -- '^-.' $token
            contains -- "$command $token" 'verify --host' 'verify --service' 'verify --timeout' 'send --framing' 'send --timeout' 'ping -c' 'ping -i' 'ping -s' 'ping -W'
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
        awk '/^services:/ { inside = 1; next } /^[^ #]/ { inside = 0 } inside && /^ +[^ #]/ { match($0, /^ +/); if (!depth) depth = RLENGTH; if (RLENGTH == depth && sub(/:.*/, "")) { gsub(/[ \\042\\047]/, ""); print } }' (string replace -r '^~/' "$HOME/" -- $words[2]) 2>/dev/null
    else
        printf '%s\n' hello-tcp hello-udp echo-tcp echo-udp
    end
end

function __echod_endpoints
    set -l kind (string match -r '^unix(?:gram)?:' -- (commandline -ct))
    if set -q kind[1]
        __fish_complete_path (string replace -- $kind '' (commandline -ct)) | string replace -r '^' -- $kind
    else
        printf '%s\t%s\n' 'tcp:127.0.0.1:' 'TCP' 'udp:127.0.0.1:' 'UDP' 'tcp6:' 'TCP over IPv6' 'udp6:' 'UDP over IPv6' 'tls:' 'TLS' 'unix:' 'a Unix stream socket' 'unixgram:' 'a Unix datagram socket'
    end
end

complete -c echod -f
complete -c echod -n '__echod_at 0 \'\'' -s h -l help -d 'show this help message and exit'
complete -c echod -n '__echod_at 0 \'\'' -l version -d 'show program\'s version number and exit'
complete -c echod -n '__echod_at 0 \'\'' -a check -d 'read and validate a file, and say what would listen where'
complete -c echod -n '__echod_at 0 \'\'' -a verify -d 'check that every service answers as the file says'
complete -c echod -n '__echod_at 0 \'\'' -a send -d 'send one message and write the answer to standard output'
complete -c echod -n '__echod_at 0 \'\'' -a ping -d 'send numbered messages at an interval and compare every answer'
complete -c echod -n '__echod_at 0 \'\'' -a schema -d 'print the JSON Schema of the configuration file'

complete -c echod -n '__echod_at 1 check' -F
complete -c echod -n '__echod_command check' -s h -l help -d 'show this help message and exit'

complete -c echod -n '__echod_at 1 verify' -F
complete -c echod -n '__echod_command verify' -s h -l help -d 'show this help message and exit'
complete -c echod -n '__echod_command verify' -l host -x -a '(__fish_print_hostnames)' -d 'name or IP address, in the place of every IP address of the file'
complete -c echod -n '__echod_command verify' -l service -x -a '(__echod_services)' -d 'only this one; can be repeated'
complete -c echod -n '__echod_command verify' -l json -d 'print one JSON document instead'
complete -c echod -n '__echod_command verify' -l timeout -x -d 'seconds, or as 500ms: to connect, and for each answer (default: 5)'

complete -c echod -n '__echod_at 1 send' -a '(__echod_endpoints)'
complete -c echod -n '__echod_command send' -s h -l help -d 'show this help message and exit'
complete -c echod -n '__echod_command send' -l hex -d 'MESSAGE is hex digits, and so is the answer'
complete -c echod -n '__echod_command send' -l framing -x -a 'stream line netstring int8 int16 int32 delimiter: fixed:' -d 'stream, line, netstring, int8, int16, int32, delimiter:TEXT (as in \'delimiter:\\r\\n\') or fixed:N'
complete -c echod -n '__echod_command send' -l timeout -x -d 'seconds, or as 500ms: to connect, and for the answer (default: 5)'

complete -c echod -n '__echod_at 1 ping' -a '(__echod_endpoints)'
complete -c echod -n '__echod_command ping' -s h -l help -d 'show this help message and exit'
complete -c echod -n '__echod_command ping' -s c -x -d 'how many messages (default: until Ctrl-C)'
complete -c echod -n '__echod_command ping' -s i -x -d 'seconds, or as 500ms: from one message to the next (default: 1)'
complete -c echod -n '__echod_command ping' -s s -x -d 'of each message (default: 56; at most 65507 over UDP; below 4 there is no room for the number)'
complete -c echod -n '__echod_command ping' -s W -x -d 'seconds, or as 500ms: to connect, and to wait for each answer (default: 1)'
complete -c echod -n '__echod_command ping' -l json -d 'print one JSON document at the end instead'

complete -c echod -n '__echod_command schema' -s h -l help -d 'show this help message and exit'
