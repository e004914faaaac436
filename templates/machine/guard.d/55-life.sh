# --- start, stop, restart -----------------------------------------------------------------------------------------

verb_start() { # TOKEN NAME
    begin_settled "$1" "$2"
    need_docker
    if [ ! -e "$DIR/stopped" ] && [ ! -e "$DIR/reason" ] && is_running; then
        say already 1
        return 0
    fi
    drop "$DIR/stopped"
    start_box
}

verb_stop() { # TOKEN NAME
    begin_settled "$1" "$2"
    [ "$(first_line "$DIR/stopped")" != proven ] || {
        say already 1
        return 0
    }
    echo unproven | put "$DIR/stopped" # first: a power cut from here on must not bring it back
    failpoint stop-noted
    stop_box
}

stop_box() {
    halt_box
    note_unclean
    echo proven | put "$DIR/stopped"
}

verb_restart() { # TOKEN NAME
    begin_settled "$1" "$2"
    halt_box
    drop "$DIR/stopped"
    start_box
}

begin_settled() { # TOKEN NAME: an agent that is there and not on trial
    is_name "$2" || bad name "$2"
    begin "$1" "$2"
    [ ! -e "$DIR/trial" ] || refuse on-trial "$(field "$DIR/trial" release)"
    [ -n "$(current)" ] || refuse no-agent "$2"
}

start_box() { # the container is made again where it was lost
    see_container "$CONT"
    if [ "$STATE" = absent ]; then
        ensure_network
        try firewall firewall_assert
        join_meter
        create "$CONT" "$(current)"
    fi
    supervisor_start
}

# --- remove -------------------------------------------------------------------------------------------------------

verb_remove() { # TOKEN NAME keep|erase
    is_name "$2" || bad name "$2"
    is_fate "$3" || bad fate "$3"
    begin "$1" "$2"
    if [ ! -d "$DIR" ]; then
        say already 1
        return 0
    fi
    need_docker
    remove_box "$3"
}

is_fate() { [ "$1" = keep ] || [ "$1" = erase ]; }

# remove_box keep|erase: the mark first; recover finishes what was begun.
remove_box() {
    [ -e "$DIR/removing" ] || echo "$1" | put "$DIR/removing"
    failpoint remove-noted
    meter_key_revoke
    failpoint remove-key
    halt_box
    disable_box
    failpoint remove-stopped
    remove_container "$CONT"
    remove_container "$CONT.next"
    failpoint remove-container
    drop_network
    failpoint remove-network
    [ "$1" = erase ] || keep_state
    failpoint remove-kept
    with_room mkdir -p "$DATA/gone" || fail disk "no room"
    rm -rf "$DATA/gone/$BOX"
    with_room mv "$DIR" "$DATA/gone/$BOX" # from here on there is no such agent
    sync "$DATA/gone" "${DIR%/*}"
    failpoint remove-gone
    clean_gone
    rm -rf "${RUN:?}/$BOX" "$RUN/$BOX".*
    try firewall firewall_assert
    drop_images
}

keep_state() { # to DATA/kept/NAME, beside what may be there of an earlier one
    [ -d "$DIR/state" ] || return 0
    kept=$DATA/kept/$BOX
    nth=1
    while [ -e "$kept" ]; do
        nth=$((nth + 1))
        kept=$DATA/kept/$BOX.$nth
    done
    with_room mkdir -p "$DATA/kept" || fail disk "no room"
    with_room mv "$DIR/state" "$kept"
    sync "$DATA/kept" "$DIR"
    say kept "$kept"
}

clean_gone() { rm -rf "$DATA/gone"; }

# --- images that were brought by us -------------------------------------------------------------------------------

verb_image() { # TOKEN ID
    case $2 in sha256:*) is_hex64 "${2#sha256:}" || bad image "$2" ;; *) bad image "$2" ;; esac
    begin "$1"
    mkdir -p "$DATA/images"
    [ -e "$DATA/images/${2#sha256:}" ] || echo new | put "$DATA/images/${2#sha256:}"
}

# drop_images [all]: those that no release names any more; one that somebody else uses stays with them. A new one
# has not had its release yet: it waits for it, and goes only with all the rest.
# shellcheck disable=SC2120 # uninstall, in another part, says `all`
drop_images() {
    for image in "$DATA"/images/*; do
        [ -f "$image" ] || continue
        if image_used "${image##*/}"; then
            [ "$(first_line "$image")" = used ] || echo used | put "$image"
        elif [ "${1:-}" = all ] || [ "$(first_line "$image")" != new ]; then
            dk rmi "sha256:${image##*/}" >/dev/null 2>&1 || :
            rm -f "$image"
        fi
    done
}

image_used() {
    for spec in "$DATA"/agents/*/releases/*/spec "$DATA"/meter/releases/*/spec; do
        [ "$(field "$spec" image)" != "sha256:$1" ] || return 0
    done
    return 1
}

# --- after a guard was killed -------------------------------------------------------------------------------------

# recover: under the lock, so whoever left something half done is dead. Costs nothing where nothing was. What
# cannot be put right for one box (its snapshot is damaged, say) does not stop the work on the others.
recover() {
    UNRECOVERED=
    UNRECOVERED_WHY=
    [ ! -d "$DATA/gone" ] || clean_gone
    for name in $(agents) meter; do
        enter "$name"
        rm -rf "$DIR/releases/"*.part
        half_done || continue
        set +e
        recovery=$(
            set -e
            recover_box
        )
        recovered=$?
        set -e
        [ $recovered = 0 ] || {
            UNRECOVERED="$UNRECOVERED $name"
            UNRECOVERED_WHY="$UNRECOVERED_WHY $name: $(one_line "$recovery");"
        }
    done
}

half_done() {
    [ -e "$DIR/trial" ] || [ -e "$DIR/removing" ] || [ -e "$DIR/replacing" ] || [ -e "$DIR/rollback" ] ||
        [ "$(first_line "$DIR/stopped")" = unproven ]
}

recover_box() {
    if [ "$BOX" = meter ]; then
        recover_meter
    elif [ -e "$DIR/removing" ]; then
        remove_box "$(first_line "$DIR/removing")"
    elif [ -e "$DIR/rollback" ]; then
        recover_rollback
    elif [ ! -e "$DIR/trial" ]; then
        stop_box
    elif [ "$(field "$DIR/trial" release)" = "$(current)" ]; then
        finish_commit
    elif [ "$(field "$DIR/trial" stage)" != waiting ] ||
        ! still "$(field "$DIR/trial" boot)" "$(field "$DIR/trial" until)"; then
        revert_box
    fi
}
