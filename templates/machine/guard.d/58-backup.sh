# --- backups ------------------------------------------------------------------------------------------------------
# An agent's state goes away as it is and comes back as it was. What is encrypted, for whom, and where it rests is the
# controller's: what leaves here is plain, and goes through its SSH connection.
#   agents/NAME/copy/   state.tar and the release that it belongs to, while they are fetched
#   coming/TOKEN.PID/   what is on its way in, of one call and no other; nothing of it counts before all of it was looked at
#   coming/TOKEN.held/  others' backups that came whole, until `held` says so too
#   backups/ID          others' backups, encrypted, that rest here

verb_weigh() { # NAME: what its state takes, and whether it runs; nothing is stopped for it
    is_name "$1" || bad name "$1"
    prepared
    enter "$1"
    [ -n "$(current)" ] || refuse no-agent "$BOX"
    say bytes $(($(apparent_kib "$DIR/state") * 1024))
    say free $(($(free_kib_of "$DATA") * 1024))
}

verb_copy() { # TOKEN NAME now|last: the state as it is (the agent stops for it), or the newest snapshot
    case $3 in now | last) ;; *) bad words "copy TOKEN NAME now|last" ;; esac
    begin_settled "$1" "$2"
    rm -rf "$DIR/copy" "$DIR/snapshots/bring.tar" "$DIR/snapshots/bring.tar.sha256"
    TIDY=$DIR/copy
    { mkdir "$DIR/copy" && field "$DATA/lease" holder >"$DIR/copy/holder"; } 2>/dev/null || fail disk "no room"
    "copy_$3"
    copy_tar=$DIR/copy/state.tar
    say release "$(first_line "$DIR/copy/release")"
    say bytes "$(wc -c <"$copy_tar")"
    say sha256 "$(sha256_of "$copy_tar")"
    say at "$(date -u -r "$copy_tar" +%s)"
    TIDY=
}

copy_now() {
    space_for_snapshot
    need_docker
    if { [ -e "$DIR/stopped" ] || [ -e "$DIR/reason" ]; } && ! is_running; then
        copy_state
    else
        copy_running
    fi
}

# The note is a trial's that has touched nothing yet: whoever finds it after our death starts the agent again.
copy_running() {
    old=$(current)
    was=running
    snapshot=
    write_trial copy stopping 3600
    UNDO=revert_box
    failpoint copy-noted
    down_since=$(uptime_ms)
    halt_box
    note_unclean
    failpoint copy-stopped
    copy_state
    failpoint copy-kept
    UNDO=
    revert_box >/dev/null
    say down_ms $(($(uptime_ms) - down_since))
}

copy_state() {
    current >"$DIR/copy/release"
    copy_of=$DIR
    [ -z "$(find "$DIR/state" -type c 2>/dev/null | head -c 1)" ] || copy_aside
    # shellcheck disable=SC2046 # options, or none
    try snapshot tar -C "$copy_of" --numeric-owner $(tar_holes) $(tar_plain) -cf "$DIR/copy/state.tar" state
    rm -rf "$DIR/copy/state"
}

copy_aside() { # the same files by other names, so that the agent's own folder stays as it is
    cp -al "$DIR/state" "$DIR/copy/state"
    drop_whiteouts "$DIR/copy/state"
    copy_of=$DIR/copy
}

# A device that is none: anybody may make one, it holds nothing, and nobody takes it in.
drop_whiteouts() { # FOLDER, a copy
    # shellcheck disable=SC2016 # the other shell's own words
    find "$1" -type c -exec sh -c 'for file; do [ "$(stat -c %t:%T "$file")" != 0:0 ] || rm -f "$file"; done' sh {} +
}

