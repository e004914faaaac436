# --- saying, failing ---------------------------------------------------------------------------------------------

# A wire that was cut must not stop a transition half way: nobody listening is not an error.
trap '' HUP PIPE
trap 'exit 143' INT TERM
trap 'on_exit $?' EXIT
UNDO=
TIDY=
verb=

say() { # KEY VALUE; most values are one line already, and need no other process to become one
    case $2 in
    *[!\ -~]*) set -- "$1" "$(one_line "$2")" ;;
    *) [ ${#2} -le 600 ] || set -- "$1" "$(one_line "$2")" ;;
    esac
    printf '%s=%s\n' "$1" "$2" 2>/dev/null || :
}

one_line() { printf '%s' "$1" | tr -c '\040-\176\200-\377' ' ' | cut -c 1-600; }

leave() { # CODE REASON [DETAIL]
    say reason "$2"
    [ -z "${3:-}" ] || say detail "$3"
    exit "$1"
}
bad() { leave 2 "$@"; }
refuse() { leave 3 "$@"; }
fail() { leave 5 "$@"; }

# UNDO holds the command that takes a half-made change back when the verb fails with the guard alive.
# (When the guard is killed, recover does the same at the next call.)
on_exit() {
    if [ -n "$TIDY" ]; then
        rm -rf "$TIDY"
        rmdir "$DATA/coming" 2>/dev/null || :
    fi
    if [ "$1" != 0 ] && [ -n "$UNDO" ]; then
        undo=$UNDO
        UNDO=
        $undo
    fi
    case $verb.$1 in
    run.* | *.[0235] | *.143) ;;
    *) fail unforeseen "exit code $1" ;; # `set -e` ended it: nobody had thought of this
    esac
}

# try REASON COMMAND…: the command must work, else the verb fails with REASON and what it said on stderr.
try() {
    try_reason=$1
    shift
    { try_said=$("$@" 2>&1 >&3 3>&-); } 3>&1 || fail "$try_reason" "$try_said"
}

# Named places where a test makes the guard die as if the power had gone.
failpoint() { [ "${CLAWRACK_FAILPOINT:-}" != "$1" ] || kill -9 $$; }

TOOLS="cat chmod chown cksum cp cut date df du find flock head id ip iptables iptables-restore ls mkdir mv od rm sha256sum
 sleep sort sync tail tar timeout touch tr wc"

missing_tools() {
    for tool in $TOOLS "$DOCKER"; do
        command -v "$tool" >/dev/null 2>&1 || printf '%s ' "$tool"
    done
}

need_tools() {
    lacking=$(missing_tools)
    [ -z "$lacking" ] || fail tools-missing "${lacking% }"
}

verb_tools() {
    lacking=$(missing_tools)
    if [ -n "$lacking" ]; then
        say missing "${lacking% }"
        fail tools-missing "${lacking% }"
    fi
    say ok 1
}

# --- files that are there whole or not at all ---------------------------------------------------------------------

# put FILE: standard input becomes FILE by one rename. The content is on the disk before the name is, and the
# name is on the disk before we go on.
put() {
    mkdir -p "$RUN"
    put_from=$RUN/.put.$$ # in memory: what came can be written once more
    if cat >"$put_from" && with_room put_once "$1"; then
        rm -f "$put_from"
        return 0
    fi
    rm -f "$put_from" "$1.new"
    fail disk "$1 could not be written"
}

put_once() { cat "$put_from" >"$1.new" && sync "$1.new" && mv -f "$1.new" "$1" && sync "${1%/*}"; }

# --- room on a full disk ------------------------------------------------------------------------------------------
# An agent may fill the disk; it must not get out of being stopped or removed by that, which begins with a mark on
# the same disk. So we hold some room in files of our own, and let go of them one by one: an agent that still runs
# takes what gets free. Of the file system's inodes, which run out on their own, we hold some in the same way.

BALLAST_PARTS="1 2 3 4 5 6 7 8"
BALLAST_BYTES=1048576 # each
BALLAST_ROOM=131072   # KiB that must be free before we take our own again
BALLAST_NODES=8192    # and inodes

with_room() { # COMMAND…, tried again for as long as there is ballast to let go
    until "$@" 2>/dev/null; do
        ballast_release || return 1
    done
}

# One part of what is short; not where there is room, for then it is not the disk's size that is wrong.
ballast_release() {
    ballast_gone=
    has_kib || ballast_drop ''
    has_nodes || ballast_drop nodes.
    [ -n "$ballast_gone" ]
}

ballast_drop() { # PREFIX
    for part in $BALLAST_PARTS; do
        if [ -e "$DATA/ballast/$1$part" ]; then
            rm -rf "$DATA/ballast/$1$part"
            ballast_gone=1
            return 0
        fi
    done
}

has_kib() { [ "$(free_kib_of "$DATA")" -ge $BALLAST_ROOM ]; }

