# --- a shell in an agent's cage -----------------------------------------------------------------------------------
# Nothing is changed by it, so it takes no lease and no lock. What it starts is as caged as the agent: the container's
# own user, no capabilities, no new privileges, the same limits and the same network.

verb_shell() { # NAME MARK [COMMAND…]: MARK is printed on stderr when what follows is the command's own
    is_name "$1" || bad name "$1"
    case $2 in '' | *[!a-z0-9-]*) bad mark "$2" ;; esac
    prepared
    enter "$1"
    shell_mark=$2
    shift 2
    [ -d "$DIR" ] || refuse no-agent "$BOX"
    need_docker
    see_container "$CONT"
    case $STATE in true*) ;; *) refuse not-running "$BOX" ;; esac
    shell_user=$(shell_user_of)
    if [ $# = 0 ]; then
        shell_there || refuse no-shell "$BOX"
        set -- /bin/sh -c 'command -v bash >/dev/null 2>&1 && exec bash; exec /bin/sh'
    fi
    shell_run "$@"
}

shell_user_of() { # the container's user, never root
    shell_as=$(dk container inspect --format '{{.Config.User}}' "$CONT" 2>/dev/null) || fail docker "$CONT"
    is_number "${shell_as%%:*}" 1 2147483647 || refuse no-user "$shell_as"
    printf '%s' "$shell_as"
}

shell_there() {
    shell_code=0
    shell_said=$(dk exec --user "$shell_user" "$CONT" /bin/sh -c : 2>&1 </dev/null) || shell_code=$?
    case $shell_code in
    0) return 0 ;;
    126 | 127) return 1 ;;
    *) fail docker "$shell_said" ;;
    esac
}

# Docker does not end what it started in a container when its client goes: when the wire is cut, we do.
shell_run() { # COMMAND…
    set -- --user "$shell_user" --env "CLAWRACK_SHELL=$shell_mark" "$CONT" "$@"
    if [ -t 0 ] && [ -t 1 ]; then set -- --tty --env "TERM=$(shell_term)" "$@"; fi
    shell_client=
    trap shell_gone HUP INT TERM
    printf '%s\n' "$shell_mark" >&2
    exec 3<&0
    "$DOCKER" exec --interactive "$@" <&3 3<&- &
    shell_client=$!
    shell_code=0
    wait "$shell_client" || shell_code=$?
    trap - EXIT # the code is the command's, whatever it is
    exit $shell_code
}

shell_term() {
    case ${TERM:-} in '' | *[!A-Za-z0-9._+-]*) printf xterm ;; *) printf '%.40s' "$TERM" ;; esac
}

shell_gone() {
    trap '' HUP INT TERM
    trap - EXIT
    kill "$shell_client" 2>/dev/null || :
    shell_sweep
    sleep 1 # one that was only just being started
    shell_sweep
    exit 143
}

shell_sweep() { # to everything of this session the signal that a closed terminal sends
    # shellcheck disable=SC2012 # names of processes are numbers; what is wanted is whose they are
    ls -nd /proc/[0-9]* 2>/dev/null | while read -r _ _ shell_owner _ _ _ _ _ shell_proc; do
        [ "$shell_owner" = "${shell_user%%:*}" ] || continue
        case $(tr '\0' ' ' 2>/dev/null <"$shell_proc/environ") in
        *"CLAWRACK_SHELL=$shell_mark"*) kill -HUP "${shell_proc#/proc/}" 2>/dev/null || : ;;
        esac
    done
}
