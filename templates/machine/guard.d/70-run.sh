# --- one life of a box --------------------------------------------------------------------------------------------
# `run BOX` is the main process of the box's unit (or a child of `watch`): it starts the container, waits for its
# end and says by its exit code whether to try again.
#   0 it was asked to stop     1 try again     3, 90 do not (90: agents/NAME/reason says why)

GIVEN_UP=90
GOOD_LIFE=300 # seconds after which earlier failures are forgotten
METER_PAUSE=60 # seconds at most before the meter's next start

verb_run() { # BOX
    is_name "$1" || [ "$1" = meter ] || bad box "$1"
    prepared
    boot_id >/dev/null
    enter "$1"
    exec 5>>"$RUN/$BOX.lock"
    flock -n 5 || refuse running "another guard waits on $BOX"
    ASKED=
    trap 'ASKED=1' INT TERM
    ! has_systemd || rm -f "$RUN/$BOX.halting"
    may_run
    load_spec "$DIR/releases/$RELEASE/spec"
    wait_before
    await_docker
    start_life
    wait_life
}

asked_to_stop() { [ -n "$ASKED" ] || [ -e "$RUN/$BOX.halting" ]; }

pause() { # SECONDS, or until asked to stop
    paused=0
    while [ $paused -lt "$1" ]; do
        ! asked_to_stop || exit 0
        sleep 1
        paused=$((paused + 1))
    done
}

may_run() { # sets RELEASE
    [ ! -e "$DIR/stopped" ] || refuse stopped "stopped on purpose"
    [ ! -e "$DIR/removing" ] || refuse removing "being removed"
    [ ! -e "$DIR/reason" ] || [ "$(field "$DIR/reason" reason)" = killed-often ] || leave $GIVEN_UP gave-up "$(field "$DIR/reason" reason)"
    trial_stage=$(field "$DIR/trial" stage)
    case $trial_stage in
    running | waiting)
        [ "$(field "$DIR/trial" boot)" = "$(boot_id)" ] || refuse trial-of-another-boot "recover comes first"
        ;;
    reverting) [ -z "$(field "$DIR/trial" touched)" ] || refuse reverting "the state is not restored yet" ;;
    esac
    [ "$(field "$DIR/rollback" stage)" != restoring ] || [ "$(field "$DIR/rollback" release)" = "$(current)" ] ||
        refuse rolling-back "the state is not restored yet"
    RELEASE=$(wanted_release)
    [ -n "$RELEASE" ] || refuse no-release "$BOX has no release"
}

# After a power cut not all agents at once; after failures later and later; after a kill, when its kind would
# refuse a new container on the same state, not before that is over.
wait_before() {
    fails=$(first_line "$RUN/$BOX.fails")
    fails=${fails:-0}
    jitter=$(first_line "$RUN/$BOX.jitter")
    rm -f "$RUN/$BOX.jitter"
    pause "${jitter:-0}"
    longer=$((fails * ${S_backoff:-10}))
    [ "$BOX" != meter ] || [ $longer -le $METER_PAUSE ] || longer=$METER_PAUSE
    pause $longer
}

await_docker() {
    until docker_up; do pause 2; done
}

start_life() {
    found=$(dk container inspect --format '{{.Id}} {{.Config.User}} {{index .Config.Labels "clawrack.release"}}' \
        "$CONT" 2>&1) || give_up container-missing "$found"
    [ "${found##* }" = "$RELEASE" ] || refuse other-release "the container is ${found##* }, not $RELEASE"
    S_user=${found#* }
    S_user=${S_user%% *} # the container's, not the spec's: one that an older guard made has another
    [ "${found%% *}" = "$(field "$DIR/hold" container)" ] || pause "$(hold_left)"
    firewall_assert || died firewall 1 "the firewall could not be set"
    own_all "$RELEASE"
    secrets_out
    begun=$(uptime_s)
    ! asked_to_stop || exit 0
    started=$(dk start "$CONT" 2>&1) || died start-failed 1 "$started"
    : >"$RUN/$BOX.up"
    [ -z "${NOTIFY_SOCKET:-}" ] || systemd-notify --ready || :
}

wait_life() {
    while :; do
        if code=$("$DOCKER" wait "$CONT" 2>/dev/null) && is_number "$code" 0 255; then
            sleep 1 # an engine that stops its containers because it stops itself is gone by now
            docker_up || engine_lost
            died exited "$code" ''
        fi
        engine_lost
    done
}

# The engine went away under the container. That is nobody's failed start: wait for it, and go on.
engine_lost() {
    [ -z "$ASKED" ] || exit 0
    await_docker
    is_running || exit 1
}

died() { # WHY CODE DETAIL: never returns
    secrets_back
    ! asked_to_stop || exit 0
    if [ $(($(uptime_s) - ${begun:-0})) -ge $GOOD_LIFE ]; then
        fails=0
        drop "$DIR/reason"
    fi
    fails=$((fails + 1))
    echo $fails >"$RUN/$BOX.fails"
    [ "$2" != "${S_never_retry:-none}" ] || give_up never-retry "exit code $2" "$2"
    if [ $fails -gt "${S_retries:-3}" ] && [ "$BOX" = meter ] && [ "$2" = 137 ]; then
        # An agent that asks for too much may get the meter killed; given up, it would be down for all of them.
        note_reason killed-often "$1 ${3:-exit code $2}" "$2"
        exit 1
    fi
    [ $fails -le "${S_retries:-3}" ] || give_up kept-failing "$1 ${3:-exit code $2}" "$2"
    exit 1
}

give_up() { # REASON DETAIL [CODE]
    note_reason "$@"
    exit $GIVEN_UP
}

note_reason() { # REASON DETAIL [CODE]: what look tells
    put "$DIR/reason" <<END
reason=$1
exit=${3:-}
starts=${fails:-0}
release=$RELEASE
detail=$(one_line "$2")
END
}

verb_halt() { # BOX: what the unit's stop does
    is_name "$1" || [ "$1" = meter ] || bad box "$1"
    enter "$1"
    : >"$RUN/$BOX.halting"
    ! is_running || docker_stop
}

# --- boot, tick ---------------------------------------------------------------------------------------------------

verb_boot() { # before Docker and before any container
    prepared
    boot_id >/dev/null
    try firewall firewall_assert
    host_boot
    spread_starts
    for name in $(agents); do
        enter "$name"
        # One more bounded try after a boot for what only kept failing: the cause may be gone.
        case $(field "$DIR/reason" reason) in kept-failing | container-missing) drop "$DIR/reason" ;; esac
    done
}

spread_starts() { # at most two seconds per agent, thirty in all; none for one agent
    set --
    for name in $(agents); do
        [ -e "$DATA/agents/$name/stopped" ] || set -- "$@" "$name"
    done
    [ $# -gt 1 ] || return 0
    span=$(($# * 2))
    [ $span -le 30 ] || span=30
    for name in "$@"; do
        sum=$(printf '%s' "$name" | cksum)
        echo $((${sum%% *} % span)) >"$RUN/$name.jitter"
    done
}

verb_tick() { # by the timer, and once after a boot when Docker is there
    [ -s "$DATA/version" ] || exit 0
    exec 9>>"$DATA/lock"
    flock -n 9 || exit 0
    harden_due # the ways back come first: nothing that follows may keep them from going
    door_tick
    firewall_ok || try firewall firewall_assert
    ballast_fill
    drop_copies
    coming_clean
    recover
    [ -z "$UNRECOVERED" ] || fail unrecovered "$UNRECOVERED_WHY"
}
