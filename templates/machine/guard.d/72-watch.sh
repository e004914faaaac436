# --- where systemd does not look after us --------------------------------------------------------------------------
# `watch` starts boxes and does what the timer does. It is started by `install`, by the system's boot hook (82-hook),
# and by whoever wants a box to run. RUN/BOX.want: the box should run. `run` holds RUN/BOX.lock while it lives.

WATCH_LOG=262144 # bytes, twice: DATA/watch.log and watch.log.1

verb_watch() {
    prepared
    boot_id >/dev/null
    exec 6>>"$RUN/watch.lock"
    flock -w 2 6 || refuse watched "another guard watches" # who only asks whether somebody watches is soon gone
    trap 'exit 0' INT TERM
    echo $$ >"$RUN/watch.pid"
    watch_note watch "begins, $(boot_age) s after this boot was first seen"
    watch_boot
    want_all
    beat=0
    while [ -s "$DATA/version" ]; do
        for want in "$RUN"/*.want; do
            [ ! -e "$want" ] || watch_box "${want##*/}"
        done
        # beside us: what it takes back is started again by this very loop
        [ $((beat % 15)) -ne 0 ] || watch_tick
        beat=$((beat + 1))
        sleep 1
    done
}

# At boot the vendor may still be loading what the firewall needs: the tick tries again, and no box starts without it.
watch_boot() {
    failed=$( (verb_boot) 2>&1) || watch_note watch "boot: $failed"
}

watch_tick() {
    {
        failed=$("$0" tick 2>&1) || watch_note tick "$failed"
    } </dev/null >/dev/null 2>&1 6>&- &
}

want_all() {
    for name in $(agents) meter; do
        enter "$name"
        [ -z "$(current)" ] || [ -e "$DIR/stopped" ] || : >"$RUN/$BOX.want"
    done
}

watch_box() { # FILE.want
    watched=${1%.want}
    flock -n "$RUN/$watched.lock" true || return 0
    {
        code=0
        told=$("$0" run "$watched" 2>&1) || code=$?
        watch_note "$watched" "ended with $code${told:+: $told}"
        case $code in 2 | 3 | "$GIVEN_UP") rm -f "$RUN/$watched.want" ;; esac
    } </dev/null >/dev/null 2>&1 6>&- &
}

watch_note() { # WHOM TEXT: what a journal would have kept; a disk that is full loses it
    [ -s "$DATA/version" ] || return 0
    if [ -s "$DATA/watch.log" ] && [ "$(wc -c <"$DATA/watch.log")" -gt $WATCH_LOG ]; then
        mv -f "$DATA/watch.log" "$DATA/watch.log.1"
    fi
    printf '%s %s: %s\n' "$(date -u +%Y-%m-%dT%H:%M:%S+0000)" "$1" "$(one_line "$2")" >>"$DATA/watch.log" 2>/dev/null || :
}

watch_up() { # the watcher runs, whoever started it
    if flock -n "$RUN/watch.lock" true; then
        "${watch_program:-$0}" watch </dev/null >/dev/null 2>&1 9>&- 8>&- &
        # until it holds its lock, so that nobody starts another
        waited=0
        while flock -n "$RUN/watch.lock" true && [ $waited -lt 5 ]; do
            sleep 1
            waited=$((waited + 1))
        done
    fi
}

install_watch() { # it runs, and by the guard that was just placed
    watch_pid=$(first_line "$RUN/watch.pid")
    if [ -n "$CHANGED" ] && is_number "$watch_pid" 2 99999999 && ! flock -n "$RUN/watch.lock" true; then
        kill "$watch_pid" 2>/dev/null || :
        flock -w 10 "$RUN/watch.lock" true || fail watch "the old watcher does not end"
    fi
    if flock -n "$RUN/watch.lock" true; then CHANGED=1; fi
    watch_program=$GUARD && watch_up
}

watch_start() {
    rm -f "$RUN/$BOX.halting" "$RUN/$BOX.up"
    : >"$RUN/$BOX.want"
    watch_up
    [ -z "${CLAWRACK_AT_BOOT:-}" ] && [ "$(hold_left)" = 0 ] || return 0
    waited=0
    until [ -e "$RUN/$BOX.up" ]; do
        [ -e "$RUN/$BOX.want" ] || fail start "$BOX ended at once"
        [ $waited -lt 60 ] || fail start "$BOX did not start"
        sleep 1
        waited=$((waited + 1))
    done
}

watch_stop() {
    rm -f "$RUN/$BOX.want"
    : >"$RUN/$BOX.halting"
    ! is_running || docker_stop
    flock -w 30 "$RUN/$BOX.lock" true || fail not-stopped "the one who waits on $BOX does not end"
}