# For the tick: what was put by for somebody whose lease is over. It may have been taken anew, with another token.
drop_copies() {
    copy_holder=
    [ "$(lease_left)" = 0 ] || copy_holder=$(field "$DATA/lease" holder)
    for copied in "$DATA"/agents/*/copy; do
        [ -d "$copied" ] || continue
        copied_for=$(first_line "$copied/holder")
        [ "${copied_for:-nobody }" = "$copy_holder" ] || rm -rf "$copied"
    done
}

is_leased() { [ "$1" = "$(field "$DATA/lease" token)" ] && [ "$(lease_left)" -gt 0 ]; } # TOKEN

tar_plain() { # one format, and no file that would run as somebody else
    case $(tar --version 2>&1 || :) in *GNU*) echo "--format=gnu --mode=u-s,g-s" ;; esac
}

copy_last() {
    copy_from=
    for snap in "$DIR"/snapshots/*.tar; do
        copy_of=${snap##*/}
        if [ ! -d "$DIR/releases/${copy_of%.tar}" ] || [ ! -s "$snap.sha256" ]; then continue; fi
        if [ -z "$copy_from" ] || [ -n "$(find "$snap" -newer "$copy_from")" ]; then copy_from=$snap; fi
    done
    [ -n "$copy_from" ] || refuse no-snapshot "$BOX"
    [ "$(sha256_of "$copy_from")" = "$(first_line "$copy_from.sha256")" ] || fail snapshot-damaged "$copy_from"
    copy_of=${copy_from##*/}
    printf '%s\n' "${copy_of%.tar}" >"$DIR/copy/release"
    cp -l "$copy_from" "$DIR/copy/state.tar"
}

verb_save() { # NAME state|release: what `copy` put by, on standard output, as it is and nothing else
    is_name "$1" || bad name "$1"
    prepared
    enter "$1"
    [ -s "$DIR/copy/release" ] || refuse no-copy "$BOX"
    case $2 in
    state) exec cat "$DIR/copy/state.tar" ;;
    release)
        cd "$DIR/releases/$(first_line "$DIR/copy/release")" || refuse no-copy "$BOX"
        set -- spec
        [ ! -d config ] || set -- spec config
        exec tar -cf - "$@"
        ;;
    *) bad words "save NAME state|release" ;;
    esac
}

verb_saved() { # TOKEN NAME: it was fetched
    is_name "$2" || bad name "$2"
    begin "$1" "$2"
    [ -e "$DIR/copy" ] || say already 1
    rm -rf "$DIR/copy"
}

# --- a state comes in ---------------------------------------------------------------------------------------------

verb_bring() { # TOKEN NAME BYTES SHA256 ROOM; stdin: a tar of `state/…`, which takes ROOM bytes once it is unpacked
    is_name "$2" || bad name "$2"
    is_number "$3" 512 999999999999999 || bad bytes "$3"
    is_hex64 "$4" || bad sha256 "$4"
    is_number "$5" 0 999999999999999 || bad room "$5"
    prepared
    holds "$1" # and once more when it counts; the lock is not held while gigabytes come
    enter "$2"
    bring_allowed
    coming_room "$1" $((($3 + $5) / 1024))
    head -c $(($3 + 1)) >"$COMING/state.tar" 2>/dev/null || fail disk "no room"
    [ "$(wc -c <"$COMING/state.tar")" = "$3" ] || fail bring-cut "not $3 bytes"
    bring_whole "$4"
    failpoint bring-came
    bring_in "$1" "$2" "$4"
}

bring_whole() { # SHA256
    [ "$(sha256_of "$COMING/state.tar")" = "$1" ] || fail bring-cut "another checksum"
    state_names_ok "$COMING/state.tar" || fail bring-names "only plain files, folders and links below state/"
}

bring_allowed() { # of the current box: it is not here yet, or it is stopped, and that is proven
    [ ! -e "$DIR/trial" ] || refuse on-trial "$(field "$DIR/trial" release)"
    [ -n "$(current)" ] || return 0
    if [ "$(first_line "$DIR/stopped")" != proven ] || is_running; then refuse agent-runs "$BOX"; fi
}

coming_room() { # TOKEN KIB: a folder of this call's own, COMING, where there is so much room
    (lock 5 && coming_clean) >/dev/null || : # where a change is under way, the tick does it after it
    free_kib=$(free_kib_of "$DATA")
    [ "$free_kib" -ge $(($2 + 65536)) ] || fail disk-full "$(($2 + 65536)) KiB are needed, $free_kib are free"
    COMING=$DATA/coming/$1.$$
    TIDY=$COMING
    rm -rf "$COMING"
    mkdir -p "$COMING" 2>/dev/null || fail disk "no room"
}

