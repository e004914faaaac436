# --- the meter ----------------------------------------------------------------------------------------------------
# Its folder: releases/ID/{spec,routes.json}, current, conf/{routes.json,agents/NAME.json} (mounted read-only),
# ledger/ (its own). There is one container of it at a time: the old one is proven stopped before the new starts.

verb_meter() { # TOKEN RELEASE SHA256
    is_release "$2" || bad release "$2"
    begin "$1" meter
    mkdir -p "$DIR/releases" "$DIR/secrets" "$DIR/conf/agents" "$DIR/ledger"
    echo 0 | put "$DIR/subnet"
    stage_release "$2" "$3" spec+routes.json
    need_docker
    old=$(current)
    if [ -n "$old" ] && same_spec "$old" "$2" && is_running && runs_as_box_user; then
        [ "$old" != "$2" ] || say already 1
        new_routes "$2"
        echo "$2" | put "$DIR/current"
    else
        meter_prepare "$2"
        UNDO=meter_back
        meter_swap "$2"
        UNDO=
    fi
    meter_prune
    see_container "$CONT"
    say container "${STATE##* }"
    say address "$(box_address)"
}

same_spec() { # RELEASE RELEASE: the same but for their names
    [ "$(spec_but_name "$1")" = "$(spec_but_name "$2")" ]
}

spec_but_name() {
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in release=*) ;; *) printf '%s\n' "$line" ;; esac
    done <"$DIR/releases/$1/spec"
}

runs_as_box_user() { # an older guard ran it as another
    [ "$(dk container inspect --format '{{.Config.User}}' "$CONT")" = "$(box_user)" ]
}

meter_prepare() { # RELEASE: what can fail while the old one still works
    ensure_network
    try firewall firewall_assert
    load_spec "$DIR/releases/$1/spec"
    mkdir -p "$DIR/ledger"
    chmod 0700 "$DIR/ledger"
    chmod 0711 "$DIR/conf" "$DIR/conf/agents"
    share "$DIR/conf" "$DIR/conf/agents"
    for file in "$DIR"/conf/agents/*.json; do
        [ ! -e "$file" ] || share "$file"
    done
    remove_container "$CONT.next"
    create "$CONT.next" "$1"
    for name in $(agents); do
        enter "$name"
        [ ! -s "$DIR/subnet" ] || ! dk network inspect "$NET" >/dev/null 2>&1 || connect_meter clawrack-meter.next
    done
    enter meter
}

share() { # FILES that the meter reads and only root writes
    chgrp "$UID_METER" "$@"
    for shared in "$@"; do
        if [ -d "$shared" ]; then chmod 0750 "$shared"; else chmod 0640 "$shared"; fi
    done
}

put_shared() { # FILE: as put, and the meter may read it
    cat >"$1.new"
    [ ! -s "$DATA/meter/current" ] || share "$1.new"
    sync "$1.new"
    mv -f "$1.new" "$1"
    sync "${1%/*}"
}

new_routes() { # RELEASE; the meter looks at the file again by itself
    put_shared "$DIR/conf/routes.json" <"$DIR/releases/$1/routes.json"
}

meter_swap() { # RELEASE
    echo "$1" | put "$DIR/replacing"
    failpoint meter-noted
    halt_box
    failpoint meter-stopped
    remove_container "$CONT"
    try rename dk rename "$CONT.next" "$CONT"
    failpoint meter-renamed
    echo "$1" | put "$DIR/current"
    new_routes "$1"
    failpoint meter-current
    enable_box
    supervisor_start
    failpoint meter-started
    settled
    drop "$DIR/replacing"
}

settled() { # what cannot start mostly ends within its first seconds
    for _ in 1 2 3; do
        sleep 1
        is_running || fail meter-ended "$(dk logs --tail 3 "$CONT" 2>&1)"
    done
}

meter_back() { # the new one would not start: the one before, where there was one
    UNDO=
    [ -n "$old" ] && [ -d "$DIR/releases/$old" ] || return 0
    enter meter
    halt_box
    remove_container "$CONT"
    meter_prepare "$old"
    meter_swap "$old"
    say reverted 1
}

recover_meter() {
    replacing=$(first_line "$DIR/replacing")
    need_docker
    meter_prepare "$replacing"
    meter_swap "$replacing"
}

meter_prune() {
    keep_new=$(current)
    for release_dir in "$DIR"/releases/*; do
        case ${release_dir##*/} in "$keep_new" | "${old:-}") ;; *) rm -rf "$release_dir" ;; esac
    done
    drop_images
}

# --- an agent's key: its hash, and the only network it counts from ------------------------------------------------

meter_key() { # RELEASE of the current box
    key_hash=$(field "$DIR/releases/$1/spec" meter_key_sha256)
    if [ -z "$key_hash" ]; then
        meter_key_revoke
        return 0
    fi
    route=$(field "$DIR/releases/$1/spec" route)
    mkdir -p "$DATA/meter/conf/agents"
    put_shared "$DATA/meter/conf/agents/$BOX.json" <<END
{"key_sha256": "$key_hash", "subnet": "$(subnet_of "$(first_line "$DIR/subnet")")", "route": "${route:-practice}"}
END
}

meter_key_revoke() { drop "$DATA/meter/conf/agents/$BOX.json"; }

verb_usage() {
    prepared
    enter meter
    [ -n "$(current)" ] || refuse no-meter "there is no meter"
    is_running || fail meter-down "the meter does not run"
    set -- exec "$CONT"
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in report=*) set -- "$@" "${line#*=}" ;; esac
    done <"$DIR/releases/$(current)/spec"
    [ $# -gt 2 ] || fail no-report "the meter's spec names no report"
    try usage dk "$@"
}
