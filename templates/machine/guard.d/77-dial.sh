# --- a connection to an agent, through the guard ------------------------------------------------------------------
# Where sshd forwards nothing (some NAS, whose sshd is its maker's), the controller's connection to an agent is carried
# by this verb's input and output. Only boxes of ours can be reached. Changes nothing: no lease, no lock.

verb_dial() { # ADDRESS PORT MARK: MARK and a line end on standard error, once connected
    to_number "$1" >/dev/null || bad address "$1"
    is_number "$2" 1 65535 || bad port "$2"
    case $3 in '' | *[!A-Za-z0-9-]*) bad mark "$3" ;; esac
    is_ours "$1" || refuse absent "no box of ours has $1"
    if command -v bash >/dev/null 2>&1; then
        exec bash -c "$DIAL_BASH" bash "$1" "$2" "$3"
    elif command -v nc >/dev/null 2>&1; then
        printf '%s\n' "$3" >&2
        exec nc "$1" "$2"
    fi
    fail no-relay "neither bash nor nc is there"
}

is_ours() { # ADDRESS: of the meter or an agent, in each of our networks
    for dial_number in $(numbers); do
        [ "$(address_in "$dial_number" 2)" != "$1" ] || return 0
        [ "$(address_in "$dial_number" 3)" != "$1" ] || return 0
    done
    return 1
}

# bash speaks TCP by itself. Whichever end is closed first ends it: nobody here closes one half of a connection, and a
# server has no more than ten sessions for us.
# shellcheck disable=SC2016 # bash's, not ours
DIAL_BASH='
timeout 10 bash -c "exec 3<>\"/dev/tcp/\$1/\$2\"" bash "$1" "$2" 2>/dev/null || { echo reason=no-answer; exit 5; }
exec 3<>"/dev/tcp/$1/$2" || { echo reason=no-answer; exit 5; }
printf "%s\n" "$3" >&2
exec 4<&0
cat <&3 &
down=$!
{ cat <&4 >&3; kill $down; } >/dev/null 2>&1 &
wait $down
exit 0
'
