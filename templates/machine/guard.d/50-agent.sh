# --- staging, secrets ---------------------------------------------------------------------------------------------

verb_stage() { # TOKEN NAME RELEASE SHA256
    is_name "$2" || bad name "$2"
    is_release "$3" || bad release "$3"
    begin "$1" "$2"
    mkdir -p "$DIR/releases" "$DIR/secrets" "$DIR/snapshots"
    stage_release "$3" "$4" spec+config
}

stage_release() { # RELEASE SHA256 ALLOWED; a release never changes once it is there
    if [ -d "$DIR/releases/$1" ]; then
        [ "$(first_line "$DIR/releases/$1/.sha256")" = "$2" ] || refuse release-differs "$1 is there with other content"
        say already 1
        return 0
    fi
    receive "$DIR/releases/$1" "$2" "$3"
    tree=$DIR/releases/$1.part/tree
    load_spec "$tree/spec"
    [ "$S_release" = "$1" ] || bad spec "release=$S_release, not $1"
    [ -z "$S_config" ] || mkdir -p "$tree/config"
    if [ -d "$tree/config" ]; then
        find "$tree/config" -type d -exec chmod 0500 {} +
        find "$tree/config" -type f -exec chmod 0400 {} +
    fi
    note_sums "$tree" "$1"
    keep_release "$DIR/releases/$1"
}

SECRET_LIMIT=1048576 # bytes

verb_secrets() { # TOKEN NAME FILE BYTES
    is_name "$2" || [ "$2" = meter ] || bad name "$2"
    is_file_name "$3" || bad file "$3"
    is_number "$4" 0 $SECRET_LIMIT || bad bytes "$4"
    case $3 in *.new) bad file "$3" ;; esac
    begin "$1" "$2"
    mkdir -p "$DIR/secrets"
    chmod 0700 "$DIR/secrets"
    TIDY=$DIR/secrets/.$3.part
    head -c $((SECRET_LIMIT + 1)) >"$TIDY" || fail disk "no room"
    [ "$(wc -c <"$TIDY")" = "$4" ] || bad secret-cut "not $4 bytes"
    put "$DIR/secrets/$3" <"$TIDY"
    chmod 0600 "$DIR/secrets/$3"
}

verb_reveal() { # NAME FILE
    is_name "$1" || [ "$1" = meter ] || bad name "$1"
    is_file_name "$2" || bad file "$2"
    prepared
    enter "$1"
    [ -f "$DIR/secrets/$2" ] || refuse absent "$1 has no $2"
    cat "$DIR/secrets/$2"
}

verb_forget() { # TOKEN NAME FILE
    is_name "$2" || [ "$2" = meter ] || bad name "$2"
    is_file_name "$3" || bad file "$3"
    begin "$1" "$2"
    [ -e "$DIR/secrets/$3" ] || say already 1
    drop "$DIR/secrets/$3"
}

# --- a trial ------------------------------------------------------------------------------------------------------
# DIR/trial says how far it has come:
#   stopping   the old one is being stopped and its state kept; nothing has touched the state
#   running    the new one may have touched the state: back means restoring the snapshot
#   waiting    the new one was started; a commit is waited for until the deadline
#   reverting  on the way back (`touched` says whether the state has to be restored)

verb_trial() { # TOKEN NAME RELEASE SECONDS
    is_name "$2" || bad name "$2"
    is_release "$3" || bad release "$3"
    is_number "$4" 1 86400 || bad seconds "$4"
    begin "$1" "$2"
    [ -d "$DIR/releases/$3" ] || refuse not-staged "$3"
    if [ -e "$DIR/trial" ]; then
        [ "$(field "$DIR/trial" release)" = "$3" ] || refuse on-trial "$(field "$DIR/trial" release)"
        say already 1
        tell_trial
        return 0
    fi
    if [ "$(current)" = "$3" ]; then
        say already 1
        return 0
    fi
    need_docker
    trial_prepare "$3"
    UNDO=revert_box
    trial_swap "$3" "$4"
    UNDO=
    tell_trial
}

# Whatever can fail without stopping the old one, first.
trial_prepare() { # RELEASE
    load_spec "$DIR/releases/$1/spec"
    space_for_snapshot
    ensure_network
    try firewall firewall_assert
    join_meter
    remove_container "$CONT.next"
    mkdir -p "$DIR/state"
    chmod 0700 "$DIR/state"
    failpoint trial-create
    create "$CONT.next" "$1"
}

