# --- containers that somebody else made: taken over, and given back -----------------------------------------------
# `adopt` only notes which container an agent is to come from; nothing is stopped. The agent's first trial then stops it
# and copies its state, and whatever takes that trial back starts it again: so there is one of the two at any time, or
# none while one makes room for the other. What the copy was made from is never written to.
# DIR/adopt: container= name= dest= policy= was=

verb_foreign() { # CONTAINER DEST: what a take-over would copy; changes nothing
    is_hex64 "$1" || bad container "$1"
    is_inner_path "$2" || bad path "$2"
    prepared
    need_docker
    see_foreign "$1"
    foreign_kib=$(weigh_foreign "$1" "$2")
    say bytes $((foreign_kib * 1024))
    say free $(($(free_kib_of "$DATA") * 1024))
}

verb_adopt() { # TOKEN NAME CONTAINER DEST
    is_name "$2" || bad name "$2"
    is_hex64 "$3" || bad container "$3"
    is_inner_path "$4" || bad path "$4"
    begin "$1" "$2"
    if [ "$(field "$DIR/adopt" container)" = "$3" ]; then
        say already 1
        return 0
    fi
    [ ! -e "$DIR/trial" ] || refuse on-trial "$(field "$DIR/trial" release)"
    if [ -e "$DIR/adopt" ] || [ -n "$(current)" ]; then refuse agent-there "$2"; fi
    ! adopted_by "$3" || refuse adopted "$adopter"
    need_docker
    see_foreign "$3"
    room_for_adopt "$3" "$4"
    mkdir -p "$DIR"
    put "$DIR/adopt" <<END
container=$3
name=$FOREIGN_NAME
dest=$4
policy=$FOREIGN_POLICY
was=$([ "$FOREIGN_RUNS" = true ] && echo running || echo stopped)
END
    failpoint adopt-noted
    say name "$FOREIGN_NAME"
    say policy "$FOREIGN_POLICY"
}

adopted_by() { # CONTAINER: another agent came from it; adopter is its name
    for adopter in $(agents); do
        [ "$(field "$DATA/agents/$adopter/adopt" container)" != "$1" ] || return 0
    done
    return 1
}

FOREIGN_FORMAT='{{.State.Running}} {{.State.ExitCode}} {{.HostConfig.RestartPolicy.Name}}:{{.HostConfig.RestartPolicy.MaximumRetryCount}} {{len (index .Config.Labels "clawrack.machine")}} {{.Name}}'

see_foreign() { # CONTAINER → FOREIGN_RUNS FOREIGN_CODE FOREIGN_POLICY FOREIGN_NAME
    foreign=$(dk container inspect --format "$FOREIGN_FORMAT" "$1" 2>&1) || case $foreign in
    *[Nn]"o such"*) refuse foreign-absent "$1" ;;
    *) fail docker "$foreign" ;;
    esac
    # shellcheck disable=SC2086 # its words; a container's name holds no space
    set -- $foreign
    [ "$4" = 0 ] || refuse foreign-ours "$5"
    FOREIGN_RUNS=$1
    FOREIGN_CODE=$2
    FOREIGN_POLICY=$(policy_of "$3")
    FOREIGN_NAME=${5#/}
}

policy_of() { # NAME:RETRIES → as `docker update --restart` takes it
    case $1 in
    on-failure:0) printf on-failure ;;
    on-failure:*) printf '%s' "$1" ;;
    always:* | unless-stopped:*) printf '%s' "${1%%:*}" ;;
    *) printf no ;;
    esac
}

