# --- the meter ----------------------------------------------------------------------------------------------------
# Its folder: releases/ID/{spec,routes.json}, current, conf/{routes.json,agents/NAME.json,routes/NAME.route} (mounted
# read-only), ledger/ (its own). There is one container of it at a time: the old one is proven stopped before the new starts.
# `replacing` has the release to be and the one before: until the first is ready, the second can come back.

verb_meter() { # TOKEN RELEASE SHA256
    is_release "$2" || bad release "$2"
    begin "$1" meter
    mkdir -p "$DIR/releases" "$DIR/secrets" "$DIR/conf/agents" "$DIR/conf/routes" "$DIR/ledger"
    echo 0 | put "$DIR/subnet"
    stage_release "$2" "$3" spec+routes.json
    need_docker
    old=$(current)
    if [ -n "$old" ] && same_spec "$old" "$2" && is_running && runs_as_box_user; then
        [ "$old" != "$2" ] || say already 1
        new_routes "$2"
        echo "$2" | put "$DIR/current"
    else
        knows_ledger "$2"
        meter_prepare "$2"
        new=$2
        UNDO=meter_back
        meter_swap "$2" "$old"
        UNDO=
    fi
    meter_prune
    see_container "$CONT"
    say container "${STATE##* }"
    say address "$(box_address)"
}

# The ledger is brought forward by a newer meter, and never back: calls would be charged twice, or not at all.
knows_ledger() { # RELEASE
    [ -n "$old" ] || return 0
    [ "$(ledger_of "$1")" -ge "$(ledger_of "$old")" ] ||
        refuse meter-older "it knows format $(ledger_of "$1") of the ledger, which is in format $(ledger_of "$old")"
}

