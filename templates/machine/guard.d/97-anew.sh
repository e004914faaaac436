# --- a copy becomes a machine of its own ---------------------------------------------------------------------------
# A disk that was copied took our id, the agents and mostly sshd's host keys along. Once a person has said that this
# is the copy, its agents are stopped, proven stopped and taken off; their state stays in DATA/kept. Then it gets an id
# of its own. A guard that was killed half way can be told again.

verb_anew() { # TOKEN keys|no-keys: with `keys`, sshd gets host keys of its own too
    case $2 in keys | no-keys) ;; *) bad words "anew TOKEN keys|no-keys" ;; esac
    begin "$1"
    need_docker
    anew_left=
    for name in $(agents); do
        enter "$name"
        rm -f "$DIR/trial"
        remove_box keep >/dev/null
        anew_left="$anew_left $name"
    done
    failpoint anew-agents
    uninstall_meter keep
    uninstall_strays
    mkdir -p "$DATA/meter" "$DATA/agents"
    printf '%s\n' "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" | put "$DATA/id"
    failpoint anew-id
    [ "$2" = no-keys ] || anew_keys
    say removed "${anew_left# }"
    say id "$(first_line "$DATA/id")"
}

anew_keys() { # each kind that is there; sshd shows the old ones until it has read the new ones
    command -v ssh-keygen >/dev/null 2>&1 || fail anew-keys "ssh-keygen is missing"
    for old in /etc/ssh/ssh_host_*_key; do
        kind=${old#/etc/ssh/ssh_host_}
        kind=${kind%_key}
        case $kind in rsa | ecdsa | ed25519) ;; *) continue ;; esac
        rm -f "$old.new" "$old.new.pub"
        try anew-keys ssh-keygen -q -t "$kind" -N '' -C '' -f "$old.new"
        sync "$old.new"
        mv -f "$old.new.pub" "$old.pub"
        mv -f "$old.new" "$old"
    done
    sync /etc/ssh
    try anew-keys sshd_reload
}