has_nodes() { # where nobody counts them (btrfs, a `df` that knows no -i) they do not run out
    set -- "$(df -Pi "$DATA" 2>/dev/null | while read -r _ nodes _ free _; do echo "$nodes $free"; done | tail -n 1)"
    is_number "${1%% *}" 1 9999999999999999 && is_number "${1##* }" 0 9999999999999999 || return 0
    [ "${1##* }" -ge $BALLAST_NODES ]
}

# Under the lock. Random bytes, for a file system that keeps zeroes or copies in no room at all.
ballast_fill() {
    mkdir -p "$DATA/ballast" 2>/dev/null || return 0
    ballast_made=
    ballast_nodes
    for part in $BALLAST_PARTS; do
        [ ! -e "$DATA/ballast/$part" ] || continue
        has_kib || break
        head -c $BALLAST_BYTES /dev/urandom >"$DATA/ballast/new" 2>/dev/null || break
        mv -f "$DATA/ballast/new" "$DATA/ballast/$part"
        ballast_made=1
    done
    rm -f "$DATA/ballast/new"
    [ -z "$ballast_made" ] || sync_tree "$DATA/ballast"
}

ballast_nodes() { # 64 empty files and their folder, eight times
    for part in $BALLAST_PARTS; do
        [ ! -e "$DATA/ballast/nodes.$part" ] || continue
        has_nodes || return 0
        ballast_new 2>/dev/null || break
        mv "$DATA/ballast/new" "$DATA/ballast/nodes.$part"
        ballast_made=1
    done
    rm -rf "$DATA/ballast/new"
}

ballast_new() {
    rm -rf "$DATA/ballast/new"
    mkdir "$DATA/ballast/new" || return 1
    for one in $BALLAST_PARTS; do
        for other in $BALLAST_PARTS; do touch "$DATA/ballast/new/$one$other" || return 1; done
    done
}

# rewrite FILE COMMAND…: what the command prints takes the FILE's place by one rename; owner, mode and label stay. Where
# that fails, the FILE is as it was, and nothing lies beside it.
rewrite() {
    rewritten=$1
    shift
    rm -f "$rewritten.clawrack"
    if cp -p "$rewritten" "$rewritten.clawrack" && "$@" >"$rewritten.clawrack" && rewrite_sync &&
        mv -f "$rewritten.clawrack" "$rewritten"; then
        sync "${rewritten%/*}" 2>/dev/null || sync
        return 0
    fi
    rm -f "$rewritten.clawrack"
    return 1
}

rewrite_sync() {
    ! command -v restorecon >/dev/null 2>&1 || restorecon -F "$rewritten.clawrack" 2>/dev/null || :
    sync "$rewritten.clawrack"
}

drop() { # FILE: gone, and the disk knows
    [ -e "$1" ] || return 0
    rm -f "$1"
    sync "${1%/*}"
}

# A tree that was just written: one flush of its file system (or of all, where sync knows no -f).
sync_tree() { sync -f "$1" 2>/dev/null || sync; }

field() { # FILE KEY → value (nothing where the file or the key is not there)
    [ -r "$1" ] || return 0
    while IFS='=' read -r field_key field_value; do
        if [ "$field_key" = "$2" ]; then
            printf '%s' "$field_value"
            return 0
        fi
    done <"$1"
}

first_line() {
    first=
    if [ -r "$1" ]; then
        read -r first <"$1" || :
    fi
    printf '%s' "$first"
}

# --- time: this boot and its uptime; no wall clock ----------------------------------------------------------------

uptime_s() {
    read -r up _ </proc/uptime
    printf '%s' "${up%%.*}"
}

uptime_ms() {
    read -r up _ </proc/uptime
    printf '%s0' "${up%%.*}${up##*.}"
}