# What lies under DEST: in the mount that holds it, or in the container's own layer; and what is mounted below it.
weigh_foreign() { # CONTAINER DEST → KiB
    dk container inspect --format '{{range .Mounts}}{{.Destination}} {{.Source}}{{println}}{{end}}' "$1" | {
        kib=0
        held=
        inside=
        while read -r mount_at mount_from; do
            [ -n "$mount_at" ] || continue
            case $2/ in
            "$mount_at"/*) [ ${#mount_at} -lt ${#held} ] || { held=$mount_at && inside=$mount_from${2#"$mount_at"}; } ;;
            *) case $mount_at in "$2"/*) kib=$((kib + $(kib_of "$mount_from"))) ;; esac ;;
            esac
        done
        if [ -n "$held" ]; then
            kib=$((kib + $(kib_of "$inside")))
        else
            layer=$(dk container inspect --size --format '{{.SizeRw}}' "$1" 2>/dev/null) || layer=0
            ! is_number "$layer" 1 9999999999999 || kib=$((kib + layer / 1024))
        fi
        printf '%s' "$kib"
    }
}

kib_of() { # PATH of somebody else's: on the disk, or as its files say, whichever is more
    path_kib=$(du -sk "$1" 2>/dev/null) || :
    path_kib=${path_kib%%[!0-9]*}
    said_kib=$(apparent_kib "$1")
    [ "${path_kib:-0}" -ge "$said_kib" ] || path_kib=$said_kib
    printf '%s' "${path_kib:-0}"
}

room_for_adopt() { # CONTAINER DEST: for the copy, and 64 MiB
    need_kib=$(($(weigh_foreign "$1" "$2") + 65536))
    free_kib=$(free_kib_of "$DATA")
    [ "$free_kib" -ge "$need_kib" ] || fail disk-full "the copy of its state needs $need_kib KiB, $free_kib are free"
}

# adopt_old RELEASE: of the first trial of an agent that comes from a container; stage=stopping is noted. Its policy goes
# first: a restarted engine may not bring it back.
adopt_old() {
    if [ ! -e "$DIR/adopt" ] || [ -n "$(current)" ]; then return 0; fi
    foreign_id=$(field "$DIR/adopt" container)
    see_foreign "$foreign_id"
    try adopt-policy dk update --restart no "$foreign_id" >/dev/null
    failpoint adopt-policy
    foreign_was=$FOREIGN_RUNS
    [ "$foreign_was" != true ] || DK_LIMIT=960 dk stop -t "$ADOPT_STOP" "$foreign_id" >/dev/null 2>&1 || :
    see_foreign "$foreign_id"
    [ "$FOREIGN_RUNS" = false ] || fail not-stopped "$FOREIGN_NAME still runs"
    failpoint adopt-stopped
    [ "$foreign_was" != true ] || hold_after "$1"
    adopt_state "$foreign_id"
}

ADOPT_STOP=330 # seconds that it may take to finish what it does

hold_after() { # RELEASE: where it had to be killed, its kind may refuse a new container on its state for a while
    if [ "$FOREIGN_CODE" -lt 128 ] || [ "$FOREIGN_CODE" = 130 ] || [ "$FOREIGN_CODE" = 143 ]; then return 0; fi
    lease_s=$(field "$DIR/releases/$1/spec" owner_lease)
    is_number "$lease_s" 1 900 || return 0
    put "$DIR/hold" <<END
boot=$(boot_id)
until=$(($(uptime_s) + lease_s))
seconds=$lease_s
container=$foreign_id
END
}

# The engine reads the path as the container would see it, so that no link in it leads out of it. Links are copied as
# links. What is neither file, folder nor link has no business in a state; nobody becomes somebody else by a file of it.
adopt_state() { # CONTAINER
    room_for_adopt "$1" "$(field "$DIR/adopt" dest)"
    rm -rf "$DIR/adopting" "$DIR/state"
    mkdir "$DIR/adopting"
    try adopt-copy dk_long cp "$1:$(field "$DIR/adopt" dest)/." "$DIR/adopting" >/dev/null
    drop_whiteouts "$DIR/adopting"
    [ -z "$(find "$DIR/adopting" ! -type f ! -type d ! -type l | head -c 1)" ] ||
        fail adopt-odd "its state holds devices or pipes"
    find "$DIR/adopting" -type f -perm /6000 -exec chmod ug-s {} +
    chmod 0700 "$DIR/adopting"
    sync_tree "$DIR/adopting"
    failpoint adopt-copied
    mv "$DIR/adopting" "$DIR/state"
    sync "$DIR"
}

dk_long() { DK_LIMIT=3600 dk "$@"; }

# adopt_back: the first trial of ours is gone, proven; what was there before runs again.
adopt_back() {
    [ -e "$DIR/adopt" ] || return 0
    give_back "$DIR/adopt"
}

give_back() { # FILE
    back_id=$(field "$1" container)
    back_policy=$(field "$1" policy)
    back_name=$(field "$1" name)
    dk container inspect "$back_id" >/dev/null 2>&1 || { need_docker && say gone "$back_name" && return 0; }
    try adopt-back dk update --restart "$back_policy" "$back_id" >/dev/null
    failpoint adopt-given-back
    [ "$(field "$1" was)" != running ] || try adopt-back dk start "$back_id" >/dev/null
    say back "$back_name"
}

verb_unadopt() { # TOKEN NAME: ours goes, its state is kept; what was there before runs again
    is_name "$2" || bad name "$2"
    begin "$1" "$2"
    [ ! -e "$DIR/trial" ] || refuse on-trial "$(field "$DIR/trial" release)"
    if [ -e "$DIR/adopt" ]; then
        need_docker
        see_foreign "$(field "$DIR/adopt" container)"
        mkdir -p "$DATA/giving"
        put "$DATA/giving/$2" <"$DIR/adopt"
        failpoint unadopt-noted
    fi
    [ -e "$DATA/giving/$2" ] || refuse not-adopted "$2"
    if [ -n "$(current)" ]; then
        remove_box keep
    elif [ -d "$DIR" ]; then
        remove_box erase
    fi
    failpoint unadopt-removed
    give_back "$DATA/giving/$2"
    drop "$DATA/giving/$2"
}

look_adopt() { # PREFIX: of the current box; the state of what it came from: running, exited …, or absent
    [ -e "$DIR/adopt" ] || return 0
    say "$1.adopted" "$(field "$DIR/adopt" name)"
    say "$1.adopted.container" "$(field "$DIR/adopt" container)"
    adopt_now=$(DK_LIMIT=10 dk container inspect --format '{{.State.Status}}' "$(field "$DIR/adopt" container)" 2>/dev/null) ||
        adopt_now=absent
    say "$1.adopted.state" "$adopt_now"
}
