# --- what is kept of earlier releases -----------------------------------------------------------------------------
# DIR/history has a line for each release that was the agent's and is still there, the current one last: its name, when
# it became the agent's (seconds of the wall clock: only shown) and how many bytes its snapshot takes. One can go back
# to a release whose files and snapshot are there; snapshots/RELEASE.tar is the state as that release left it.
# DIR/keep says how many releases before the current one are kept.

KEEP=2          # where nobody said anything else
FAILURES_KEPT=3 # trials that failed: what they wrote, and how the engine saw them

kept() { # lines `RELEASE SINCE BYTES` of what one can go back to, the latest first
    [ -r "$DIR/history" ] || return 0
    kept_now=$(current)
    kept_lines=
    while read -r kept_release kept_since kept_bytes; do
        [ "$kept_release" != "$kept_now" ] || continue
        can_go_back "$kept_release" || continue
        kept_lines="$kept_release $kept_since $kept_bytes
$kept_lines"
    done <"$DIR/history"
    printf '%s' "$kept_lines"
}

can_go_back() { [ -f "$DIR/snapshots/$1.tar" ] && [ -f "$DIR/releases/$1/spec" ]; } # RELEASE

note_history() { # BEFORE: the release before the current one, or nothing
    history_now=$(current)
    [ "$(history_last)" != "$history_now" ] || return 0
    {
        history_before "$1"
        [ -z "$1" ] || echo "$1 $(history_since "$1") $(file_bytes "$DIR/snapshots/$1.tar")"
        echo "$history_now $(date -u +%s) 0"
    } | put "$DIR/history"
}

file_bytes() { # FILE: 0 where there is none
    if [ -r "$1" ]; then echo $(($(wc -c <"$1"))); else echo 0; fi
}

history_last() { # the release of its last line
    last=
    [ ! -r "$DIR/history" ] || while read -r last_of _; do last=$last_of; done <"$DIR/history"
    printf '%s' "$last"
}

history_before() { # BEFORE: the lines of all others that are still there
    [ -r "$DIR/history" ] || return 0
    while read -r line_of line_rest; do
        case $line_of in "$1" | "$history_now") continue ;; esac
        [ ! -d "$DIR/releases/$line_of" ] || echo "$line_of $line_rest"
    done <"$DIR/history"
}

history_since() { # RELEASE: 0 where nobody noted it
    since=0
    [ ! -r "$DIR/history" ] || while read -r since_of since_then _; do
        [ "$since_of" != "$1" ] || since=$since_then
    done <"$DIR/history"
    printf '%s' "$since"
}

note_keep() { # [COUNT]: from now on so many are kept
    [ -n "${1:-}" ] || return 0
    [ "$(first_line "$DIR/keep")" = "$1" ] || echo "$1" | put "$DIR/keep"
}

is_keep() { is_number "$1" 0 100; }

# What the policy keeps is never taken for its room: an upgrade that finds none is refused, and says what takes it.
prune() {
    keep_count=$(first_line "$DIR/keep")
    keep_these=" $(current) $(kept | head -n "${keep_count:-$KEEP}" | cut -d ' ' -f 1 | tr '\n' ' ')"
    for release_dir in "$DIR"/releases/*; do
        case $keep_these in *" ${release_dir##*/} "*) continue ;; esac
        [ -d "$release_dir" ] || continue
        rm -rf "$release_dir"
        say pruned "${release_dir##*/}"
    done
    keep_these=${keep_these#" $(current)"} # its state is in its place, and goes on
    for snap in "$DIR"/snapshots/*; do
        snap_of=${snap##*/}
        snap_of=${snap_of%.sha256}
        case $keep_these in *" ${snap_of%.tar} "*) ;; *) rm -f "$snap" ;; esac
    done
    drop_images
}

verb_keep() { # TOKEN NAME COUNT
    is_keep "$3" || bad keep "$3"
    begin_settled "$1" "$2"
    note_keep "$3"
    prune
}

# --- back to a release that was the agent's -----------------------------------------------------------------------
# DIR/rollback says how far it has come. It is never taken back itself: what was cut off goes on to its end.
#   stopping   the agent is being stopped and its state kept; nothing has touched it. Where it cannot be kept (the disk
#              is full, say), the agent starts again as it was: nothing is given up for a rollback
#   restoring  the state becomes that of the release
# Once `current` names the release, only what follows the commit remains.

verb_rollback() { # TOKEN NAME RELEASE
    is_release "$3" || bad release "$3"
    begin_settled "$1" "$2"
    if [ "$(current)" = "$3" ]; then
        say already 1
        return 0
    fi
    can_go_back "$3" || refuse not-kept "$3"
    need_docker
    rollback_prepare "$3"
    write_rollback "$3" "$(current)" stopping
    UNDO=rollback_off
    failpoint rollback-noted
    rollback_keep
    UNDO=
    rollback_forward
    say from "$old"
    tell_trial
}

# Whatever can fail without stopping the agent, first.
rollback_prepare() { # RELEASE
    load_spec "$DIR/releases/$1/spec"
    snapshot_whole "$1"
    space_for_snapshot $(($(wc -c <"$DIR/snapshots/$1.tar") / 1024))
    ensure_network
    try firewall firewall_assert
    join_meter
    remove_container "$CONT.next"
    failpoint rollback-create
    create "$CONT.next" "$1"
}

write_rollback() { # RELEASE FROM STAGE
    was=running
    [ ! -e "$DIR/stopped" ] || was=stopped
    put "$DIR/rollback" <<END
release=$1
from=$2
stage=$3
was=$was
END
    read_rollback
}