ledger_of() { # RELEASE: the format in which its meter keeps the ledger
    ledger_format=$(field "$DIR/releases/$1/spec" ledger)
    printf '%s' "${ledger_format:-1}"
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
    mkdir -p "$DIR/ledger" "$DIR/conf/routes"
    chmod 0700 "$DIR/ledger"
    share "$DIR/conf" "$DIR/conf/agents" "$DIR/conf/routes"
    for file in "$DIR"/conf/agents/*.json "$DIR"/conf/routes/*.route; do
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

meter_swap() { # RELEASE BEFORE
    printf '%s\n%s\n' "$1" "$2" | put "$DIR/replacing"
    failpoint meter-noted
    halt_box # it takes no new calls, and ends those under way within its time; nobody answers until the new one does
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
    settled "$1"
    failpoint meter-settled
    drop "$DIR/replacing"
}

# The words `ready=` of its spec, in its container, say that this very meter serves. One without them is only seen not to
# end: what cannot start mostly ends within its first seconds.
settled() { # RELEASE
    set -- "$DIR/releases/$1/spec"
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in ready=*) set -- "$@" "${line#*=}" ;; esac
    done <"$1"
    shift
    if [ $# = 0 ]; then seems_settled; else proves_settled "$@"; fi
}

seems_settled() {
    for _ in 1 2 3; do
        sleep 1
        is_running || fail meter-ended "$(dk logs --tail 3 "$CONT" 2>&1)"
    done
}

proves_settled() { # COMMAND…; a container that ended takes none until it was started again
    settled_until=$(($(uptime_s) + SETTLE_MOST))
    until settled_said=$(DK_LIMIT=$SETTLE_MOST dk exec "$CONT" "$@" 2>&1); do
        [ ! -e "$DIR/reason" ] || fail meter-ended "$(field "$DIR/reason" detail): $(dk logs --tail 3 "$CONT" 2>&1)"
        case $settled_said in
        '' | *"not running"* | *restarting* | *[Nn]"o such"*) ;;
        *) fail meter-not-ready "$settled_said" ;;
        esac
        [ "$(uptime_s)" -lt $settled_until ] || fail meter-not-ready "$(dk logs --tail 3 "$CONT" 2>&1)"
        sleep 1
    done
}

SETTLE_MOST=30 # seconds

meter_back() { # the new one is not ready: the one before
    UNDO=
    enter meter
    (keep_failure "$new" "$(failure_facts)") || :
    meter_before_usable || {
        drop "$DIR/replacing" # the new one is tried again and again by its supervisor
        return 0
    }
    echo "$old" | put "$DIR/replacing"
    failpoint back-noted
    halt_box
    remove_container "$CONT"
    meter_prepare "$old"
    meter_swap "$old" ''
    say reverted "$new"
}

meter_before_usable() { # there was one, and it still knows the ledger
    [ -n "$old" ] && [ -d "$DIR/releases/$old" ] && [ "$(ledger_of "$old")" -ge "$(ledger_of "$new")" ]
}

# Forward where the new one gets ready, else back.
recover_meter() {
    { read -r new && read -r old; } <"$DIR/replacing" || :
    old=${old:-}
    need_docker
    set +e
    swap_said=$(
        set -e
        meter_forward
    )
    swap_code=$?
    set -e
    [ $swap_code != 0 ] || return 0
    if [ -n "$old" ]; then
        meter_back
        return 0
    fi
    [ "$(current)" != "$new" ] || drop "$DIR/replacing" # said once; its supervisor goes on trying
    printf '%s\n' "$swap_said"
    exit 5
}

meter_forward() { # where its container is there already, only what remains
    if [ "$(current)" = "$new" ] && [ "$(label_of release)" = "$new" ]; then
        enable_box
        is_running || supervisor_start
        settled "$new"
        drop "$DIR/replacing"
    else
        meter_prepare "$new"
        meter_swap "$new" "$old"
    fi
}

label_of() { # WORD: of the current box's container
    dk container inspect --format "{{index .Config.Labels \"clawrack.$1\"}}" "$CONT" 2>/dev/null || :
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
    mkdir -p "$DATA/meter/conf/agents"
    put_shared "$DATA/meter/conf/agents/$BOX.json" <<END
{"key_sha256": "$key_hash", "subnet": "$(subnet_of "$(first_line "$DIR/subnet")")", "route": "$(route_of "$1")"}
END
}

meter_key_revoke() { drop "$DATA/meter/conf/agents/$BOX.json"; }

# --- routes to providers: the real key stands here and nowhere else -----------------------------------------------
# conf/routes/NAME.route has three lines: JSON that anybody may see, the key, more JSON. One file, so that a rename
# changes them together: no key is ever sent to another one's address. Which way an agent's calls go is kept beside
# the agent and is no part of its release: neither a key nor a provider needs a restart of anything.

ROUTE_LIMIT=65536 # bytes

route_of() { # RELEASE of the current box
    chosen=$(first_line "$DIR/route")
    [ -n "$chosen" ] || chosen=$(field "$DIR/releases/$1/spec" route)
    printf '%s' "${chosen:-practice}"
}

is_route() { is_name "$1" && [ "$1" != practice ]; }

route_whole() { # FILE
    [ "$(tr -dc '\n' <"$1" | wc -c)" = 3 ] && [ "$(tr -d '\n\040-\176' <"$1" | wc -c)" = 0 ] || return 1
    { IFS= read -r route_shown && IFS= read -r route_key && IFS= read -r route_more; } <"$1" || return 1
    case $route_key in '' | *' '*) return 1 ;; esac
    case $route_shown$route_more in '{'*'}{'*'}') ;; *) return 1 ;; esac
    [ ${#route_shown} -le 900 ] # as much as `routes` tells
}

verb_route() { # TOKEN NAME BYTES
    is_route "$2" || bad route "$2"
    is_number "$3" 1 $ROUTE_LIMIT || bad bytes "$3"
    begin "$1" meter
    mkdir -p "$DIR/conf/routes"
    [ -z "$(current)" ] || share "$DIR/conf" "$DIR/conf/routes"
    mkdir -p "$RUN"
    TIDY=$RUN/.route # in memory: a guard that is killed leaves no key on the disk
    head -c $((ROUTE_LIMIT + 1)) >"$TIDY" || fail disk "no room"
    [ "$(wc -c <"$TIDY")" = "$3" ] || bad secret-cut "not $3 bytes"
    route_whole "$TIDY" || bad route-lines "not three lines as they must be"
    if [ -e "$DIR/conf/routes/$2.route" ] && [ "$(sha256_of "$TIDY")" = "$(sha256_of "$DIR/conf/routes/$2.route")" ]; then
        say already 1
        return 0
    fi
    put_shared "$DIR/conf/routes/$2.route" <"$TIDY"
}

verb_unroute() { # TOKEN NAME
    is_route "$2" || bad route "$2"
    begin "$1"
    for name in $(agents); do
        enter "$name"
        [ "$(route_of "$(current)")" != "$2" ] || refuse route-used "$name"
    done
    enter meter
    [ -e "$DIR/conf/routes/$2.route" ] || say already 1
    drop "$DIR/conf/routes/$2.route.new" # of a guard that was killed
    drop "$DIR/conf/routes/$2.route"
}

verb_assign() { # TOKEN AGENT ROUTE
    is_name "$3" || bad route "$3"
    begin_settled "$1" "$2"
    [ "$3" = practice ] || [ -e "$DATA/meter/conf/routes/$3.route" ] || refuse route-absent "$3"
    if [ "$(route_of "$(current)")" = "$3" ]; then
        say already 1
        return 0
    fi
    echo "$3" | put "$DIR/route"
    meter_key "$(current)"
}

verb_routes() { # what may be shown: no line here holds a key
    prepared
    enter meter
    for route_file in "$DIR"/conf/routes/*.route; do
        [ -e "$route_file" ] || continue
        route_name=${route_file##*/}
        printf 'route.%s=%s\n' "${route_name%.route}" "$(first_line "$route_file")"
    done
    for name in $(agents); do
        enter "$name"
        say "agent.$name" "$(route_of "$(current)")"
    done
}

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