# As much as the state takes or says that it takes, whichever is more, and 64 MiB: a file of holes takes nothing
# on the disk, but all of its size in an archive, and in a state that is unpacked by a tar that knows no holes.
space_for_snapshot() { # [KIB]: and no less than that, which is to be unpacked in its place
    [ -n "$(current)" ] || return 0
    state_kib=$(du -sk "$DIR/state" 2>/dev/null) || : # of a state in use: a file may vanish under it
    state_kib=${state_kib%%[!0-9]*}
    for other_kib in "$(apparent_kib "$DIR/state")" "${1:-0}"; do
        [ "${state_kib:-0}" -ge "$other_kib" ] || state_kib=$other_kib
    done
    need_kib=$((state_kib + 65536))
    free_kib=$(free_kib_of "$DIR")
    [ "$free_kib" -lt "$need_kib" ] || return 0
    kept_kib=$(du -sk "$DIR/snapshots" 2>/dev/null) || :
    fail disk-full "the snapshot needs $need_kib KiB, $free_kib are free; earlier ones take ${kept_kib%%[!0-9]*}"
}

APPARENT_MOST=999999999999999 # bytes: what is said to be more, or is no number, counts as this

apparent_kib() { # FOLDER: the sizes of its files, whatever they take on the disk
    sizes_of "$1" | {
        bytes=0
        while read -r size; do
            is_number "$size" 0 $APPARENT_MOST || size=$APPARENT_MOST
            bytes=$((bytes + size))
            [ $bytes -le $APPARENT_MOST ] || bytes=$APPARENT_MOST
        done
        printf '%s' $((bytes / 1024))
    }
}

# A line for each of its files. Where there is neither of the first two tools, a name with a newline makes lines of its
# own: it can only make its own agent's state look larger.
sizes_of() { # FOLDER
    if find "$1" -prune -printf '' >/dev/null 2>&1; then
        find "$1" -type f -printf '%s\n'
    elif stat -c %s / >/dev/null 2>&1; then
        find "$1" -type f -exec stat -c %s {} +
    else
        find "$1" -type f -exec ls -ln {} + | while read -r _ _ _ _ size _; do echo "$size"; done
    fi 2>/dev/null
}

free_kib_of() {
    df -Pk "$1" | {
        read -r _
        read -r _ _ _ free _
        printf '%s' "$free"
    }
}

trial_swap() { # RELEASE SECONDS
    was=running
    [ ! -e "$DIR/stopped" ] || was=stopped
    old=$(current)
    snapshot=
    write_trial "$1" stopping "$2"
    failpoint trial-noted
    [ -z "$old" ] || {
        halt_box
        note_unclean
        failpoint trial-stopped
        take_snapshot "$old"
        failpoint trial-snapshot
        snapshot=$old
    }
    adopt_old "$1"
    write_trial "$1" running "$2"
    failpoint trial-running
    remove_container "$CONT"
    failpoint trial-old-removed
    try rename dk rename "$CONT.next" "$CONT"
    failpoint trial-renamed
    meter_key "$1"
    drop "$DIR/stopped"
    failpoint trial-key
    WAIT=$(hold_left)
    supervisor_start
    failpoint trial-started
    write_trial "$1" waiting $(($2 + WAIT))
    failpoint trial-waiting
}

write_trial() { # RELEASE STAGE SECONDS
    put "$DIR/trial" <<END
release=$1
before=$old
snapshot=$snapshot
stage=$2
touched=$([ "$2" = stopping ] || echo 1)
was=$was
boot=$(boot_id)
until=$(($(uptime_s) + $3))
END
}

tell_trial() {
    see_container "$CONT"
    say container "${STATE##* }"
    say address "$(box_address)"
    say wait "${WAIT:-$(hold_left)}"
    [ -z "${SNAPSHOT_MS:-}" ] || {
        say snapshot_ms "$SNAPSHOT_MS"
        say snapshot_bytes "$SNAPSHOT_BYTES"
    }
}

# --- the state: kept and given back -------------------------------------------------------------------------------

take_snapshot() { # RELEASE: the state as it leaves it
    started_ms=$(uptime_ms)
    mkdir -p "$DIR/snapshots"
    snap=$DIR/snapshots/$1.tar
    rm -f "$snap" "$snap.sha256"
    # shellcheck disable=SC2046 # an option, or none
    try snapshot tar -C "$DIR" --numeric-owner $(tar_holes) -cf "$snap.part" state
    sync "$snap.part"
    printf '%s\n' "$(sha256_of "$snap.part")" | put "$snap.sha256"
    mv -f "$snap.part" "$snap"
    sync "$DIR/snapshots"
    SNAPSHOT_MS=$(($(uptime_ms) - started_ms))
    SNAPSHOT_BYTES=$(wc -c <"$snap")
}