coming_clean() { # under the lock: what killed guards left, and what came under a lease that is over
    for came in "$DATA"/coming/*; do
        is_coming "${came##*/}" || rm -rf "$came"
    done
    rmdir "$DATA/coming" 2>/dev/null || :
}

is_coming() { # TOKEN.held, or TOKEN.PID whose guard lives
    is_leased "${1%%.*}" || return 1
    case $1 in *.held) ;; *.*) kill -0 "${1##*.}" 2>/dev/null ;; *) false ;; esac
}

coming_done() {
    rm -rf "$COMING"
    rmdir "$DATA/coming" 2>/dev/null || :
    TIDY=
}

bring_in() { # TOKEN NAME SHA256: COMING/state.tar becomes the agent's state
    begin "$1" "$2"
    bring_allowed
    bring_whole "$3" # once more, where nobody else changes anything
    if [ -n "$(current)" ]; then bring_over; else bring_new; fi
    coming_done
}

# What tar itself makes of it: the types in the first column, the marks of set-id among the rights, and the names.
state_names_ok() { # TAR
    tar -tvf "$1" >"$1.list" 2>/dev/null || return 1
    tar -tf "$1" >"$1.names" 2>/dev/null || return 1
    while IFS= read -r line; do
        case $line in
        -??[sS]* | -?????[sS]*) return 1 ;;
        [-dlhp]*) ;;
        *) return 1 ;;
        esac
    done <"$1.list"
    while IFS= read -r line; do
        case $line in
        */../* | */..) return 1 ;;
        state | state/*) ;;
        *) return 1 ;;
        esac
    done <"$1.names"
    rm -f "$1.list" "$1.names"
}

bring_new() { # one rename
    mkdir -p "$COMING/tree"
    try restore tar -C "$COMING/tree" --numeric-owner -xpf "$COMING/state.tar"
    [ -z "$(find "$COMING/tree" ! -type f ! -type d ! -type l ! -type p)" ] || fail bring-names "devices"
    chown 0:0 "$COMING/tree/state" # nobody's yet: all of it gets its box's user at its first start
    sync_tree "$COMING/tree"
    failpoint bring-unpacked
    mkdir -p "$DIR"
    [ -z "$(ls -A "$DIR/state" 2>/dev/null)" ] || keep_state
    rm -rf "${DIR:?}/state"
    mv "$COMING/tree/state" "$DIR/state"
    sync "$DIR"
    failpoint bring-placed
}

# Over the state of an agent that is stopped, as the way back from a trial goes: from its note on, whoever finds it
# goes forward. The state that was there stays in kept/; until the note is written its files are the agent's own.
bring_over() {
    bring_keep # of a guard that was killed
    mkdir -p "$DIR/snapshots" "$DATA/kept"
    mv -f "$COMING/state.tar" "$DIR/snapshots/bring.tar"
    sync "$DIR/snapshots/bring.tar"
    printf '%s\n' "$(sha256_of "$DIR/snapshots/bring.tar")" | put "$DIR/snapshots/bring.tar.sha256"
    cp -al "$DIR/state" "$DATA/kept/.$BOX"
    failpoint bring-aside
    new=bring
    old=$(current)
    snapshot=bring
    touched=1
    was=stopped
    mark_reverting
    failpoint bring-noted
    bring_keep
    revert_box >/dev/null
    rm -f "$DIR/snapshots/bring.tar" "$DIR/snapshots/bring.tar.sha256"
}

bring_keep() { # the state that was put aside gets its place among the kept ones
    [ -d "$DATA/kept/.$BOX" ] || return 0
    kept=$DATA/kept/$BOX
    nth=1
    while [ -e "$kept" ]; do
        nth=$((nth + 1))
        kept=$DATA/kept/$BOX.$nth
    done
    mv "$DATA/kept/.$BOX" "$kept"
    sync "$DATA/kept"
    say kept "$kept"
}

# --- a state that was kept ----------------------------------------------------------------------------------------

is_kept() { # KEPT: NAME or NAME.N, and there
    case ${1#*.} in "$1") ;; '' | *[!0-9]*) return 1 ;; esac
    is_name "${1%%.*}" && [ -d "$DATA/kept/$1" ]
}

verb_unkeep() { # TOKEN NAME KEPT: a copy of it becomes the agent's state; the kept one stays until `unkept`
    is_name "$2" || bad name "$2"
    prepared
    is_kept "$3" || refuse no-kept "$3"
    holds "$1"
    enter "$2"
    bring_allowed
    unkeep_kib=$(apparent_kib "$DATA/kept/$3")
    coming_room "$1" $((unkeep_kib * 2 + unkeep_kib / 4))
    mkdir "$COMING/from"
    cp -al "$DATA/kept/$3" "$COMING/from/state"
    drop_whiteouts "$COMING/from/state"
    # shellcheck disable=SC2046 # options, or none
    try snapshot tar -C "$COMING/from" --numeric-owner $(tar_holes) $(tar_plain) \
        -cf "$COMING/state.tar" state
    rm -rf "$COMING/from"
    unkeep_sha=$(sha256_of "$COMING/state.tar")
    failpoint unkeep-copied
    bring_in "$1" "$2" "$unkeep_sha"
}

verb_unkept() { # TOKEN KEPT: it is wanted no longer
    begin "$1"
    is_kept "$2" || {
        say already 1
        return 0
    }
    mkdir -p "$DATA/gone"
    mv "$DATA/kept/$2" "$DATA/gone/kept"
    sync "$DATA/kept"
    clean_gone
}

# --- others' backups that rest here -------------------------------------------------------------------------------

is_backup() { # ID
    is_file_name "$1" && case $1 in *.part | *.sha256) false ;; esac
}

verb_hold() { # TOKEN ID MOST; stdin: a backup of at most MOST bytes. It counts once `held` says that it is whole
    is_backup "$2" || bad backup "$2"
    is_number "$3" 1 999999999999999 || bad bytes "$3"
    prepared
    holds "$1"
    coming_room "$1" $(($3 / 1024))
    head -c $(($3 + 1)) >"$COMING/part" 2>/dev/null || fail disk "no room"
    hold_bytes=$(wc -c <"$COMING/part")
    [ "$hold_bytes" -le "$3" ] || fail hold-size "more than $3 bytes"
    sync "$COMING/part"
    say bytes "$hold_bytes"
    say sha256 "$(sha256_of "$COMING/part")"
    { mkdir -p "$DATA/coming/$1.held" && mv -f "$COMING/part" "$DATA/coming/$1.held/$2"; } 2>/dev/null ||
        fail disk "no room"
    coming_done
}

verb_held() { # TOKEN ID SHA256
    is_backup "$2" || bad backup "$2"
    is_hex64 "$3" || bad sha256 "$3"
    begin "$1"
    [ ! -e "$DATA/backups/$2" ] || refuse backup-there "$2"
    held=$DATA/coming/$1.held/$2
    [ -f "$held" ] || fail hold-cut "$2"
    [ "$(sha256_of "$held")" = "$3" ] || fail hold-cut "$2"
    mkdir -p "$DATA/backups"
    mv "$held" "$DATA/backups/$2"
    sync "$DATA/backups"
    rmdir "${held%/*}" "$DATA/coming" 2>/dev/null || :
}

verb_holdings() { # what rests here
    prepared
    for entry in "$DATA"/backups/*; do
        [ ! -f "$entry" ] || say "backup.${entry##*/}" "$(wc -c <"$entry")"
    done
}

verb_hand() { # ID: the backup on standard output, as it is
    is_backup "$1" || bad backup "$1"
    prepared
    [ -f "$DATA/backups/$1" ] || refuse no-backup "$1"
    exec cat "$DATA/backups/$1"
}

verb_unhold() { # TOKEN ID
    is_backup "$2" || bad backup "$2"
    begin "$1"
    [ -e "$DATA/backups/$2" ] || say already 1
    drop "$DATA/backups/$2"
}