# A boot is the kernel's id and a mark of ours on /run: a container keeps its host's kernel id over a power cut, and a
# system without systemd may keep /run on its disk.
boot_id() {
    boot_seen=$(first_line "$RUN/boot")
    if [ "${boot_seen%%.*}" != "$(first_line /proc/sys/kernel/random/boot_id)" ]; then
        rm -f "$RUN"/*.want "$RUN"/*.halting "$RUN"/*.up "$RUN"/*.fails "$RUN"/*.jitter
        begin_boot
        boot_seen=$(first_line "$RUN/boot")
    fi
    printf '%s' "$boot_seen"
}

begin_boot() {
    mkdir -p "$RUN"
    mark=$(first_line /proc/sys/kernel/random/boot_id).$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')
    printf '%s\n%s\n' "$mark" "$(uptime_s)" >"$RUN/boot.$$"
    mv -f "$RUN/boot.$$" "$RUN/boot"
}

boot_age() { # seconds since this boot was first seen
    boot_id >/dev/null
    { read -r _ && read -r seen; } <"$RUN/boot"
    printf '%s' $(($(uptime_s) - seen))
}

still() { # BOOT UNTIL: is that moment still to come?
    [ "$1" = "$(boot_id)" ] && [ "$(uptime_s)" -lt "$2" ]
}

# --- the way back -------------------------------------------------------------------------------------------------
# What could lock a person out is on trial. Unless it is committed in time, the guard is called to take it back, whatever
# has become of us and of whoever called us; the tick, and the first one after a boot, look as well.

way_back() { # UNIT SECONDS WORDS…: when the time is over, the guard is called with these WORDS
    way_back_off "$1"
    back_unit=$1
    back_s=$(($2 + 1))
    shift 2
    if has_systemd; then
        systemd-run --quiet --unit="$back_unit" --on-active="$back_s" --timer-property=AccuracySec=1s \
            "$GUARD" "$@"
    elif command -v setsid >/dev/null 2>&1; then
        # shellcheck disable=SC2016 # the other shell's own words
        setsid sh -c 'sleep "$1"; shift; exec "$@"' sh "$back_s" "$GUARD" "$@" </dev/null >/dev/null 2>&1 9>&- 8>&- &
    else
        (sleep "$back_s" && exec "$GUARD" "$@") </dev/null >/dev/null 2>&1 9>&- 8>&- &
    fi
}

way_back_off() { # UNIT: committed, or taken back already; without systemd the call finds nothing to do
    has_systemd || return 0
    systemctl stop "$1.timer" 2>/dev/null || :
    systemctl reset-failed "$1.timer" "$1.service" 2>/dev/null || :
}

# --- the lock and the lease ---------------------------------------------------------------------------------------

# One transition at a time. Children keep the lock open: when the guard is killed while `docker stop` still
# runs, the next guard waits for it instead of working beside it.
lock() { # SECONDS to wait
    prepared
    exec 9>>"$DATA/lock"
    flock -w "$1" 9 || refuse busy "another change is under way"
}

prepared() {
    [ -s "$DATA/version" ] || refuse not-installed "run install first"
    [ "$(first_line "$DATA/version")" -le "$GUARD_VERSION" ] ||
        refuse newer-data "the data was written by a newer guard"
}

# The lease has a lock of its own, so that it can be renewed during a long transition.
lease_lock() {
    prepared
    exec 8>>"$DATA/lease.lock"
    flock -w 10 8 || refuse busy "the lease is being changed"
}

lease_left() { # seconds left, 0 when nobody holds it
    until=$(field "$DATA/lease" until)
    if [ -n "$until" ] && still "$(field "$DATA/lease" boot)" "$until"; then
        printf '%s' $((until - $(uptime_s)))
    else
        printf 0
    fi
}

write_lease() { # HOLDER TOKEN SECONDS
    put "$DATA/lease" <<END
holder=$1
token=$2
boot=$(boot_id)
until=$(($(uptime_s) + $3))
END
}

verb_lease() {
    is_holder "$1" || bad holder "$1"
    is_number "$2" 1 3600 || bad seconds "$2"
    lock 5 # nobody takes over while a transition of the last holder is still under way
    lease_lock
    left=$(lease_left)
    holder=$(field "$DATA/lease" holder)
    if [ "$left" -gt 0 ] && [ "$holder" != "$1" ]; then
        say holder "$holder"
        say left "$left"
        refuse held "another controller is at work"
    fi
    ballast_fill
    token=$(($(first_line "$DATA/token") + 1))
    echo "$token" | put "$DATA/token"
    failpoint lease-token-counted
    write_lease "$1" "$token" "$2"
    say token "$token"
    say version "$GUARD_VERSION"
}

verb_renew() {
    is_number "$2" 1 3600 || bad seconds "$2"
    lease_lock
    holds "$1"
    write_lease "$(field "$DATA/lease" holder)" "$1" "$2"
    say left "$2"
}

verb_release() {
    lease_lock
    holds "$1"
    drop "$DATA/lease"
}

# holds TOKEN: this token is the newest there is and its lease has not ended.
holds() {
    is_number "$1" 1 999999999999 || bad token "$1"
    [ "$1" = "$(field "$DATA/lease" token)" ] || refuse stale-token "this token is not the lease's"
    [ "$(lease_left)" -gt 0 ] || refuse lease-ended "the lease ended"
}

# begin TOKEN [BOX]: what every changing verb starts with. The token is checked inside the lock, and whatever a
# killed guard left half done is finished or taken back before anything new. BOX becomes the current box.
begin() {
    is_number "$1" 1 999999999999 || bad token "$1"
    prepared
    holds "$1" # early, to refuse without waiting …
    lock 30
    holds "$1" # … and again where it counts
    recover
    case "$UNRECOVERED " in *" ${2:-.} "*) fail unrecovered "$UNRECOVERED_WHY" ;; esac
    [ -z "${2:-}" ] || enter "$2"
}