tar_holes() { # the option that keeps holes as holes, where tar has one
    case $(tar --version 2>&1 || :) in *GNU*) echo -S ;; esac
}

snapshot_whole() { # RELEASE
    snap=$DIR/snapshots/$1.tar
    [ -f "$snap" ] || fail snapshot-missing "$snap"
    [ "$(sha256_of "$snap")" = "$(first_line "$snap.sha256")" ] || fail snapshot-damaged "$snap"
}

restore_snapshot() { # RELEASE: the state as it left it. May be cut off and begun again at any point.
    snapshot_whole "$1"
    rm -rf "$DIR/state" "$DIR/restore" # what the failed release left is of no use, and its room is needed
    mkdir "$DIR/restore"
    failpoint restore-begun
    try restore tar -C "$DIR/restore" --numeric-owner -xpf "$snap"
    sync_tree "$DIR/restore"
    failpoint restore-unpacked
    mv "$DIR/restore/state" "$DIR/state"
    sync "$DIR"
    rmdir "$DIR/restore"
}

# --- the way back -------------------------------------------------------------------------------------------------

verb_revert() { # TOKEN NAME
    is_name "$2" || bad name "$2"
    begin "$1" "$2"
    if [ -e "$DIR/trial" ]; then revert_box; else say already 1; fi
}

# revert_box: the current box's trial ends, whatever stage it is in. Every step may be done twice; once the state
# is the old one's again, `touched` is empty and nothing of it is thrown away any more.
revert_box() {
    UNDO=
    new=$(field "$DIR/trial" release)
    old=$(field "$DIR/trial" before)
    snapshot=$(field "$DIR/trial" snapshot)
    was=$(field "$DIR/trial" was)
    touched=$(field "$DIR/trial" touched)
    rm -f "$DIR"/snapshots/*.part # the disk may be full, and of this very file
    need_docker
    [ -z "$touched" ] || revert_state
    remove_container "$CONT.next"
    if [ -n "$old" ]; then back_to "$old"; else back_to_nothing; fi
    failpoint revert-back
    drop "$DIR/trial"
    say reverted "$new"
}

revert_state() {
    mark_reverting
    failpoint revert-noted
    meter_key_revoke
    failure_seen=$(failure_facts) || failure_seen= # as it was before we stopped it
    halt_box
    (keep_failure "$new" "$failure_seen") || : # whatever goes wrong with what is only kept to be read
    failpoint revert-stopped
    remove_container "$CONT"
    failpoint revert-removed
    if [ -n "$old" ]; then
        restore_snapshot "$snapshot"
    else
        rm -rf "${DIR:?}/state"
        sync "$DIR"
    fi
    touched=
    mark_reverting
    failpoint revert-restored
}

mark_reverting() {
    put "$DIR/trial" <<END
release=$new
before=$old
snapshot=$snapshot
stage=reverting
touched=$touched
was=$was
boot=$(boot_id)
until=0
END
}

back_to() { # RELEASE
    meter_key "$1"
    see_container "$CONT"
    if [ "$STATE" = absent ]; then
        ensure_network
        join_meter
        create "$CONT" "$1"
    fi
    failpoint revert-created
    if [ "$was" = stopped ]; then
        echo proven | put "$DIR/stopped"
    else
        supervisor_start
    fi
}

back_to_nothing() {
    meter_key_revoke
    drop_network
    drop "$DIR/reason"
    adopt_back
}

# --- commit -------------------------------------------------------------------------------------------------------

verb_commit() { # TOKEN NAME RELEASE [KEEP]
    is_name "$2" || bad name "$2"
    is_release "$3" || bad release "$3"
    [ $# -lt 4 ] || is_keep "$4" || bad keep "$4"
    begin "$1" "$2"
    if [ "$(current)" = "$3" ] && [ ! -e "$DIR/trial" ]; then
        say already 1
        return 0
    fi
    [ "$(field "$DIR/trial" release)" = "$3" ] || refuse late "$3 is not on trial (any more)"
    [ "$(field "$DIR/trial" stage)" = waiting ] || refuse late "the trial is not under way"
    still "$(field "$DIR/trial" boot)" "$(field "$DIR/trial" until)" || refuse late "the deadline has passed"
    is_running || refuse not-running "$3 has ended"
    note_keep "${4:-}"
    commit_box "$3"
}

commit_box() { # RELEASE
    failpoint commit-before
    echo "$1" | put "$DIR/current" # this rename is the commit
    failpoint commit-renamed
    finish_commit
}

finish_commit() {
    enable_box
    note_history "$(field "$DIR/trial" before)"
    prune
    failpoint commit-pruned
    drop "$DIR/trial"
}