read_rollback() {
    back=$(field "$DIR/rollback" release)
    old=$(field "$DIR/rollback" from)
    was=$(field "$DIR/rollback" was)
}

rollback_keep() { # the state as it is: one can go back to what was gone back from
    halt_box
    note_unclean
    failpoint rollback-stopped
    take_snapshot "$old"
    failpoint rollback-kept
    write_rollback "$back" "$old" restoring
    failpoint rollback-restoring
}

rollback_off() { # nothing was touched, and the state could not be kept
    UNDO=
    rm -rf "$DIR"/snapshots/*.part
    remove_container "$CONT.next"
    [ "$was" = stopped ] || supervisor_start
    drop "$DIR/rollback"
}

rollback_forward() { # from wherever it is; the state as it was is kept
    [ "$(current)" = "$back" ] || rollback_swap
    start_said=
    [ "$was" = stopped ] || is_running || rollback_start
    failpoint rollback-started
    note_history "$old"
    prune
    failpoint rollback-pruned
    drop "$DIR/rollback"
    [ -z "$start_said" ] || { printf '%s\n' "$start_said" && exit 5; }
}

rollback_swap() {
    remove_container "$CONT"
    failpoint rollback-removed
    restore_snapshot "$back"
    failpoint rollback-restored
    dk rename "$CONT.next" "$CONT" >/dev/null 2>&1 || {
        remove_container "$CONT.next"
        ensure_network
        join_meter
        create "$CONT" "$back"
    }
    failpoint rollback-renamed
    meter_key "$back"
    failpoint rollback-key
    echo "$back" | put "$DIR/current" # this rename is the commit
    failpoint rollback-committed
}

rollback_start() { # its release is the agent's, whether it starts or not; the supervisor says why not
    set +e
    start_said=$(
        set -e
        supervisor_start
    )
    start_code=$?
    set -e
    [ $start_code != 0 ] || start_said=
}

recover_rollback() {
    read_rollback
    need_docker
    if [ "$(current)" != "$back" ] && [ "$(field "$DIR/rollback" stage)" = stopping ]; then
        set +e
        keep_said=$(
            set -e
            rollback_keep
        )
        keep_code=$?
        set -e
        [ $keep_code = 0 ] || {
            rollback_off
            printf '%s\n' "$keep_said"
            exit 5
        }
    fi
    rollback_forward
}

# --- what is kept of trials that failed ---------------------------------------------------------------------------

FAILURE_BYTES=262144 # of what it wrote, and of the engine's inspection, each

# The last words of the release that did not make it, for whoever looks for the cause.
keep_failure() { # RELEASE FACTS; a failure of its own keeps nobody from going back
    its=$(dk container inspect --format '{{index .Config.Labels "clawrack.release"}}' "$CONT" 2>/dev/null) || return 0
    [ "$its" = "$1" ] || return 0
    rm -rf "$DIR/failed/$1"
    failure_number=$(($(failure_last) + 1))
    mkdir -p "$DIR/failed/$1" && echo "$failure_number" >"$DIR/failed/$1/number" || return 0
    printf '%s\n' "$2" >"$DIR/failed/$1/facts" || :
    dk logs --tail 2000 "$CONT" 2>&1 | tail -c $FAILURE_BYTES >"$DIR/failed/$1/log" || :
    dk container inspect "$CONT" 2>/dev/null | head -c $FAILURE_BYTES >"$DIR/failed/$1/inspect.json" || :
    [ ! -e "$DIR/reason" ] || cp "$DIR/reason" "$DIR/failed/$1/reason" || :
    prune_failures
}

failure_facts() {
    echo "when=$(date -u +%s)"
    dk container inspect --format '{{println "image" .Image}}{{println "started" .State.StartedAt}}{{println "finished" .State.FinishedAt}}{{println "exit" .State.ExitCode}}{{println "oom" .State.OOMKilled}}{{println "running" .State.Running}}{{println "error" .State.Error}}' \
        "$CONT" 2>/dev/null | while read -r fact value; do
        [ -z "$fact" ] || echo "$fact=$(one_line "$value")"
    done
}

failure_last() { # the highest number
    highest=0
    for failure in "$DIR"/failed/*/number; do
        number=$(first_line "$failure")
        ! is_number "$number" 1 999999999 || [ "$number" -le "$highest" ] || highest=$number
    done
    echo "$highest"
}

prune_failures() {
    oldest=$(($(failure_last) - FAILURES_KEPT))
    for failure in "$DIR"/failed/*; do
        number=$(first_line "$failure/number")
        [ "${number:-0}" -gt $oldest ] || rm -rf "$failure"
    done
}

verb_failure() { # NAME RELEASE: lines, an empty one, then what the engine said and what it wrote, of the sizes told
    is_name "$1" || [ "$1" = meter ] || bad name "$1"
    is_release "$2" || bad release "$2"
    prepared
    enter "$1"
    failure=$DIR/failed/$2
    [ -d "$failure" ] || refuse absent "$2"
    say release "$2"
    for told in facts reason; do
        [ ! -r "$failure/$told" ] || while IFS='=' read -r key value; do
            case $told.$key in reason.release) ;; reason.exit | reason.starts) say "reason.$key" "$value" ;; *) say "$key" "$value" ;; esac
        done <"$failure/$told"
    done
    for told in inspect.json log; do say "${told%.json}" "$(failure_size "$failure/$told")"; done
    echo
    for told in inspect.json log; do [ ! -r "$failure/$told" ] || head -c $FAILURE_BYTES "$failure/$told"; done
}

failure_size() { # FILE
    size=$(file_bytes "$1")
    if [ "$size" -le $FAILURE_BYTES ]; then echo "$size"; else echo $FAILURE_BYTES; fi
}
